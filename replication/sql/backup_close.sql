-- backup_close: a task's rows go; what is known of its backups after that
-- params:  $1 text task, $2 bool the task has a verdict that opened this database
-- returns: nothing
-- needs:   UPDATE on bascule.backup; PostgreSQL 15+
UPDATE bascule.backup
SET state = CASE WHEN $2::pg_catalog.bool THEN 'opened' ELSE 'closed' END,
    changed_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND (state = 'made' OR (state = 'closed' AND $2::pg_catalog.bool))
