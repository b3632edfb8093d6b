-- cutover_verdict_revoke: sets the verdict REVOKED if nobody has decided yet; also where the row is missing
-- params:  $1 text task, $2 int8 epoch
-- returns: nothing; affects 1 row, or 0: decided already
-- needs:   INSERT, UPDATE on bascule.verdict; PostgreSQL 15+
INSERT INTO bascule.verdict AS v (task, epoch, verdict, decided_at)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, 'REVOKED', pg_catalog.clock_timestamp())
ON CONFLICT (task, epoch) DO UPDATE
SET verdict = EXCLUDED.verdict, decided_at = EXCLUDED.decided_at
WHERE v.verdict IS NULL
