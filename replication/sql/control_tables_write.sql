-- control_tables_write: inserts or replaces the rows of many tables, with a synchronous commit
-- params:  $1 text task; arrays of equal length: $2 text[] schema, $3 text[] table, $4 int8[] source oid,
--          $5 text[] state, $6 text[] start_lsn (NULL unknown), $7 int8[] rows, $8 int8[] bytes, $9 text[] shape,
--          $10 text[] target_schema, $11 text[] target_name
-- returns: nothing
-- needs:   INSERT, UPDATE on bascule.table_state; PostgreSQL 15+
INSERT INTO bascule.table_state AS t
    (task, schema_name, table_name, source_oid, state, start_lsn, rows_loaded, bytes_loaded, shape,
     target_schema, target_name)
SELECT $1::pg_catalog.text, s.schema_name, s.table_name, s.source_oid, s.state,
       s.start_lsn::pg_catalog.pg_lsn, s.rows_loaded, s.bytes_loaded, s.shape,
       s.target_schema, s.target_name
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable,
     ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]),
                pg_catalog.unnest($4::pg_catalog.int8[]), pg_catalog.unnest($5::pg_catalog.text[]),
                pg_catalog.unnest($6::pg_catalog.text[]), pg_catalog.unnest($7::pg_catalog.int8[]),
                pg_catalog.unnest($8::pg_catalog.int8[]),
                pg_catalog.unnest($9::pg_catalog.text[]), pg_catalog.unnest($10::pg_catalog.text[]),
                pg_catalog.unnest($11::pg_catalog.text[]))
         AS s (schema_name, table_name, source_oid, state, start_lsn, rows_loaded, bytes_loaded,
               shape, target_schema, target_name)
WHERE durable.level IS NOT NULL
ON CONFLICT (task, schema_name, table_name) DO UPDATE
SET source_oid = EXCLUDED.source_oid, state = EXCLUDED.state, start_lsn = EXCLUDED.start_lsn,
    rows_loaded = EXCLUDED.rows_loaded, bytes_loaded = EXCLUDED.bytes_loaded, message = NULL,
    shape = EXCLUDED.shape, target_schema = EXCLUDED.target_schema, target_name = EXCLUDED.target_name,
    changed_at = pg_catalog.clock_timestamp()
