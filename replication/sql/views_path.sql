-- views_path: the search_path that sessions of this database have unless they say otherwise
-- params:  none
-- returns: the path, which is set for this session
-- needs:   nothing
SELECT pg_catalog.set_config('search_path', COALESCE(
           (SELECT pg_catalog.substr(c.setting, pg_catalog.length('search_path=') + 1)
            FROM pg_catalog.pg_db_role_setting s
            JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
            CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
            WHERE s.setrole = 0 AND d.datname = pg_catalog.current_database()
              AND pg_catalog.starts_with(c.setting, 'search_path=')),
           '"$user", public'), false)
