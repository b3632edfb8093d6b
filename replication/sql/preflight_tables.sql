-- preflight_tables: what our role may do with the tables, and what could identify their rows
-- params:  $1 oid[] tables
-- returns: oid, may_select, may_use_schema, rls_active, owner, may_act_as_owner, primary key's name (NULL
--          none), it is deferrable, it is valid, name of the index marked REPLICA IDENTITY (NULL none),
--          a unique index that could become the identity (NULL none), a unique index that cannot because a
--          column is nullable (NULL none), bytes with indexes, the owner is a superuser
-- needs:   pg_catalog only; PostgreSQL 12+
SELECT c.oid,
       pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'),
       pg_catalog.row_security_active(c.oid),
       pg_catalog.pg_get_userbyid(c.relowner),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       pk.name, pk.deferrable, pk.valid,
       (SELECT ic.relname FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indisreplident),
       (SELECT ic.relname FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
          AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisprimary
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
        ORDER BY i.indnkeyatts, ic.relname LIMIT 1),
       (SELECT ic.relname FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
          AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
        ORDER BY ic.relname LIMIT 1),
       pg_catalog.pg_total_relation_size(c.oid),
       (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = c.relowner)
FROM pg_catalog.pg_class c
LEFT JOIN LATERAL (SELECT ic.relname AS name, NOT i.indimmediate AS deferrable, i.indisvalid AS valid
                   FROM pg_catalog.pg_index i
                   JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
                   WHERE i.indrelid = c.oid AND i.indisprimary) pk ON true
WHERE c.oid = ANY ($1::pg_catalog.oid[])
ORDER BY c.oid
