-- conflict_remove: removes the conflicts of a task
-- params:  $1 text task
-- returns: nothing
-- needs:   DELETE on bascule.conflict; PostgreSQL 15+
DELETE FROM bascule.conflict WHERE task = $1::pg_catalog.text
