-- cutover_open_since: how long a side has been open
-- params:  $1 text task, $2 int8 epoch
-- returns: open_us int8 (NULL: not open in this epoch)
-- needs:   SELECT on bascule.verdict; PostgreSQL 15+
SELECT (EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - v.decided_at) * 1000000)::pg_catalog.int8
           AS open_us
FROM bascule.verdict v
WHERE v.task = $1::pg_catalog.text AND v.epoch = $2::pg_catalog.int8 AND v.verdict = 'OPENED'
