-- control_rules_forget: a preparation begins: what an earlier one noted about its rules goes
-- params:  $1 text task
-- returns: none
-- needs:   DELETE on bascule.step
DELETE FROM bascule.step s
WHERE s.task = $1::pg_catalog.text AND pg_catalog.starts_with(s.step, 'rules ')
