-- export_skip: what was committed before this position is not read any more
-- params:  $1 text copy of the slot, $2 pg_lsn
-- returns: reached pg_lsn
-- needs:   REPLICATION; PostgreSQL 15+
SELECT a.end_lsn AS reached
FROM (SELECT GREATEST($2::pg_catalog.pg_lsn, s.confirmed_flush_lsn) AS lsn FROM pg_catalog.pg_replication_slots s
      WHERE s.slot_name = $1::pg_catalog.name) AS f,
     LATERAL pg_catalog.pg_replication_slot_advance($1::pg_catalog.name, f.lsn) AS a
