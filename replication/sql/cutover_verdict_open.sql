-- cutover_verdict_open: sets the verdict OPENED if nobody has decided yet
-- params:  $1 text task, $2 int8 epoch
-- returns: nothing; affects 1 row, or 0: decided already
-- needs:   UPDATE on bascule.verdict; PostgreSQL 15+
UPDATE bascule.verdict SET verdict = 'OPENED', decided_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND epoch = $2::pg_catalog.int8 AND verdict IS NULL
