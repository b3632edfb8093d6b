-- back_advance: moves a slot to where the server's WAL is flushed; what was decoded before is not sent any more
-- params:  $1 text slot
-- returns: wanted pg_lsn, reached pg_lsn
-- needs:   REPLICATION; PostgreSQL 15+
SELECT f.lsn AS wanted, a.end_lsn AS reached
FROM (SELECT pg_catalog.pg_current_wal_flush_lsn() AS lsn) AS f,
     LATERAL pg_catalog.pg_replication_slot_advance($1::pg_catalog.name, f.lsn) AS a
