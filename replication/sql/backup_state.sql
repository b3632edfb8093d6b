-- backup_state: what became of a backup
-- params:  $1 int8 id, $2 text state
-- returns: nothing; affects 1 row
-- needs:   UPDATE on bascule.backup; PostgreSQL 15+
UPDATE bascule.backup
SET state = $2::pg_catalog.text, changed_at = pg_catalog.clock_timestamp()
WHERE id = $1::pg_catalog.int8
