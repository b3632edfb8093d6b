-- preflight_task: what the target remembers of a task (only asked when the schema bascule is there)
-- params:  $1 text task
-- returns: state, slot_name
-- needs:   SELECT on bascule.task
SELECT t.state, t.slot_name FROM bascule.task t WHERE t.task = $1
