-- verify_proof_take_over: what a switch handed over goes with the log of changed keys that begins at its position
-- params:  $1 text task, $2 text log id of what was handed over, $3 pg_lsn position, $4 text log id
-- returns: nothing
-- needs:   UPDATE on bascule.proof; PostgreSQL 15+
UPDATE bascule.proof
SET log_id = $4::pg_catalog.text, segment = 0
WHERE task = $1::pg_catalog.text AND epoch = 0 AND log_id = $2::pg_catalog.text AND lsn = $3::pg_catalog.pg_lsn
