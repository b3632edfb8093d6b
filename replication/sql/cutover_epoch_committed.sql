-- cutover_epoch_committed: whether the fence of this epoch was committed
-- params:  $1 text task, $2 int8 epoch
-- returns: committed bool
-- needs:   SELECT on bascule.fence; PostgreSQL 15+
SELECT EXISTS (SELECT FROM bascule.fence f
               WHERE f.task = $1::pg_catalog.text AND f.epoch = $2::pg_catalog.int8) AS committed
