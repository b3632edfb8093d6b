-- certificate_fence: where the side that was left ends
-- params:  $1 text task, $2 int8 epoch
-- returns: barrier_lsn pg_lsn, fenced_at text; no row: unknown
-- needs:   SELECT on bascule.fence; PostgreSQL 15+
SELECT f.barrier_lsn, pg_catalog.to_char(f.fenced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM bascule.fence f
WHERE f.task = $1::pg_catalog.text AND f.epoch = $2::pg_catalog.int8
