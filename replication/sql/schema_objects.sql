-- schema_objects: what a schema is made of, by catalog and oid, with a name that is the same on both sides
-- params:  none
-- returns: catalog oid, oid oid, table_oid oid (0: none), key text, words text ("schema name" of relations, as a
--          table of contents writes them, else NULL)
-- needs:   SELECT on pg_catalog only; PostgreSQL 12+
WITH namespaces AS (
    SELECT n.oid, n.nspname
      FROM pg_catalog.pg_namespace n
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
       AND n.nspname !~ '^pg_(toast|temp)'
), tables AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition
      FROM pg_catalog.pg_class c
      JOIN namespaces n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
)
SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, n.oid, 0::pg_catalog.oid,
       pg_catalog.concat_ws(chr(1), 'schema', n.nspname), NULL
  FROM namespaces n
UNION ALL
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, t.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'relation', t.nspname, t.relname),
       pg_catalog.concat_ws(' ', t.nspname, t.relname)
  FROM tables t
UNION ALL -- by no oid of its own: it is looked up by its name
SELECT 0::pg_catalog.oid, t.oid, t.oid, pg_catalog.concat_ws(chr(1), 'attached', t.nspname, t.relname),
       NULL
  FROM tables t
 WHERE t.relispartition
UNION ALL
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid, t.oid,
       pg_catalog.concat_ws(chr(1), 'index', t.nspname, x.relname), NULL
  FROM tables t
  JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
UNION ALL
SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'constraint', t.nspname, t.relname, c.conname), NULL
  FROM tables t JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid
UNION ALL
SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, g.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'trigger', t.nspname, t.relname, g.tgname), NULL
  FROM tables t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid
 WHERE NOT g.tgisinternal
UNION ALL -- not a view's own: a view that needs a primary key is dumped empty at first and replaced behind the data
SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, r.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'rule', t.nspname, t.relname, r.rulename), NULL
  FROM tables t JOIN pg_catalog.pg_rewrite r ON r.ev_class = t.oid
 WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, p.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'policy', t.nspname, t.relname, p.polname), NULL
  FROM tables t JOIN pg_catalog.pg_policy p ON p.polrelid = t.oid
UNION ALL
SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, s.oid, t.oid,
       pg_catalog.concat_ws(chr(1), 'statistics', t.nspname, t.relname, s.stxname), NULL
  FROM tables t JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = t.oid
