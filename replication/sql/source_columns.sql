-- source_columns: live columns of the given tables, with what their type allows
-- params:  $1 oid[] tables
-- returns: table oid, attnum, name, type oid, base type oid (domains resolved), typmod, type schema,
--          type name, type text, not_null, identity always, generated, binary_safe, of a domain over a type that
--          is not built in: schema and name of that type, filled (has a default, or
--          is an identity)
-- needs:   pg_catalog only; PostgreSQL 14+
-- binary_safe: COPY BINARY into the same type of another server of any version is exact. That holds
-- when the type and all that it is made of (elements, fields, domain bases, range subtypes) have send
-- and receive functions and none is a reg* type (travels as OID), tsquery (empty ones are refused by
-- newer servers), int2vector, oidvector (their own receivers refuse empty ones), xml, money, or an internal type whose receiver refuses everything.
WITH RECURSIVE att AS (
    SELECT a.*
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
), parts (root, oid) AS (
    SELECT DISTINCT atttypid, atttypid FROM att
  UNION
    SELECT parts.root, part.oid
    FROM parts
    -- include part_of_type
), safe AS (
    SELECT parts.root,
           bool_and(t.typsend <> 0 AND t.typreceive <> 0
                    AND NOT (n.nspname = 'pg_catalog'
                             AND t.typname IN ('regproc', 'regprocedure', 'regoper', 'regoperator',
                                               'regclass', 'regcollation', 'regtype', 'regrole',
                                               'regnamespace', 'regconfig', 'regdictionary',
                                               'tsquery', 'xml', 'money', 'aclitem', 'gtsvector',
                                               'int2vector', 'oidvector',
                                               'pg_node_tree', 'pg_ndistinct', 'pg_dependencies',
                                               'pg_mcv_list', 'pg_brin_bloom_summary',
                                               'pg_brin_minmax_multi_summary'))) AS binary_safe
    FROM parts
    JOIN pg_catalog.pg_type t ON t.oid = parts.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    GROUP BY parts.root
), base (root, oid) AS (
    SELECT DISTINCT atttypid, atttypid FROM att
  UNION ALL
    SELECT base.root, t.typbasetype
    FROM base
    JOIN pg_catalog.pg_type t ON t.oid = base.oid AND t.typtype = 'd'
)
SELECT att.attrelid, att.attnum, att.attname, att.atttypid, base.oid AS base_type, att.atttypmod,
       n.nspname, t.typname, pg_catalog.format_type(att.atttypid, att.atttypmod),
       att.attnotnull, att.attidentity = 'a' AS identity_always, att.attgenerated <> '' AS generated,
       safe.binary_safe,
       CASE WHEN bt.oid <> t.oid AND bn.nspname <> 'pg_catalog' THEN bn.nspname END AS base_schema,
       CASE WHEN bt.oid <> t.oid AND bn.nspname <> 'pg_catalog' THEN bt.typname END AS base_name,
       att.atthasdef OR att.attidentity <> '' AS filled
FROM att
JOIN pg_catalog.pg_type t ON t.oid = att.atttypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN safe ON safe.root = att.atttypid
JOIN base ON base.root = att.atttypid
JOIN pg_catalog.pg_type bt ON bt.oid = base.oid AND bt.typtype <> 'd'
JOIN pg_catalog.pg_namespace bn ON bn.oid = bt.typnamespace
ORDER BY att.attrelid, att.attnum
