-- tables_of_others: of these tables of the target and those above them (partitioned roots, inheritance
--                   parents), which other tasks move or fence, too
-- params:  $1 text task, $2 text[] schemas, $3 text[] names: of our tables on the target
-- returns: task text, schema_name text, table_name text (on the target)
-- needs:   SELECT on bascule.table_state; PostgreSQL 15+
WITH RECURSIVE given (task, schema_name, table_name) AS (
    SELECT NULL::pg_catalog.text, w.schema_name, w.table_name
    FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
        AS w (schema_name, table_name)
    UNION ALL -- by to_jsonb, because an older version did not have these columns
    SELECT t.task,
           COALESCE(pg_catalog.to_jsonb(t) OPERATOR(pg_catalog.->>) 'target_schema', t.schema_name),
           COALESCE(pg_catalog.to_jsonb(t) OPERATOR(pg_catalog.->>) 'target_name', t.table_name)
    FROM bascule.table_state t
    WHERE t.task <> $1::pg_catalog.text AND t.state <> 'Table cancelled'
), there (oid, schema_name, table_name) AS (
    SELECT c.oid, n.nspname::pg_catalog.text COLLATE pg_catalog."default",
           c.relname::pg_catalog.text COLLATE pg_catalog."default"
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
), touched (task, schema_name, table_name, oid) AS (
    SELECT g.task, g.schema_name, g.table_name, t.oid
    FROM given g
    LEFT JOIN there t ON t.schema_name = g.schema_name AND t.table_name = g.table_name
    UNION
    SELECT below.task, t.schema_name, t.table_name, t.oid
    FROM touched below
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = below.oid
    JOIN there t ON t.oid = i.inhparent
)
SELECT DISTINCT theirs.task, theirs.schema_name, theirs.table_name
FROM touched ours
JOIN touched theirs ON theirs.schema_name = ours.schema_name AND theirs.table_name = ours.table_name
WHERE ours.task IS NULL AND theirs.task IS NOT NULL
ORDER BY 1, 2, 3
