-- preflight_objects: things of the source that are not rows of ordinary tables
-- params:  none
-- returns: kind text, name text (for people), detail text
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT CASE c.relkind WHEN 'f' THEN 'foreign-table' ELSE 'materialized-view' END AS kind,
       n.nspname || '.' || c.relname AS name,
       NULL::text AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('f', 'm')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'event-trigger', t.evtname::text,
       'ALTER EVENT TRIGGER ' || pg_catalog.quote_ident(t.evtname) || ' DISABLE;'
FROM pg_catalog.pg_event_trigger t
WHERE t.evtenabled <> 'D'
  AND t.evtfoid IS DISTINCT FROM pg_catalog.to_regprocedure('bascule.ddl_note()')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass
                    AND d.objid = t.oid AND d.deptype = 'e')
UNION ALL
SELECT 'lz4-column', n.nspname || '.' || c.relname || '.' || a.attname,
       pg_catalog.format('ALTER %s %I.%I ALTER %I SET COMPRESSION pglz;',
                         CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
                         n.nspname, c.relname, a.attname)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attcompression = 'l' AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule') AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'extension-table', n.nspname || '.' || c.relname, e.extname::text
FROM pg_catalog.pg_extension e
CROSS JOIN LATERAL pg_catalog.unnest(e.extconfig) AS x (oid)
JOIN pg_catalog.pg_class c ON c.oid = x.oid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.pg_relation_size(c.oid) > 0
ORDER BY 1, 2
