-- control_task_any: whether any task is left
-- params:  none
-- returns: present bool
-- needs:   SELECT on bascule.task; PostgreSQL 15+
SELECT EXISTS (SELECT FROM bascule.task) AS present
