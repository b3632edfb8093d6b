-- conflict_forget: it was none: the target was only ahead of the stream
-- params:  $1 int8 id
-- returns: nothing; affects 1 row, 0 when a person has decided it
-- needs:   DELETE on bascule.conflict; PostgreSQL 15+
DELETE FROM bascule.conflict WHERE id = $1::pg_catalog.int8 AND (resolved_at IS NULL OR resolved_by = 'policy')
