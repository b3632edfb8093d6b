-- sample_keys: foreign keys of a table of the target, to be made again between other tables
-- params:  $1 text schema, $2 text table
-- returns: name name, columns text, to_schema name, to_name name, to_columns text, match_full bool
-- needs:   pg_catalog only; PostgreSQL 15+
-- Columns are quoted. Keys that are not validated hold for new rows only: the load does not meet them.
SELECT k.conname,
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY x.n)
        FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS x (attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.attnum),
       pn.nspname, p.relname,
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY x.n)
        FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS x (attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.attnum),
       k.confmatchtype = 'f'
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.convalidated
  AND n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text
ORDER BY k.oid
