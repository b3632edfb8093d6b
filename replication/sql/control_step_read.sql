-- control_step_read: whether a step of the schema work is done
-- params:  $1 text task, $2 text step
-- returns: done bool
-- needs:   SELECT on bascule.step; PostgreSQL 15+
SELECT EXISTS (SELECT FROM bascule.step s
               WHERE s.task = $1::pg_catalog.text AND s.step = $2::pg_catalog.text) AS done
