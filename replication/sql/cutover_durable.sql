-- cutover_durable: this session's commits survive a crash (a stronger setting of the server is left alone)
-- params:  none
-- returns: one row
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.set_config('synchronous_commit',
           CASE pg_catalog.current_setting('synchronous_commit')
               WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
