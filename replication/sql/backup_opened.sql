-- backup_opened: whether a cutover of the task has ever opened this database
-- params:  $1 text task
-- returns: opened bool
-- needs:   SELECT on bascule.verdict; PostgreSQL 15+
SELECT EXISTS (SELECT FROM bascule.verdict v
               WHERE v.task = $1::pg_catalog.text AND v.verdict = 'OPENED') AS opened
