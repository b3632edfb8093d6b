-- fence_others: the fences of other tasks that refuse writes on this side now
-- params:  $1 text task, $2 oid[] tables
-- returns: table oid, task text, opening bool (it refuses until that task opens this side)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT t.tgrelid,
       pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) AS task,
       p.proname = 'target_refuse' AS opening
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname IN ('fence_refuse', 'target_refuse')
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace AND pn.nspname = 'bascule'
WHERE t.tgenabled <> 'D' AND t.tgrelid = ANY ($2::pg_catalog.oid[])
  AND pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) <> $1::pg_catalog.text
ORDER BY t.tgrelid
