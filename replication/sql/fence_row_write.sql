-- fence_row_write: the row that says the source is fenced; inside the lock transaction
-- params:  $1 text task, $2 int8 epoch, $3 pg_lsn barrier, $4 text new primary
-- returns: nothing; affects 1 row; unique violation when a fence of the task is in force already
-- needs:   INSERT on bascule.fence; PostgreSQL 15+
INSERT INTO bascule.fence (task, epoch, barrier_lsn, new_primary)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.pg_lsn, $4::pg_catalog.text)
