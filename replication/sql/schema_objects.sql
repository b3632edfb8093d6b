-- schema_objects: what post-data makes, by catalog and oid, with a name that is the same on both sides
-- params:  $1 text schema of one table, or NULL for all; $2 text its name
-- returns: catalog oid, oid oid, table_oid oid, key text
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
WITH tables AS (
    SELECT c.oid, n.nspname, c.relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
       AND n.nspname !~ '^pg_(toast|temp)'
       AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
       AND ($1::pg_catalog.text IS NULL
            OR (n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text))
)
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid, t.oid,
       pg_catalog.concat_ws(chr(1), 'index', t.nspname, x.relname)
  FROM tables t
  JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
UNION ALL
SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'constraint', t.nspname, t.relname, c.conname)
  FROM tables t JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid
UNION ALL
SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, g.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'trigger', t.nspname, t.relname, g.tgname)
  FROM tables t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid
 WHERE NOT g.tgisinternal
UNION ALL
SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, r.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'rule', t.nspname, t.relname, r.rulename)
  FROM tables t JOIN pg_catalog.pg_rewrite r ON r.ev_class = t.oid
UNION ALL
SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, p.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'policy', t.nspname, t.relname, p.polname)
  FROM tables t JOIN pg_catalog.pg_policy p ON p.polrelid = t.oid
UNION ALL
SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, s.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'statistics', t.nspname, t.relname, s.stxname)
  FROM tables t JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = t.oid
