-- verify_lock: one verification of a task at a time, for as long as the session lives
-- params:  $1 text task
-- returns: locked boolean
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('bascule verify ' || $1::pg_catalog.text, 0))
