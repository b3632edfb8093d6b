-- control_table_write: inserts or replaces the row of one table; raises the transaction's synchronous_commit
-- params:  $1 text task, $2 text schema, $3 text table, $4 int8 source oid, $5 text state, $6 pg_lsn start_lsn,
--          $7 int8 rows, $8 int8 bytes, $9 text message, $10 text shape, $11 text target_schema, $12 text target_name
-- returns: nothing; affects 1 row
-- needs:   INSERT, UPDATE on bascule.table_state; PostgreSQL 15+
INSERT INTO bascule.table_state AS t
    (task, schema_name, table_name, source_oid, state, start_lsn, rows_loaded, bytes_loaded, message, shape,
     target_schema, target_name)
SELECT $1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.int8,
       $5::pg_catalog.text, $6::pg_catalog.pg_lsn, $7::pg_catalog.int8, $8::pg_catalog.int8,
       $9::pg_catalog.text, $10::pg_catalog.text, $11::pg_catalog.text, $12::pg_catalog.text
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
ON CONFLICT (task, schema_name, table_name) DO UPDATE
SET source_oid = EXCLUDED.source_oid, state = EXCLUDED.state, start_lsn = EXCLUDED.start_lsn,
    rows_loaded = EXCLUDED.rows_loaded, bytes_loaded = EXCLUDED.bytes_loaded,
    message = EXCLUDED.message, shape = EXCLUDED.shape,
    target_schema = EXCLUDED.target_schema, target_name = EXCLUDED.target_name, changed_at = pg_catalog.clock_timestamp()
