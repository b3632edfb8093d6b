-- verify_resume: resume position of a task
-- params:  $1 text task
-- returns: lsn pg_lsn; no row: no such task
-- needs:   SELECT on bascule.resume; PostgreSQL 15+
SELECT r.lsn
FROM bascule.resume r
WHERE r.task = $1
