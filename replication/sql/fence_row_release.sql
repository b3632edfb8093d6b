-- fence_row_release: the fence of a task is off; in the transaction that disables its triggers
-- params:  $1 text task, $2 int8 epoch: newer fences stay
-- returns: nothing
-- needs:   UPDATE on bascule.fence; PostgreSQL 15+
UPDATE bascule.fence SET released_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND released_at IS NULL AND epoch <= $2::pg_catalog.int8
