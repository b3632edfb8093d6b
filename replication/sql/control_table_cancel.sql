-- control_table_cancel: a table is on neither side any more
-- params:  $1 text task, $2 text schema, $3 text table
-- returns: nothing
-- needs:   UPDATE on bascule.table_state; PostgreSQL 15+
UPDATE bascule.table_state
SET state = 'Table cancelled', suspended_lsn = NULL, remedy = NULL,
    message = 'the table is on neither side any more', changed_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text AND table_name = $3::pg_catalog.text
