-- cutover_busy_commands: commands that hold a table in scope for long and do not give way to the freeze
-- params:  $1 oid[] tables
-- returns: pid int4, command text, tables text, age_us int8 (NULL unknown), wraparound bool
-- needs:   pg_read_all_stats to tell a wraparound autovacuum from another; PostgreSQL 15+
SELECT p.pid, p.command, p.relid::pg_catalog.regclass::pg_catalog.text AS tables,
       (EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - a.xact_start) * 1000000)::pg_catalog.int8
           AS age_us,
       COALESCE(a.query LIKE '%to prevent wraparound)%', false) AS wraparound
FROM (SELECT v.pid, v.relid, 'VACUUM'::pg_catalog.text AS command
      FROM pg_catalog.pg_stat_progress_vacuum v
      UNION ALL SELECT i.pid, i.relid, i.command FROM pg_catalog.pg_stat_progress_create_index i
      UNION ALL SELECT c.pid, c.relid, c.command FROM pg_catalog.pg_stat_progress_cluster c
      UNION ALL SELECT y.pid, y.relid, y.command FROM pg_catalog.pg_stat_progress_copy y
                WHERE y.command = 'COPY FROM') p
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid
WHERE p.relid = ANY ($1::pg_catalog.oid[])
  AND (COALESCE(a.backend_type, '') <> 'autovacuum worker'
       OR a.query LIKE '%to prevent wraparound)%')
ORDER BY a.xact_start NULLS FIRST, p.pid
