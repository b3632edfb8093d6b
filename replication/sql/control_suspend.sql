-- control_suspend: marks a table as suspended, inside the transaction that leaves out its first change
-- params:  $1 text task, $2 text schema, $3 text table, $4 int8 source oid, $5 pg_lsn since when (NULL: from its
--          beginning), $6 text why, $7 text remedy (NULL: as it was),
--          $8 text target_schema, $9 text target_name
-- returns: nothing; affects 1 row
-- needs:   INSERT, UPDATE on bascule.table_state; PostgreSQL 15+
INSERT INTO bascule.table_state AS t
    (task, schema_name, table_name, source_oid, state, suspended_lsn, message, remedy, target_schema, target_name)
SELECT $1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.int8, 'Table error',
       COALESCE($5::pg_catalog.pg_lsn, '0/0'::pg_catalog.pg_lsn), $6::pg_catalog.text, $7::pg_catalog.text,
       $8::pg_catalog.text, $9::pg_catalog.text
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
ON CONFLICT (task, schema_name, table_name) DO UPDATE
SET state = EXCLUDED.state, suspended_lsn = COALESCE(t.suspended_lsn, EXCLUDED.suspended_lsn),
    message = EXCLUDED.message, remedy = COALESCE(EXCLUDED.remedy, t.remedy),
    target_schema = EXCLUDED.target_schema, target_name = EXCLUDED.target_name,
    changed_at = pg_catalog.clock_timestamp()
