-- control_shape: what the catalog says of a table that goes on though it changed
-- params:  $1 text task, $2 text schema, $3 text table, $4 text shape
-- returns: nothing
-- needs:   UPDATE on bascule.table_state; PostgreSQL 15+
UPDATE bascule.table_state SET shape = $4::pg_catalog.text
WHERE task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text AND table_name = $3::pg_catalog.text
