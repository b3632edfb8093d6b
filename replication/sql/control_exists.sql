-- control_exists: whether schema bascule and all its tables are there
-- params:  none
-- returns: present bool
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.count(*) = 7 AS present
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'bascule'
  AND c.relkind = 'r'
  AND c.relname IN ('task', 'resume', 'table_state', 'step', 'verdict', 'journal',
                    'disabled_trigger')
