-- backup_size: what a backup of this database may take at most, without indexes
-- params:  none
-- returns: bytes int8, encoding text
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_table_size(c.oid)), 0)::pg_catalog.int8 AS bytes,
       pg_catalog.current_setting('server_encoding') AS encoding
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
