-- cutover_left_behind: sessions of applications that are still connected to the side that was left
-- params:  none
-- returns: pid int4, role text, application text, address text ("local" for a socket), state text,
--          since_us int8 (since its last statement; NULL unknown)
-- needs:   pg_read_all_stats to see other roles' state; PostgreSQL 15+
SELECT a.pid, COALESCE(a.usename::pg_catalog.text, '') AS role, COALESCE(a.application_name, '') AS application,
       COALESCE(pg_catalog.host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'local' ELSE '' END, '') AS address,
       COALESCE(a.state, '') AS state,
       (EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - a.state_change) * 1000000)::pg_catalog.int8 AS since_us
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
  AND a.pid <> pg_catalog.pg_backend_pid() AND a.application_name NOT LIKE 'bascule:%'
ORDER BY a.backend_start, a.pid
