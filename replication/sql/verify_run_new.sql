-- verify_run_new: a new run; older ones that were interrupted will not be gone on with
-- params:  $1 text task, $2 text options, $3 boolean exact, $4 boolean aside: those are left as they are
-- returns: run int8
-- needs:   INSERT, UPDATE on bascule.verify_run; PostgreSQL 15+
WITH older AS (
    UPDATE bascule.verify_run SET state = 'given up', finished_at = pg_catalog.clock_timestamp()
    WHERE task = $1 AND state = 'running' AND NOT $4::pg_catalog.bool
)
INSERT INTO bascule.verify_run (task, options, exact)
VALUES ($1, $2, $3::pg_catalog.bool)
RETURNING run
