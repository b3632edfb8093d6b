-- conflict_children: the foreign keys of the target that point to one of its tables, or to what it is a partition of
-- params:  $1 text schema, $2 text table
-- returns: constraint_oid int8, child_schema, child_table, child_column, referenced_column name, operator_schema,
--          operator_name name (referenced = referring), may_read bool (of the referring table); one row a column
-- needs:   nothing; PostgreSQL 15+
SELECT f.oid::pg_catalog.int8 AS constraint_oid, cn.nspname AS child_schema, child.relname AS child_table,
       ca.attname AS child_column, ra.attname AS referenced_column, pn.nspname AS operator_schema,
       o.oprname AS operator_name,
       pg_catalog.has_schema_privilege(cn.oid, 'USAGE') AND pg_catalog.has_table_privilege(child.oid, 'SELECT') AS may_read
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2::pg_catalog.text AND c.relkind IN ('r', 'p')
CROSS JOIN LATERAL (SELECT c.oid UNION SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(c.oid) AS a)
           AS referenced (oid)
JOIN pg_catalog.pg_constraint f ON f.confrelid = referenced.oid AND f.contype = 'f' AND f.conparentid = 0
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey), pg_catalog.unnest(f.conpfeqop))
           WITH ORDINALITY AS k (child_attnum, attnum, operator_oid, n)
JOIN pg_catalog.pg_class child ON child.oid = f.conrelid
JOIN pg_catalog.pg_namespace cn ON cn.oid = child.relnamespace
JOIN pg_catalog.pg_attribute ca ON ca.attrelid = f.conrelid AND ca.attnum = k.child_attnum
JOIN pg_catalog.pg_attribute ra ON ra.attrelid = f.confrelid AND ra.attnum = k.attnum
JOIN pg_catalog.pg_operator o ON o.oid = k.operator_oid
JOIN pg_catalog.pg_namespace pn ON pn.oid = o.oprnamespace
WHERE n.nspname = $1::pg_catalog.text
ORDER BY f.oid, k.n
