-- conflict_held: a later change of a row that waits for a person; it is kept here and not applied
-- params:  $1 int8 id, $2 jsonb new values (NULL: the source deleted the row)
-- returns: nothing; affects 1 row, 0 when it waits no more
-- needs:   UPDATE on bascule.conflict; PostgreSQL 15+
UPDATE bascule.conflict SET source_row = COALESCE(source_row, '{}'::pg_catalog.jsonb) || $2::pg_catalog.jsonb
WHERE id = $1::pg_catalog.int8 AND resolved_at IS NULL
