-- sync_disabled_triggers: triggers that were disabled for the time of the move and still exist
-- params:  $1 text task
-- returns: schema name, table name, trigger name, enabled "char" as it stood before
-- needs:   SELECT on bascule.disabled_trigger and pg_catalog
SELECT d.schema_name, d.table_name, d.trigger_name, d.enabled
  FROM bascule.disabled_trigger d
  JOIN pg_catalog.pg_namespace n ON n.nspname = d.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = d.table_name
  JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = d.trigger_name
 WHERE d.task = $1
 ORDER BY 1, 2, 3
