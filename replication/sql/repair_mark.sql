-- repair_mark: rows that were brought to what the source has; inside the transaction that did it
-- params:  $1 text task, $2 text schema, $3 text table, $4 text[] keys as recorded, $5 text[] what was done to each,
--          $6 pg_lsn position
-- returns: nothing
-- needs:   UPDATE, SELECT on bascule.failures; PostgreSQL 15+
UPDATE bascule.failures f
SET repaired_at = pg_catalog.clock_timestamp(), repaired_lsn = $6::pg_catalog.pg_lsn, repair = m.action
FROM ROWS FROM (pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[])) AS m (key, action)
WHERE f.task_name = $1::pg_catalog.text AND f.table_owner = $2::pg_catalog.text
  AND f.table_name = $3::pg_catalog.text AND f.key = m.key AND f.repaired_at IS NULL
