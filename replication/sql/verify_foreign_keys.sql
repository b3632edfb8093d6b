-- verify_foreign_keys: foreign keys of the given tables with their columns
-- params:  $1 oid[] tables
-- returns: name text, child oid, parent schema text, parent name text, child columns text (newline between names),
--          parent columns text, validated boolean, parent oid
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT c.conname, c.conrelid, n.nspname, p.relname,
       (SELECT pg_catalog.string_agg(a.attname, E'\n' ORDER BY k.place)
        FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
       (SELECT pg_catalog.string_agg(a.attname, E'\n' ORDER BY k.place)
        FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum),
       c.convalidated, c.confrelid
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE c.contype = 'f' AND c.conrelid = ANY ($1::pg_catalog.oid[])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                  WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
ORDER BY c.conrelid, c.conname
