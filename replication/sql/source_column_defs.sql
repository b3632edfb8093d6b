-- source_column_defs: how the live columns of one table are declared
-- params:  $1 oid table
-- returns: name, type text, default text (NULL none), not_null, identity "char" (''), generated "char" ('')
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.attidentity, a.attgenerated
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
