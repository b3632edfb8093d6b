-- audit_read: the copy of the audit of a task, in the order of the chains
-- params:  $1 text task
-- returns: log text, seq int8, record text
-- needs:   SELECT on bascule.audit; PostgreSQL 15+
SELECT a.log, a.seq, a.record
FROM bascule.audit a
WHERE a.task = $1::pg_catalog.text
ORDER BY a.log COLLATE "C", a.seq
