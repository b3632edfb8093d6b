-- conflict_lock: one conflict, locked against the applier and other people until it is decided
-- params:  $1 text task, $2 int8 id
-- returns: schema_name text, table_name text, kind text, waits bool, decision text, key text; one row a key column
-- needs:   SELECT, UPDATE on bascule.conflict; PostgreSQL 15+
WITH c AS MATERIALIZED (
    SELECT * FROM bascule.conflict WHERE task = $1::pg_catalog.text AND id = $2::pg_catalog.int8 FOR UPDATE)
SELECT c.schema_name, c.table_name, c.kind, c.resolved_at IS NULL AS waits, c.decision, k.key
FROM c CROSS JOIN LATERAL pg_catalog.unnest(c.key_texts) WITH ORDINALITY AS k (key, place)
ORDER BY k.place
