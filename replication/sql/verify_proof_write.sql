-- verify_proof_write: what is known of a table's equality, in place of what was; commits synchronously
-- params:  $1 text task, $2 text schema, $3 text table, $4 int8 epoch (0: while streaming), $5 int8 source oid,
--          $6 pg_lsn start_lsn, $7 text method, $8 pg_lsn position, $9 int8 rows, $10 text digest, $11 int8 keys,
--          $12 text log id, $13 int8 segment, $14 pg_lsn position of the base, $15 text shape of the columns,
--          $16 int8 when, microseconds since 1970, $17 int8 rows that only the target has and a rule keeps
-- returns: nothing; affects 1 row
-- needs:   INSERT, UPDATE on bascule.proof; PostgreSQL 15+
INSERT INTO bascule.proof AS p
    (task, schema_name, table_name, epoch, source_oid, start_lsn, method, lsn, rows, digest, keys, log_id, segment,
     base_lsn, shape, proved_at, kept)
SELECT $1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.int8,
       $5::pg_catalog.int8, $6::pg_catalog.pg_lsn, $7::pg_catalog.text, $8::pg_catalog.pg_lsn,
       $9::pg_catalog.int8, $10::pg_catalog.text, $11::pg_catalog.int8, $12::pg_catalog.text,
       $13::pg_catalog.int8, $14::pg_catalog.pg_lsn, $15::pg_catalog.text,
       pg_catalog.to_timestamp($16::pg_catalog.int8 / 1000000.0), $17::pg_catalog.int8
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
ON CONFLICT (task, schema_name, table_name, epoch) DO UPDATE
SET source_oid = EXCLUDED.source_oid, start_lsn = EXCLUDED.start_lsn, method = EXCLUDED.method,
    lsn = EXCLUDED.lsn, rows = EXCLUDED.rows, digest = EXCLUDED.digest, keys = EXCLUDED.keys,
    log_id = EXCLUDED.log_id, segment = EXCLUDED.segment, base_lsn = EXCLUDED.base_lsn, shape = EXCLUDED.shape,
    proved_at = EXCLUDED.proved_at, kept = EXCLUDED.kept
