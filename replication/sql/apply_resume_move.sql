-- apply_resume_move: moves the resume row, if it still stands where we left it
-- params:  $1 text task, $2 pg_lsn from, $3 pg_lsn to, $4 int8 commit time on the source in microseconds since
--          1970 (NULL: as it was), $5 int4 rows: 0 none are written in this transaction, 1 some are, 2 some are
--          and in subtransactions
-- returns: nothing; affects 1 row, 0 when somebody else moved it
-- needs:   UPDATE, SELECT on bascule.resume; PostgreSQL 15+
UPDATE bascule.resume
SET lsn = $3::pg_catalog.pg_lsn,
    commit_time = COALESCE('epoch'::pg_catalog.timestamptz
                           + $4::pg_catalog.int8 * '1 microsecond'::pg_catalog.interval, commit_time),
    wrote = CASE WHEN $5::pg_catalog.int4 > 0 OR wrote_parts THEN pg_catalog.pg_current_xact_id() ELSE wrote END,
    wrote_parts = $5::pg_catalog.int4 = 2
WHERE task = $1::pg_catalog.text AND lsn = $2::pg_catalog.pg_lsn
