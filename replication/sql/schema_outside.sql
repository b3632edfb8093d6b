-- schema_outside: everything that cannot be restored without tables that are out of scope: the tables
--   themselves and what depends on them (defaults, owned sequences, views, foreign keys, triggers, ...)
-- params:  $1 oid[] of the tables in scope
-- returns: catalog oid, oid oid; catalog 0: a sequence that moves while the table that owns it does not
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
WITH RECURSIVE scope AS (
    SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid
), roots AS ( -- a partitioned table or parent of a table in scope comes along
    SELECT oid FROM scope
    UNION
    SELECT h.inhparent FROM roots r JOIN pg_catalog.pg_inherits h ON h.inhrelid = r.oid
), carried AS ( -- sequences that the default of a column in scope draws from, whoever owns them
    SELECT d.refobjid AS oid
      FROM pg_catalog.pg_attrdef f
      JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind = 'S'
     WHERE f.adrelid IN (SELECT oid FROM roots)
), outside AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS classid, c.oid AS objid
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
       AND n.nspname !~ '^pg_(toast|temp)'
       AND c.oid NOT IN (SELECT oid FROM roots)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                          AND d.objid = c.oid AND d.deptype = 'e')
    UNION
    SELECT more.classid, more.objid
      FROM outside o
     CROSS JOIN LATERAL (
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
         WHERE d.refclassid = o.classid AND d.refobjid = o.objid AND d.deptype IN ('n', 'a', 'i')
        UNION ALL -- the view behind a rule of a view
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.ev_class
          FROM pg_catalog.pg_rewrite r
         WHERE o.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = o.objid
           AND r.rulename = '_RETURN'
        UNION ALL -- a foreign key to a partitioned table one of whose partitions stays behind
        SELECT o.classid, p.oid
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_constraint p ON p.oid = k.conparentid AND p.conrelid = k.conrelid
         WHERE o.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = o.objid
           AND k.contype = 'f') more
     WHERE NOT (more.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND more.objid IN (SELECT oid FROM carried))
)
SELECT o.classid, o.objid FROM outside o
UNION ALL -- moves, but not with its owner
SELECT 0, d.objid
  FROM carried c
  JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'a'
  JOIN outside o ON o.classid = d.refclassid AND o.objid = d.refobjid
