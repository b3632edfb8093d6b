-- verify_table_write: how far a table is decided
-- params:  $1 int8 run, $2 text task, $3 text schema, $4 text name, $5 text verdict, $6 text why,
--          $7 text method, $8 text[] next_key (NULL: none), $9 int4 next_part, $10 boolean at_least,
--          $11 int8[] rows_source, rows_target, bytes, chunks, missing, extra, different, representation,
--          elapsed_us, $12 text hash_source, $13 text hash_target, $14 pg_lsn first, $15 pg_lsn last,
--          $16 text file on the source, $17 text file on the target
-- returns: nothing
-- needs:   INSERT, UPDATE on bascule.verify_table; PostgreSQL 15+
INSERT INTO bascule.verify_table AS t
    (run, task, schema_name, table_name, verdict, why, method, next_key, next_part, at_least,
     rows_source, rows_target, bytes, chunks, missing, extra, different, representation, elapsed_us,
     hash_source, hash_target, first_lsn, last_lsn, file_source, file_target)
SELECT $1::pg_catalog.int8, $2, $3, $4, $5, $6, $7, $8::pg_catalog.text[], $9::pg_catalog.int4,
       $10::pg_catalog.bool, n.f[1], n.f[2], n.f[3], n.f[4], n.f[5], n.f[6], n.f[7], n.f[8], n.f[9],
       $12, $13, $14::pg_catalog.pg_lsn, $15::pg_catalog.pg_lsn, $16, $17
FROM (SELECT $11::pg_catalog.int8[] AS f) n
ON CONFLICT (run, schema_name, table_name) DO UPDATE
SET verdict = EXCLUDED.verdict, why = EXCLUDED.why, method = EXCLUDED.method,
    next_key = EXCLUDED.next_key, next_part = EXCLUDED.next_part, at_least = EXCLUDED.at_least,
    rows_source = EXCLUDED.rows_source, rows_target = EXCLUDED.rows_target, bytes = EXCLUDED.bytes,
    chunks = EXCLUDED.chunks, missing = EXCLUDED.missing, extra = EXCLUDED.extra,
    different = EXCLUDED.different, representation = EXCLUDED.representation,
    elapsed_us = EXCLUDED.elapsed_us, hash_source = EXCLUDED.hash_source,
    hash_target = EXCLUDED.hash_target, first_lsn = EXCLUDED.first_lsn,
    last_lsn = EXCLUDED.last_lsn, file_source = EXCLUDED.file_source,
    file_target = EXCLUDED.file_target, changed_at = pg_catalog.clock_timestamp()
