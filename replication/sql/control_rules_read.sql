-- control_rules_read: with which rules about names a task began
-- params:  $1 text task
-- returns: the mark; no row: with none
-- needs:   SELECT on bascule.step
SELECT s.step
FROM bascule.step s
WHERE s.task = $1::pg_catalog.text AND pg_catalog.starts_with(s.step, 'rules ')
