-- repair_stale_runs: a verification that was interrupted knows rows that are repaired now: it is not gone on with
-- params:  $1 text task
-- returns: nothing
-- needs:   UPDATE on bascule.verify_run; PostgreSQL 15+
UPDATE bascule.verify_run
SET state = 'given up', finished_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND state = 'running'
