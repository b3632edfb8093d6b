-- conflict_list: conflicts as people see them, the newest first
-- params:  $1 text task, $2 text id (NULL: any), $3 text kind (NULL: any), $4 bool only those that wait, $5 int8 limit
-- returns: id, schema_name, table_name, kind, key, source_row, target_row, columns, lsn, xid, commit_time, seen_at,
--          policy, decision, settled, resolved_at, resolved_by, key_texts: text
-- needs:   SELECT on bascule.conflict; PostgreSQL 15+
SELECT c.id::pg_catalog.text, c.schema_name, c.table_name, c.kind, c.key::pg_catalog.text, c.source_row::pg_catalog.text,
       c.target_row::pg_catalog.text, pg_catalog.to_jsonb(c.columns)::pg_catalog.text AS columns,
       c.lsn::pg_catalog.text, c.xid::pg_catalog.text, c.commit_time::pg_catalog.text, c.seen_at::pg_catalog.text,
       c.policy, c.decision, c.settled_at IS NOT NULL AS settled, c.resolved_at::pg_catalog.text, c.resolved_by
FROM bascule.conflict AS c
WHERE c.task = $1::pg_catalog.text
  AND ($2::pg_catalog.text IS NULL OR c.id = $2::pg_catalog.int8)
  AND ($3::pg_catalog.text IS NULL OR c.kind = $3::pg_catalog.text)
  AND (NOT $4::pg_catalog.bool OR c.resolved_at IS NULL)
ORDER BY c.id DESC
LIMIT $5::pg_catalog.int8
