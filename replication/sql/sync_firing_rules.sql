-- sync_firing_rules: rules of user tables that rewrite the statements of the session that applies changes
-- params:  $1 bool: the session may set session_replication_role = replica
-- returns: name text ("schema.table"), schema name, table name, rule name
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
SELECT n.nspname || '.' || c.relname, n.nspname, c.relname, r.rulename
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND r.ev_type <> '1'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
   AND (r.ev_enabled = 'A' OR r.ev_enabled = CASE WHEN $1::pg_catalog.bool THEN 'R' ELSE 'O' END)
 ORDER BY 2, 3, 4
