-- fence_triggers: the fence triggers of a task on this side, of either kind
-- params:  $1 text task
-- returns: schema_name name, table_name name, trigger_name name, enabled "char"
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT n.nspname AS schema_name, c.relname AS table_name, t.tgname AS trigger_name,
       t.tgenabled AS enabled
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname IN ('fence_refuse', 'target_refuse')
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace AND pn.nspname = 'bascule'
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) = $1::pg_catalog.text
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
