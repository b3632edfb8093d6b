-- preflight_subscriptions: enabled subscriptions of this database, with the tables that each writes
-- params:  none
-- returns: subscription, schema, table (both NULL when it has no table yet)
-- needs:   pg_catalog only; PostgreSQL 12+
SELECT s.subname, n.nspname, c.relname
FROM pg_catalog.pg_subscription s
LEFT JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid
LEFT JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE s.subenabled
  AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database
                   WHERE datname = pg_catalog.current_database())
ORDER BY 1, 2, 3
