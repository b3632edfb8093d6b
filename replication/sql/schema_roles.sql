-- schema_roles: roles that own, or were granted something on, user objects
-- returns: role text, owns bool
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
WITH objects AS (
    SELECT c.relowner AS owner, c.relacl AS acl, c.relnamespace AS ns FROM pg_catalog.pg_class c
    UNION ALL SELECT p.proowner, p.proacl, p.pronamespace FROM pg_catalog.pg_proc p
    UNION ALL SELECT t.typowner, t.typacl, t.typnamespace FROM pg_catalog.pg_type t
    UNION ALL SELECT n.nspowner, n.nspacl, n.oid FROM pg_catalog.pg_namespace n
), users AS (
    SELECT o.owner, o.acl
      FROM objects o
      JOIN pg_catalog.pg_namespace n ON n.oid = o.ns
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
       AND n.nspname !~ '^pg_'
)
SELECT pg_catalog.pg_get_userbyid(u.role), pg_catalog.bool_or(u.owns)
  FROM (SELECT owner AS role, true AS owns FROM users
        UNION ALL
        SELECT a.grantee, false FROM users CROSS JOIN LATERAL pg_catalog.aclexplode(users.acl) a) u
 WHERE u.role <> 0
 GROUP BY 1
 ORDER BY 1
