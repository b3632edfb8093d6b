-- certificate_proofs: the tables of a task, with how the cutover of an epoch proved each
-- params:  $1 text task, $2 int8 epoch (0: there was none)
-- returns: schema_name text, table_name text, state text, start_lsn pg_lsn, rows_loaded int8, method text (NULL: not
--          recorded), lsn pg_lsn, at text, rows int8, digest text, keys int8, base_lsn pg_lsn,
--          kept int8 (NULL also: an earlier version made the table)
-- needs:   SELECT on bascule.table_state, bascule.proof; PostgreSQL 15+
SELECT t.schema_name, t.table_name, t.state, t.start_lsn, t.rows_loaded, p.method, p.lsn,
       pg_catalog.to_char(p.proved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       p.rows, p.digest, p.keys, p.base_lsn, (pg_catalog.to_jsonb(p) ->> 'kept')::pg_catalog.int8
FROM bascule.table_state t
LEFT JOIN bascule.proof p
       ON p.task = t.task AND p.schema_name = t.schema_name AND p.table_name = t.table_name
      AND p.epoch = $2::pg_catalog.int8 AND p.epoch <> 0
      AND p.source_oid = t.source_oid
      AND p.start_lsn IS NOT DISTINCT FROM t.start_lsn
WHERE t.task = $1::pg_catalog.text
ORDER BY t.schema_name COLLATE "C", t.table_name COLLATE "C"
