-- cutover_disabled_forget: the disabled triggers of a task are enabled again
-- params:  $1 text task
-- returns: nothing
-- needs:   DELETE on bascule.disabled_trigger; PostgreSQL 15+
DELETE FROM bascule.disabled_trigger WHERE task = $1::pg_catalog.text
