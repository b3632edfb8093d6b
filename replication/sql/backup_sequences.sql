-- backup_sequences: sequences that columns of a backup's tables own or draw from
-- params:  $1 int8 backup
-- returns: oid oid
-- needs:   SELECT on bascule.backup_table; PostgreSQL 15+
SELECT s.oid
FROM bascule.backup_table t
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjid = t.table_oid AND d.deptype IN ('a', 'i')
    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE t.backup = $1::pg_catalog.int8
UNION
SELECT s.oid
FROM bascule.backup_table t
JOIN pg_catalog.pg_attrdef a ON a.adrelid = t.table_oid
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = a.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
WHERE t.backup = $1::pg_catalog.int8
