-- preflight_target_tables: what our role may do with the target's tables
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based), relkind, may_select, may_insert, may_update, may_delete, may_truncate,
--          may_use_schema, owner, may_act_as_owner, bytes, row security holds for us
-- needs:   pg_catalog only; tables that are there only
SELECT s.place, c.relkind,
       pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       pg_catalog.has_table_privilege(c.oid, 'INSERT'),
       pg_catalog.has_table_privilege(c.oid, 'UPDATE'),
       pg_catalog.has_table_privilege(c.oid, 'DELETE'),
       pg_catalog.has_table_privilege(c.oid, 'TRUNCATE'),
       pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'),
       pg_catalog.pg_get_userbyid(c.relowner),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       pg_catalog.pg_relation_size(c.oid),
       pg_catalog.row_security_active(c.oid)
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS s (schema_name, table_name, place)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class c
  ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
ORDER BY s.place
