-- certificate_opened: the newest epoch in which this side was opened
-- params:  $1 text task
-- returns: epoch int8, decided_at text; no row: never
-- needs:   SELECT on bascule.verdict; PostgreSQL 15+
SELECT v.epoch, pg_catalog.to_char(v.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM bascule.verdict v
WHERE v.task = $1::pg_catalog.text AND v.verdict = 'OPENED'
ORDER BY v.epoch DESC
LIMIT 1
