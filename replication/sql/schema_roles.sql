-- schema_roles: roles that own user objects, were granted something on them, or are named by a policy
-- params:  $1 oid[] tables whose policies matter
-- returns: role text, owns bool, policies text (tables whose policies name it, '' none)
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
WITH objects AS (
    SELECT c.relowner AS owner, c.relacl AS acl, c.relnamespace AS ns FROM pg_catalog.pg_class c
    UNION ALL SELECT p.proowner, p.proacl, p.pronamespace FROM pg_catalog.pg_proc p
    UNION ALL SELECT t.typowner, t.typacl, t.typnamespace FROM pg_catalog.pg_type t
    UNION ALL SELECT n.nspowner, n.nspacl, n.oid FROM pg_catalog.pg_namespace n
    UNION ALL SELECT c.relowner, a.attacl, c.relnamespace
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     WHERE a.attacl IS NOT NULL
), users AS (
    SELECT o.owner, o.acl
      FROM objects o
      JOIN pg_catalog.pg_namespace n ON n.oid = o.ns
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
       AND n.nspname !~ '^pg_'
), uses AS (
    SELECT owner AS role, true AS owns, NULL::text AS policy, NULL::pg_catalog.oid AS policy_table FROM users
    UNION ALL
    SELECT a.grantee, false, NULL, NULL FROM users CROSS JOIN LATERAL pg_catalog.aclexplode(users.acl) a
    UNION ALL
    SELECT r.role, false, n.nspname || '.' || c.relname, c.oid
      FROM pg_catalog.pg_policy p
      JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL pg_catalog.unnest(p.polroles) AS r (role)
)
SELECT r.rolname, pg_catalog.bool_or(u.owns),
       COALESCE(pg_catalog.string_agg(DISTINCT u.policy, ', '), '') AS policies
  FROM uses u
  JOIN pg_catalog.pg_roles r ON r.oid = u.role
 WHERE r.rolname !~ '^pg_'
   AND (u.policy_table IS NULL OR u.policy_table = ANY ($1::pg_catalog.oid[])
        OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = u.policy_table AND c.relkind = 'p'))
 GROUP BY 1
 ORDER BY 1
