-- conflict_resolve: what a person decided
-- params:  $1 int8 id, $2 text decision, $3 text who
-- returns: nothing; affects 1 row
-- needs:   UPDATE on bascule.conflict; PostgreSQL 15+
UPDATE bascule.conflict SET decision = $2::pg_catalog.text, resolved_at = pg_catalog.clock_timestamp(),
       resolved_by = $3::pg_catalog.text, settled_at = COALESCE(settled_at, pg_catalog.clock_timestamp())
WHERE id = $1::pg_catalog.int8
