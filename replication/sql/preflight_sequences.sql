-- preflight_sequences: sequences of the source, whether our role may read them, and how near they are to their end
-- params:  none
-- returns: schema, name, may_read, left int8 (values that it still has; NULL: it cycles, was never used or may not be
--          read), type text
-- needs:   pg_catalog only; PostgreSQL 12+
SELECT n.nspname, c.relname,
       pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
       AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'),
       LEAST(pg_catalog.trunc((CASE WHEN v.increment_by > 0 THEN v.max_value ELSE v.min_value END::pg_catalog.numeric
                               - v.last_value) / v.increment_by), 1000000000)::pg_catalog.int8,
       v.data_type::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_sequences v
  ON v.schemaname = n.nspname AND v.sequencename = c.relname AND NOT v.cycle
WHERE c.relkind = 'S' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
