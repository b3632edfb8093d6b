-- verify_run_end: a run has come to its end
-- params:  $1 int8 run, $2 text verdict, $3 pg_lsn source, $4 pg_lsn target (either NULL)
-- returns: nothing
-- needs:   UPDATE on bascule.verify_run; PostgreSQL 15+
UPDATE bascule.verify_run
SET state = 'done', verdict = $2, finished_at = pg_catalog.clock_timestamp(),
    source_lsn = $3::pg_catalog.pg_lsn, target_lsn = $4::pg_catalog.pg_lsn
WHERE run = $1::pg_catalog.int8
