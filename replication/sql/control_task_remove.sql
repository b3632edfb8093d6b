-- control_task_remove: removes all rows of a task
-- params:  $1 text task
-- returns: nothing
-- needs:   DELETE on the tables of schema bascule; PostgreSQL 15+
WITH resume AS (DELETE FROM bascule.resume WHERE task = $1::pg_catalog.text),
     table_state AS (DELETE FROM bascule.table_state WHERE task = $1::pg_catalog.text),
     step AS (DELETE FROM bascule.step WHERE task = $1::pg_catalog.text),
     verdict AS (DELETE FROM bascule.verdict WHERE task = $1::pg_catalog.text),
     journal AS (DELETE FROM bascule.journal WHERE task = $1::pg_catalog.text),
     proof AS (DELETE FROM bascule.proof WHERE task = $1::pg_catalog.text),
     source_ddl AS (DELETE FROM bascule.source_ddl WHERE task = $1::pg_catalog.text),
     added AS (DELETE FROM bascule.added_tables WHERE task = $1::pg_catalog.text),
     disabled AS (DELETE FROM bascule.disabled_trigger WHERE task = $1::pg_catalog.text)
DELETE FROM bascule.task WHERE task = $1::pg_catalog.text
