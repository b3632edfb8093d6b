-- export_skip: what was committed before this position is not read any more
-- params:  $1 text copy of the slot, $2 pg_lsn
-- returns: reached pg_lsn
-- needs:   REPLICATION; PostgreSQL 15+
SELECT a.end_lsn AS reached
FROM pg_catalog.pg_replication_slot_advance($1::pg_catalog.name, $2::pg_catalog.pg_lsn) AS a
