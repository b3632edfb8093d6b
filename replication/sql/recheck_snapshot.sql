-- recheck_snapshot: which transactions are under way, to be asked about later
-- params:  none
-- returns: snapshot text
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text AS snapshot
