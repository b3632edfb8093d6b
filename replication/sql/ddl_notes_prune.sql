-- ddl_notes_prune: an application that makes and drops tables all day fills nothing up
-- params:  $1 text task, $2 int4 how many statements stay
-- returns: nothing
-- needs:   DELETE on bascule.source_ddl; PostgreSQL 15+
DELETE FROM bascule.source_ddl
WHERE task = $1::pg_catalog.text
  AND lsn < (SELECT d.lsn FROM bascule.source_ddl d WHERE d.task = $1::pg_catalog.text
             ORDER BY d.lsn DESC, d.number DESC OFFSET $2::pg_catalog.int4 LIMIT 1)
