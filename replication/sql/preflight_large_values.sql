-- preflight_large_values: which of these tables may keep values out of line
-- params:  $1 oid[] of tables
-- returns: oid oid
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
SELECT c.oid
FROM pg_catalog.pg_class c
WHERE c.oid = ANY ($1::pg_catalog.oid[])
  AND (c.reltoastrelid <> 0::pg_catalog.oid
       OR c.relkind = 'p' AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                                        AND a.attstorage <> 'p'))
