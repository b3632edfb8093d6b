-- cutover_try_lock: a session lock that only one cutover of a task can hold; it ends with the session
-- params:  $1 text what the lock stands for
-- returns: locked bool
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.pg_try_advisory_lock(
           pg_catalog.hashtextextended('bascule ' || $1::pg_catalog.text, 7)) AS locked
