-- cutover_source_facts: what on the source stands against a cutover
-- params:  $1 oid[] tables in scope
-- returns: in_recovery bool, prepared text, subscriptions text (names, NULL: none), has_plpgsql bool,
--          may_create bool (a schema), role text and database text (quoted), deadlock_timeout_us int8
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       (SELECT pg_catalog.string_agg(p.gid, ', ') FROM pg_catalog.pg_prepared_xacts p
        WHERE p.database = pg_catalog.current_database()) AS prepared,
       (SELECT pg_catalog.string_agg(DISTINCT s.subname::pg_catalog.text, ', ')
        FROM pg_catalog.pg_subscription s
        JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid
        WHERE s.subenabled AND r.srrelid = ANY ($1::pg_catalog.oid[])) AS subscriptions,
       EXISTS (SELECT FROM pg_catalog.pg_language l WHERE l.lanname = 'plpgsql') AS has_plpgsql,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
           OR pg_catalog.to_regnamespace('bascule') IS NOT NULL AS may_create,
       pg_catalog.quote_ident(CURRENT_USER) AS role,
       pg_catalog.quote_ident(pg_catalog.current_database()) AS database,
       (EXTRACT(EPOCH FROM pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval)
            * 1000000)::pg_catalog.int8 AS deadlock_timeout_us
