-- fence_tables: the tables given by name, everything above them (partitioned roots, inheritance parents) and
--               the partitions of a partitioned one, parents first: a statement on a parent fires the
--               parent's statement triggers only
-- params:  $1 text[] schemas, $2 text[] names
-- returns: schema_name name, table_name name, oid oid, in_scope bool, owned bool (our role may alter it), owner name
-- needs:   nothing but the catalog; PostgreSQL 15+
WITH RECURSIVE given (oid, relkind) AS (
    SELECT c.oid, c.relkind
    FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS w (schema_name, table_name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
                              AND c.relkind IN ('r', 'p')
), above (oid, level) AS (
    SELECT given.oid, 0 FROM given
    UNION
    SELECT t.relid, -t.level
    FROM given CROSS JOIN LATERAL pg_catalog.pg_partition_tree(given.oid) t
    WHERE given.relkind = 'p'
    UNION
    SELECT i.inhparent, a.level + 1
    FROM above a
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.oid
)
SELECT n.nspname AS schema_name, c.relname AS table_name, c.oid,
       pg_catalog.bool_or(a.level = 0) AS in_scope,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner
FROM above a
JOIN pg_catalog.pg_class c ON c.oid = a.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname, c.oid, c.relowner
ORDER BY pg_catalog.max(a.level) DESC, n.nspname COLLATE "C", c.relname COLLATE "C"
