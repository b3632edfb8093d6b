-- verify_proof_read: the proofs of a task, in the order of tables; the newest epoch last
-- params:  $1 text task
-- returns: schema_name text, table_name text, epoch int8, source_oid int8, start_lsn pg_lsn, method text, lsn pg_lsn,
--          proved_at_us int8 (microseconds since 1970), rows int8, digest text, keys int8, log_id text, segment int8,
--          base_lsn pg_lsn, shape text, kept int8
-- needs:   SELECT on bascule.proof; PostgreSQL 15+
SELECT p.schema_name, p.table_name, p.epoch, p.source_oid, p.start_lsn, p.method, p.lsn,
       (EXTRACT(epoch FROM p.proved_at) * 1000000)::pg_catalog.int8 AS proved_at_us, p.rows, p.digest,
       p.keys, p.log_id, p.segment, p.base_lsn, p.shape, COALESCE(p.kept, 0)
FROM bascule.proof AS p
WHERE p.task = $1::pg_catalog.text
ORDER BY p.schema_name, p.table_name, p.epoch
