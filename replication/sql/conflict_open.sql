-- conflict_open: conflicts that may still turn out to be motion, and those that wait for a person
-- params:  $1 text task
-- returns: id int8, schema_name text, table_name text, kind text, policy text, settled bool, waits bool, key text (one row a key column), missing bool
-- needs:   SELECT on bascule.conflict; PostgreSQL 15+
SELECT c.id, c.schema_name, c.table_name, c.kind, c.policy, c.settled_at IS NOT NULL AS settled,
       c.resolved_at IS NULL AS waits, k.key, c.target_row IS NULL OR c.kind = 'unique-clash' AND c.decision <> 'took-source' AS missing
FROM bascule.conflict AS c
CROSS JOIN LATERAL pg_catalog.unnest(c.key_texts) WITH ORDINALITY AS k (key, place)
WHERE c.task = $1::pg_catalog.text AND (c.settled_at IS NULL OR c.resolved_at IS NULL)
ORDER BY c.id, k.place
