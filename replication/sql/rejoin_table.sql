-- rejoin_table: a table is copied again, and the stream goes on with it from the position of the copy
-- params:  $1 text task, $2 text schema, $3 text table, $4 int8 source oid, $5 pg_lsn position of the copy,
--          $6 int8 rows, $7 int8 bytes, $8 text shape, $9 text target_schema, $10 text target_name
-- returns: nothing; affects 1 row
-- needs:   INSERT, UPDATE on bascule.table_state; PostgreSQL 15+
INSERT INTO bascule.table_state AS t
    (task, schema_name, table_name, source_oid, state, start_lsn, rows_loaded, bytes_loaded, shape,
     target_schema, target_name)
VALUES ($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.int8,
        'Table completed', $5::pg_catalog.pg_lsn, $6::pg_catalog.int8, $7::pg_catalog.int8,
        $8::pg_catalog.text, $9::pg_catalog.text, $10::pg_catalog.text)
ON CONFLICT (task, schema_name, table_name) DO UPDATE
SET source_oid = EXCLUDED.source_oid, state = EXCLUDED.state, start_lsn = EXCLUDED.start_lsn,
    rows_loaded = EXCLUDED.rows_loaded, bytes_loaded = EXCLUDED.bytes_loaded, shape = EXCLUDED.shape,
    target_schema = EXCLUDED.target_schema, target_name = EXCLUDED.target_name,
    from_lsn = NULL, suspended_lsn = NULL, paused = NULL, message = NULL, remedy = NULL, changed_at = pg_catalog.clock_timestamp()
