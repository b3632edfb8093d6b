-- cutover_disabled_triggers: triggers of the target that a task disabled and that still exist
-- params:  $1 text task
-- returns: schema_name text, table_name text, trigger_name text, enabled "char" (what it goes back to)
-- needs:   SELECT on bascule.disabled_trigger; PostgreSQL 15+
SELECT d.schema_name, d.table_name, d.trigger_name, d.enabled
FROM bascule.disabled_trigger d
JOIN pg_catalog.pg_namespace n ON n.nspname = d.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = d.table_name
JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = d.trigger_name
WHERE d.task = $1::pg_catalog.text
ORDER BY d.schema_name COLLATE "C", d.table_name COLLATE "C", d.trigger_name COLLATE "C"
