-- control_task_read: one task with its resume position
-- params:  $1 text task
-- returns: state text, source_system_id text, source_database text, slot_name text, plugin text,
--          publication text, publication_ours bool, mode text, prepare text, consistent_lsn pg_lsn,
--          epoch int8, resume_lsn pg_lsn, resume_commit_time_us int8
-- needs:   SELECT on schema bascule; PostgreSQL 15+
SELECT t.state, t.source_system_id, t.source_database, t.slot_name, t.plugin, t.publication,
       t.publication_ours, t.mode, t.prepare, t.consistent_lsn, t.epoch, r.lsn AS resume_lsn,
       (EXTRACT(EPOCH FROM r.commit_time) * 1000000)::pg_catalog.int8 AS resume_commit_time_us
FROM bascule.task t
LEFT JOIN bascule.resume r ON r.task = t.task
WHERE t.task = $1::pg_catalog.text
