-- preflight_fences: fence triggers of bascule that refuse writes now
-- params:  none
-- returns: schema, table, trigger
-- needs:   pg_catalog only
SELECT n.nspname, c.relname, t.tgname
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
WHERE pn.nspname = 'bascule' AND t.tgenabled <> 'D' AND NOT t.tgisinternal
ORDER BY 1, 2, 3
