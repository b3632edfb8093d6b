-- export_slot: a copy of a slot that ends with this session; the slot itself may be in use and stays as it is
-- params:  $1 text slot, $2 text name of the copy
-- returns: lsn pg_lsn
-- needs:   REPLICATION; PostgreSQL 15+
SELECT c.lsn
FROM pg_catalog.pg_copy_logical_replication_slot($1::pg_catalog.name, $2::pg_catalog.name, true) AS c
