-- apply_resume_open: reads the resume row and makes it durable, after whoever still writes it; when nothing was applied
--          since tables were copied, what is newer than this is not of the copy
-- params:  $1 text task
-- returns: lsn pg_lsn, commit_time_us int8
-- needs:   UPDATE, SELECT on bascule.resume; PostgreSQL 15+
UPDATE bascule.resume AS r
SET lsn = r.lsn, wrote = COALESCE(r.wrote, pg_catalog.pg_current_xact_id())
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL AND r.task = $1::pg_catalog.text
RETURNING r.lsn, (EXTRACT(EPOCH FROM r.commit_time) * 1000000)::pg_catalog.int8 AS commit_time_us
