-- steps_path: gives this session the search_path that its role has in this database without us
-- params:  none
-- returns: the path, which is set for this session
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.set_config('search_path', COALESCE(
           (SELECT pg_catalog.substr(c.setting, pg_catalog.length('search_path=') + 1)
            FROM pg_catalog.pg_db_role_setting s
            CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
            WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d
                                        WHERE d.datname = pg_catalog.current_database()))
              AND s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles r
                                    WHERE r.rolname = SESSION_USER))
              AND pg_catalog.starts_with(c.setting, 'search_path=')
            ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
            LIMIT 1),
           '"$user", public'), false)
