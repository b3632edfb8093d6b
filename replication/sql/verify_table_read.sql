-- verify_table_read: what a run has decided so far
-- params:  $1 int8 run
-- returns: schema text, name text, verdict text, why text, next_part int4, at_least boolean, rows_source int8,
--          rows_target int8, bytes int8, chunks int8, missing int8, extra int8, different int8,
--          representation int8, hash_source text, hash_target text, first_lsn pg_lsn, last_lsn pg_lsn,
--          elapsed_us int8, keys int4 (texts of next_key, NULL none), file_source text, file_target text
-- needs:   SELECT on bascule.verify_table; PostgreSQL 15+
SELECT t.schema_name, t.table_name, t.verdict, t.why, t.next_part, t.at_least, t.rows_source,
       t.rows_target, t.bytes, t.chunks, t.missing, t.extra, t.different, t.representation,
       t.hash_source, t.hash_target, t.first_lsn, t.last_lsn, t.elapsed_us,
       pg_catalog.cardinality(t.next_key), t.file_source, t.file_target
FROM bascule.verify_table t
WHERE t.run = $1::pg_catalog.int8
