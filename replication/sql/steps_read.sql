-- steps_read: the history of schema scripts
-- params:  none
-- returns: revision text, name text, sha256 text, how text, success bool, applied_at text (UTC, ISO 8601),
--          duration_ms int8, applied_by text, bascule_version text
-- needs:   SELECT on bascule.schema_history; PostgreSQL 15+
SELECT revision, name, sha256, how, success,
       pg_catalog.to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS applied_at,
       duration_ms, applied_by, bascule_version
FROM bascule.schema_history
