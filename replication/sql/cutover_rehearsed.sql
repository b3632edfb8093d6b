-- cutover_rehearsed: whether a plan has been rehearsed to its end
-- params:  $1 text task, $2 text hash of the plan
-- returns: rehearsed bool
-- needs:   SELECT on bascule.journal; PostgreSQL 15+
SELECT EXISTS (SELECT FROM bascule.journal j
               WHERE j.task = $1::pg_catalog.text AND j.step = 'rehearsed'
                 AND j.detail = $2::pg_catalog.text) AS rehearsed
