-- tables_resume: the stream goes on with a paused table where it was left; it has what is before that
-- params:  $1 text task, $2 text schema, $3 text table
-- returns: nothing; affects 1 row, none when its changes are not kept
-- needs:   UPDATE on bascule.table_state; PostgreSQL 15+
UPDATE bascule.table_state
SET state = 'Table completed', from_lsn = GREATEST(from_lsn, suspended_lsn), suspended_lsn = NULL, paused = NULL,
    message = NULL, remedy = NULL, changed_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text AND table_name = $3::pg_catalog.text
  AND paused = 'kept'
