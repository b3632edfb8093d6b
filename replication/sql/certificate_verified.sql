-- certificate_verified: the newest verification of each table that compared all its rows, or found a difference
-- params:  $1 text task
-- returns: schema_name text, table_name text, run int8, verdict text, exact bool, rows_source int8, rows_target int8,
--          hash_source text, hash_target text, first_lsn pg_lsn, last_lsn pg_lsn, at text, differing int8
-- needs:   SELECT on bascule.verify_run, bascule.verify_table; PostgreSQL 15+
SELECT DISTINCT ON (t.schema_name COLLATE "C", t.table_name COLLATE "C")
       t.schema_name, t.table_name, t.run, t.verdict, r.exact, t.rows_source, t.rows_target,
       t.hash_source, t.hash_target, t.first_lsn, t.last_lsn,
       pg_catalog.to_char(t.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       t.missing + t.extra + t.different + t.representation
FROM bascule.verify_table t
JOIN bascule.verify_run r ON r.run = t.run
WHERE t.task = $1::pg_catalog.text AND t.verdict IN ('proven', 'contained', 'mismatch')
ORDER BY t.schema_name COLLATE "C", t.table_name COLLATE "C", t.run DESC
