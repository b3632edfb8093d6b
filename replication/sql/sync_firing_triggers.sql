-- sync_firing_triggers: triggers of user tables that fire for the session that applies changes
-- params:  $1 bool: the session may set session_replication_role = replica
-- returns: name text ("schema.table"), schema name, table name, trigger name, enabled "char"
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
SELECT n.nspname || '.' || c.relname, n.nspname, c.relname, t.tgname, t.tgenabled
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal
   AND t.tgname <> 'bascule_fence'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
   AND (t.tgenabled = 'A' OR t.tgenabled = CASE WHEN $1::pg_catalog.bool THEN 'R' ELSE 'O' END)
 ORDER BY 2, 3, 4
