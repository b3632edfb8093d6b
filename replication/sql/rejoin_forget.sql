-- rejoin_forget: removes the row of a table that has another name now
-- params:  $1 text task, $2 text schema, $3 text table
-- returns: nothing
-- needs:   DELETE on bascule.table_state; PostgreSQL 15+
DELETE FROM bascule.table_state
WHERE task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text AND table_name = $3::pg_catalog.text
