-- source_publication_state: does a publication exist, and does it publish exactly the given tables?
-- params:  $1 text publication, $2 oid[] tables
-- returns: all operations published, by root, tables missing, tables too many, filters or column lists
-- needs:   pg_catalog only; PostgreSQL 14+
WITH published AS MATERIALIZED (
    SELECT t.schemaname, t.tablename FROM pg_catalog.pg_publication_tables t WHERE t.pubname = $1
), wanted AS MATERIALIZED (
    SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($2::pg_catalog.oid[])
)
SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
       p.pubviaroot,
       (SELECT pg_catalog.count(*) FROM (TABLE wanted EXCEPT TABLE published) x),
       (SELECT pg_catalog.count(*) FROM (TABLE published EXCEPT TABLE wanted) x),
       EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
               WHERE r.prpubid = p.oid
                 AND (pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL
                      OR pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL))
FROM pg_catalog.pg_publication p
WHERE p.pubname = $1
