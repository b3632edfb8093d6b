-- source_scope: names of all tables that can hold rows, to see which are new in scope
-- params:  none
-- returns: oid, schema, name, schema and name of the topmost partitioned table (NULL: none)
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT c.oid, n.nspname, c.relname, rn.nspname, r.relname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (SELECT pg_catalog.pg_partition_root(c.oid) AS oid WHERE c.relispartition) root ON true
LEFT JOIN pg_catalog.pg_class r ON r.oid = root.oid
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'bascule')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
