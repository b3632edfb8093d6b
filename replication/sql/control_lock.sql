-- control_lock: takes the session's lock on a task, without waiting
-- params:  $1 int8 key of the task
-- returns: locked bool
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.pg_try_advisory_lock($1::pg_catalog.int8) AS locked
