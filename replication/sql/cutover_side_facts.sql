-- cutover_side_facts: what one side has that the other side should have too, or that does not travel
-- params:  none
-- returns: large_objects bool, event_triggers text (enabled ones, NULL: none), cron bool (pg_cron is there),
--          extensions text, settings text (of the database), clients int4 (sessions of other programs in
--          this database), room int4 (connections that an ordinary role can still open here),
--          collation_stale bool (the database's collation has another version than when it was created)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata) AS large_objects,
       (SELECT pg_catalog.string_agg(e.evtname::pg_catalog.text, ', ' ORDER BY e.evtname)
        FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D') AS event_triggers,
       EXISTS (SELECT FROM pg_catalog.pg_extension x WHERE x.extname = 'pg_cron') AS cron,
       (SELECT pg_catalog.string_agg(x.extname::pg_catalog.text, ', ' ORDER BY x.extname)
        FROM pg_catalog.pg_extension x) AS extensions,
       (SELECT pg_catalog.string_agg(s.setting, ', ' ORDER BY s.setting)
        FROM pg_catalog.pg_db_role_setting d, LATERAL pg_catalog.unnest(d.setconfig) AS s (setting)
        WHERE d.setrole = 0 AND d.setdatabase = c.oid) AS settings,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.datid = c.oid AND a.backend_type = 'client backend'
          AND a.application_name NOT LIKE 'bascule:%')::pg_catalog.int4 AS clients,
       LEAST(pg_catalog.current_setting('max_connections')::pg_catalog.int4
                 - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4
                 - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
                    WHERE a.backend_type = 'client backend'),
             CASE WHEN c.datconnlimit < 0 THEN 2147483647
                  ELSE c.datconnlimit
                       - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
                          WHERE a.datid = c.oid AND a.backend_type = 'client backend') END
       )::pg_catalog.int4 AS room,
       COALESCE(c.datcollversion <> pg_catalog.pg_database_collation_actual_version(c.oid), false)
           AS collation_stale
FROM pg_catalog.pg_database c
WHERE c.datname = pg_catalog.current_database()
