-- preflight_superuser: what of the schema only a superuser may create
-- params:  none
-- returns: kind text, name text (for people), library text (of functions in C, else NULL)
-- needs:   pg_catalog only; PostgreSQL 14+
WITH own (classid, objid, namespace, kind, name, library) AS (
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, p.pronamespace,
           CASE WHEN l.lanname IN ('c', 'internal') THEN 'function in ' || l.lanname
                ELSE 'leakproof function' END,
           p.proname::text, CASE WHEN l.lanname = 'c' THEN p.probin END
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.prokind <> 'a' AND (l.lanname IN ('c', 'internal') OR p.proleakproof)
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typnamespace, 'base type', t.typname::text, NULL
      FROM pg_catalog.pg_type t
     WHERE t.typtype = 'b' AND t.typisdefined
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
    UNION ALL
    SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, f.oid, f.opfnamespace, 'operator family',
           f.opfname::text, NULL
      FROM pg_catalog.pg_opfamily f
    UNION ALL
    SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, o.opcnamespace, 'operator class',
           o.opcname::text, NULL
      FROM pg_catalog.pg_opclass o
    UNION ALL
    SELECT 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, s.oid, s.prsnamespace, 'text search parser',
           s.prsname::text, NULL
      FROM pg_catalog.pg_ts_parser s
    UNION ALL
    SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass, s.oid, s.tmplnamespace, 'text search template',
           s.tmplname::text, NULL
      FROM pg_catalog.pg_ts_template s
    UNION ALL
    SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass, c.oid, NULL, 'cast without function',
           pg_catalog.format_type(c.castsource, NULL) || ' AS ' || pg_catalog.format_type(c.casttarget, NULL), NULL
      FROM pg_catalog.pg_cast c
     WHERE c.castmethod = 'b'
    UNION ALL
    SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, l.oid, NULL, 'language', l.lanname::text, NULL
      FROM pg_catalog.pg_language l
    UNION ALL
    SELECT 'pg_catalog.pg_am'::pg_catalog.regclass, a.oid, NULL, 'access method', a.amname::text, NULL
      FROM pg_catalog.pg_am a
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, w.oid, NULL, 'foreign data wrapper',
           w.fdwname::text, NULL
      FROM pg_catalog.pg_foreign_data_wrapper w
)
SELECT own.kind, pg_catalog.concat_ws('.', n.nspname, own.name), own.library
  FROM own
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = own.namespace
 WHERE own.objid >= 16384
   AND COALESCE(n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule') AND n.nspname !~ '^pg_', true)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                   WHERE d.classid = own.classid AND d.objid = own.objid AND d.deptype IN ('e', 'i')) -- i: a range's own constructors
 ORDER BY 1, 2
