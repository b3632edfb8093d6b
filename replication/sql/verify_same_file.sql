-- verify_same_file: is the table that the snapshot shows still the one behind its name?
-- params:  $1 text schema, $2 text name
-- returns: same boolean; no row: the snapshot knows no such table
-- needs:   nothing but the catalog; PostgreSQL 15+
-- pg_class is read under the snapshot; pg_relation_filenode looks at what is true now.
SELECT c.relkind <> 'r' OR c.relfilenode = pg_catalog.pg_relation_filenode(c.oid) AS same
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::pg_catalog.name AND c.relname = $2::pg_catalog.name
