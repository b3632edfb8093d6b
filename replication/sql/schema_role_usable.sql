-- schema_role_usable: whether this session may give objects to a role
-- params:  $1 text role
-- returns: exists bool, member bool
-- needs:   nothing
SELECT r.oid IS NOT NULL,
       r.oid IS NOT NULL AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
  FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $1
