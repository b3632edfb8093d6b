-- preflight_key_sequences: tables whose primary key's default draws from a sequence
-- params:  none
-- returns: table_oid oid, sequence text; ordered
-- needs:   nothing; PostgreSQL 15+
SELECT DISTINCT i.indrelid AS table_oid, s.oid::pg_catalog.regclass::pg_catalog.text AS sequence
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) AS k (attnum)
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid
 AND d.refobjsubid = k.attnum AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE i.indisprimary
ORDER BY 1, 2
