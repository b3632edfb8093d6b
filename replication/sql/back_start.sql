-- back_start: the way back begins here: in the transaction that commits the fence
-- params:  $1 text task, $2 text state, $3 pg_lsn position on the side that is about to open
-- returns: nothing; affects 1 row
-- needs:   UPDATE on bascule.task, INSERT and UPDATE on bascule.resume; PostgreSQL 15+
WITH shown AS (
    UPDATE bascule.task
    SET state = $2::pg_catalog.text, changed_at = pg_catalog.clock_timestamp()
    WHERE task = $1::pg_catalog.text
)
INSERT INTO bascule.resume AS r (task, lsn)
VALUES ($1::pg_catalog.text, $3::pg_catalog.pg_lsn)
ON CONFLICT (task) DO UPDATE SET lsn = EXCLUDED.lsn, commit_time = NULL, wrote = NULL
