-- tables_reload: leaves a table out of the stream until it is copied again; one that is paused is not any more
-- params:  $1 text task, $2 text schema, $3 text table, $4 pg_lsn resume position, $5 text why
-- returns: nothing; affects 1 row
-- needs:   UPDATE on bascule.table_state; PostgreSQL 15+
UPDATE bascule.table_state
SET state = 'Table error', suspended_lsn = COALESCE(suspended_lsn, $4::pg_catalog.pg_lsn), paused = NULL,
    message = $5::pg_catalog.text, remedy = NULL, changed_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text AND table_name = $3::pg_catalog.text
