-- schema_matviews: populated materialized views of the source but those of extensions, those that others read first
-- returns: schema name, name name
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
WITH RECURSIVE edges AS (
    SELECT DISTINCT r.ev_class AS reader, d.refobjid AS read
      FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
), depth AS (
    SELECT c.oid, 0 AS level FROM pg_catalog.pg_class c WHERE c.relkind IN ('m', 'v')
    UNION
    SELECT e.reader, d.level + 1 FROM depth d JOIN edges e ON e.read = d.oid WHERE d.level < 64
)
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN depth d ON d.oid = c.oid
 WHERE c.relkind = 'm' AND c.relispopulated
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                    WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND e.objid = c.oid AND e.deptype = 'e')
 GROUP BY 1, 2
 ORDER BY pg_catalog.max(d.level), 1, 2
