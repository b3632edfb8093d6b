-- backup_tables_now: the tables of a backup as they are now
-- params:  $1 int8 backup
-- returns: schema_name text, table_name text, table_oid oid (0: it was not there), row_count int8 (NULL),
--          now_schema name, now_name name (NULL: it is not there now), missing text (a column that it has
--          no more; NULL), now_oid oid (NULL)
-- needs:   SELECT on bascule.backup_table; PostgreSQL 15+
SELECT t.schema_name, t.table_name, COALESCE(t.table_oid, 0) AS table_oid, t.row_count,
       n.nspname AS now_schema, c.relname AS now_name,
       (SELECT pg_catalog.min(w.name) FROM pg_catalog.unnest(t.column_names) w (name)
        WHERE c.oid IS NOT NULL
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attname = w.name AND a.attnum > 0
                            AND NOT a.attisdropped AND a.attgenerated = '')) AS missing,
       c.oid AS now_oid
FROM bascule.backup_table t
LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
       ON c.relkind IN ('r', 'p')
      AND CASE WHEN t.table_oid IS NOT NULL THEN c.oid = t.table_oid AND c.relkind = 'r'
               ELSE n.nspname = t.schema_name AND c.relname = t.table_name END
WHERE t.backup = $1::pg_catalog.int8
ORDER BY t.schema_name COLLATE "C", t.table_name COLLATE "C"
