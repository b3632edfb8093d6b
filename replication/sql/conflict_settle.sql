-- conflict_settle: enough time has passed: the rows were not merely in motion
-- params:  $1 int8 id
-- returns: waits boolean; no row when it is not there any more
-- needs:   UPDATE on bascule.conflict; PostgreSQL 15+
UPDATE bascule.conflict SET settled_at = COALESCE(settled_at, pg_catalog.clock_timestamp())
WHERE id = $1::pg_catalog.int8
RETURNING resolved_at IS NULL AS waits
