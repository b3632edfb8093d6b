-- target_columns: what the target has for the tables of a task
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based place in the arrays), relkind "char" (NULL: no such table), attname name,
--          type_schema name, type_name name, type_text text, not_null bool, has_default bool,
--          identity "char" ('' none, a always, d by default), generated "char", base_schema name, base_name name
--          (of a domain over a type that is not built in: that type), reads_as text (of a domain over one that
--          is: that type with the domain's length); one row a live column, and one row with NULL attname for a
--          table without columns
-- needs:   nothing; PostgreSQL 15+
WITH RECURSIVE base (domain, oid, length) AS (
    SELECT d.oid, d.typbasetype, d.typtypmod FROM pg_catalog.pg_type d WHERE d.typtype = 'd'
  UNION ALL
    SELECT base.domain, d.typbasetype, d.typtypmod
    FROM base
    JOIN pg_catalog.pg_type d ON d.oid = base.oid AND d.typtype = 'd'
)
SELECT s.place, c.relkind, a.attname, tn.nspname AS type_schema, t.typname AS type_name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_text,
       a.attnotnull AS not_null, a.atthasdef AS has_default, a.attidentity AS identity,
       a.attgenerated AS generated,
       bn.nspname AS base_schema, bt.typname AS base_name,
       CASE WHEN bn.nspname IS NULL THEN
           (SELECT pg_catalog.format_type(base.oid, base.length)
            FROM base JOIN pg_catalog.pg_type b ON b.oid = base.oid AND b.typtype <> 'd'
            WHERE base.domain = t.oid) END AS reads_as
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS s (schema_name, table_name, place)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
LEFT JOIN pg_catalog.pg_class c
       ON c.relnamespace = n.oid AND c.relname = s.table_name
      AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
LEFT JOIN pg_catalog.pg_attribute a
       ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN (base JOIN pg_catalog.pg_type bt ON bt.oid = base.oid AND bt.typtype <> 'd'
                JOIN pg_catalog.pg_namespace bn ON bn.oid = bt.typnamespace AND bn.nspname <> 'pg_catalog')
       ON base.domain = t.oid
ORDER BY s.place, a.attnum
