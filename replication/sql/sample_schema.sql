-- sample_schema: what a schema's comment says, by which a scratch schema is known
-- params:  $1 text schema
-- returns: comment text (NULL: none); no row: there is no such schema
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace n
WHERE n.nspname = $1::pg_catalog.text
