-- target_partition_columns: the columns by which a table and what is below it is partitioned
-- params:  $1 text schema, $2 text table
-- returns: attname; none when the table is not partitioned
-- needs:   pg_catalog only; PostgreSQL 12+
SELECT DISTINCT a.attname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) t
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.relid
CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) AS k (attnum)
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.relid AND a.attnum = k.attnum
WHERE n.nspname = $1::pg_catalog.name AND c.relname = $2::pg_catalog.name AND c.relkind = 'p'
ORDER BY a.attname
