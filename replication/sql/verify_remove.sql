-- verify_remove: removes what verifications of a task have left
-- params:  $1 text task
-- returns: nothing
-- needs:   DELETE on the tables of the verification; PostgreSQL 15+
WITH failures AS (DELETE FROM bascule.failures WHERE task_name = $1::pg_catalog.text),
     tables AS (DELETE FROM bascule.verify_table WHERE task = $1::pg_catalog.text)
DELETE FROM bascule.verify_run WHERE task = $1::pg_catalog.text
