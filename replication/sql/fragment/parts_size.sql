-- parts_size: size of c's partitions when it is a partitioned table, as one row `parts`
CROSS JOIN LATERAL (
    SELECT COALESCE(pg_catalog.max(pg_catalog.pg_relation_size(t.relid)), 0) AS heap,
           COALESCE(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), 0)::pg_catalog.int8 AS bytes
    FROM pg_catalog.pg_partition_tree(c.oid) t
    WHERE c.relkind = 'p' AND t.isleaf
) AS parts
