-- sync_status_tables: the tables of a task as the control schema knows them
-- params:  $1 text task
-- returns: name text, state text, start_lsn pg_lsn, loaded_rows int8, loaded_bytes int8, message text, suspended_lsn pg_lsn, remedy text, source_oid int8,
--          paused text
-- needs:   SELECT on bascule.table_state
SELECT schema_name || '.' || table_name, state, start_lsn, rows_loaded, bytes_loaded,
       coalesce(message, ''), suspended_lsn, coalesce(remedy, ''), source_oid, coalesce(pg_catalog.to_jsonb(t) OPERATOR(pg_catalog.->>) 'paused', '')
  FROM bascule.table_state t
 WHERE task = $1
 ORDER BY schema_name, table_name
