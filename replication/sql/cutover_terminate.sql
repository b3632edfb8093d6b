-- cutover_terminate: ends one session that stands in the way of a freeze, if it still is that session
-- params:  $1 int4 pid, $2 timestamptz start of the session
-- returns: ended bool; no row: it is gone
-- needs:   pg_signal_backend for other roles' sessions; PostgreSQL 15+
SELECT pg_catalog.pg_terminate_backend(a.pid) AS ended
FROM pg_catalog.pg_stat_activity a
WHERE a.pid = $1::pg_catalog.int4 AND a.backend_start = $2::pg_catalog.timestamptz
  AND a.backend_type = 'client backend' AND a.application_name NOT LIKE 'bascule:%'
  AND a.datname = pg_catalog.current_database()
