-- repair_rows: the rows of a table that differ and are not repaired, one a key column
-- params:  $1 text task, $2 text schema, $3 text table, $4 text[] key columns
-- returns: key_type text, key text, failure_type text, first_lsn pg_lsn, place int8 of the key column (NULL: the
--          table has no key), value text of it
-- needs:   SELECT on bascule.failures; PostgreSQL 15+
SELECT f.key_type, f.key, f.failure_type, f.first_lsn, k.place,
       CASE WHEN f.key_type = 'Row'
            THEN pg_catalog.json_object_field_text(f.key::pg_catalog.json, k.name) END AS value
FROM bascule.failures f
LEFT JOIN LATERAL pg_catalog.unnest($4::pg_catalog.text[]) WITH ORDINALITY AS k (name, place) ON true
WHERE f.task_name = $1::pg_catalog.text AND f.table_owner = $2::pg_catalog.text
  AND f.table_name = $3::pg_catalog.text AND f.repaired_at IS NULL
ORDER BY f.key, f.failure_type, k.place
