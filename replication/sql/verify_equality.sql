-- verify_equality: by which operator = columns of a table are compared
-- params:  $1 text schema, $2 text name, $3 text[] columns
-- returns: operator schema name; one row a column that there is, in the order given
-- needs:   pg_catalog only; PostgreSQL 15+
-- A type with an operator class of its own brings its operator; all others are compared by one of the server's.
WITH RECURSIVE base (place, oid) AS (
    SELECT k.place, a.atttypid
    FROM pg_catalog.unnest($3::pg_catalog.text[]) WITH ORDINALITY AS k (name, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname = $1::pg_catalog.text
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2::pg_catalog.text
                              AND c.relkind IN ('r', 'p')
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = k.name
                                  AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
    SELECT base.place, t.typbasetype
    FROM base
    JOIN pg_catalog.pg_type t ON t.oid = base.oid AND t.typtype = 'd'
)
SELECT COALESCE((SELECT pg_catalog.min(n.nspname::pg_catalog.text)
                 FROM pg_catalog.pg_opclass oc
                 JOIN pg_catalog.pg_am am ON am.oid = oc.opcmethod AND am.amname IN ('btree', 'hash')
                 JOIN pg_catalog.pg_amop ao
                   ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype
                  AND ao.amoprighttype = oc.opcintype
                  AND ao.amopstrategy = CASE am.amname WHEN 'btree' THEN 3 ELSE 1 END
                 JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr AND o.oprname = '='
                 JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
                 WHERE oc.opcdefault AND oc.opcintype = base.oid), 'pg_catalog') AS operator_schema
FROM base
JOIN pg_catalog.pg_type t ON t.oid = base.oid AND t.typtype <> 'd'
ORDER BY base.place
