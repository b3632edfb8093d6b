-- ddl_notes_read: statements of the source that no copy of their table covers, the newest first; of tables that do not
--                 move, nothing
-- params:  $1 text task
-- returns: lsn pg_lsn, tag text, kind text, table_oid int8, name text, statement text
-- needs:   SELECT on bascule.source_ddl and bascule.table_state; PostgreSQL 15+
SELECT d.lsn, d.tag, d.kind, d.table_oid, d.name, d.statement
FROM bascule.source_ddl d
WHERE d.task = $1::pg_catalog.text
  AND (d.table_oid = 0
       OR EXISTS (SELECT FROM bascule.table_state t
                  WHERE t.task = d.task AND t.source_oid = d.table_oid AND t.state <> 'Table cancelled'
                    AND (t.start_lsn IS NULL OR t.start_lsn < d.lsn)))
ORDER BY d.lsn DESC, d.number DESC
LIMIT 100
