-- steps_write: a script's row in the history, new or in place of what it said before
-- params:  $1 text revision, $2 text name, $3 text sha256, $4 text how, $5 bool success, $6 int8 duration_ms,
--          $7 text bascule_version
-- returns: nothing
-- needs:   INSERT, UPDATE on bascule.schema_history; PostgreSQL 15+
INSERT INTO bascule.schema_history (revision, name, sha256, how, success, duration_ms, bascule_version)
VALUES ($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text,
        $5::pg_catalog.bool, $6::pg_catalog.int8, $7::pg_catalog.text)
ON CONFLICT (revision) DO UPDATE
SET name = EXCLUDED.name, sha256 = EXCLUDED.sha256, how = EXCLUDED.how, success = EXCLUDED.success,
    applied_at = EXCLUDED.applied_at, duration_ms = EXCLUDED.duration_ms, applied_by = EXCLUDED.applied_by,
    bascule_version = EXCLUDED.bascule_version
