-- target_clash: the indexes of one table of the target by which a row may be in another's way
-- params:  $1 text schema, $2 text table, $3 text[] columns of the row that is known
-- returns: index_oid int8, element text (column or expression), operator_schema, operator_name name, type_schema,
--          type_name name (what the element is cast to; NULL: nothing), nulls_equal bool, predicate text (NULL: none);
--          one row an element; no index over other columns than $3
-- needs:   nothing; PostgreSQL 15+
SELECT i.indexrelid::pg_catalog.int8 AS index_oid, pg_catalog.pg_get_indexdef(i.indexrelid, k.n + 1, false) AS element,
       e.nspname AS operator_schema, o.oprname AS operator_name, y.nspname AS type_schema, t.typname AS type_name,
       i.indnullsnotdistinct AS nulls_equal, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2::pg_catalog.text AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_index i
  ON i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion) AND i.indisvalid AND i.indisready
LEFT JOIN pg_catalog.pg_constraint x
  ON x.conindid = i.indexrelid AND x.conrelid = c.oid AND x.conexclop IS NOT NULL
CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = k.n + 1
JOIN pg_catalog.pg_type at ON at.oid = a.atttypid
JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[k.n]
JOIN pg_catalog.pg_type it ON it.oid = oc.opcintype
LEFT JOIN pg_catalog.pg_amop ao
  ON x.oid IS NULL AND ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
JOIN pg_catalog.pg_operator o ON o.oid = COALESCE(x.conexclop[k.n + 1], ao.amopopr)
JOIN pg_catalog.pg_namespace e ON e.oid = o.oprnamespace
LEFT JOIN pg_catalog.pg_type t
  ON t.oid = CASE WHEN it.typtype <> 'p' THEN it.oid WHEN at.typtype = 'd' THEN at.typbasetype END
LEFT JOIN pg_catalog.pg_namespace y ON y.oid = t.typnamespace
WHERE n.nspname = $1::pg_catalog.text
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute u
    WHERE u.attrelid = c.oid AND u.attnum <> 0 AND NOT u.attname = ANY ($3::pg_catalog.text[])
      AND (u.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
                        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
                        AND d.refobjsubid = u.attnum)))
ORDER BY i.indexrelid, k.n
