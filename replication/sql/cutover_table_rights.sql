-- cutover_table_rights: who may do what with tables, in a form that is equal on two servers when the rights are
-- params:  $1 text[] schemas, $2 text[] names (of the same length)
-- returns: n int8 (1.. position in the arrays), row_security text, grants text, indexes_invalid text (NULL none),
--          constraints_unproved text (NULL none), never_analyzed bool, fence text (state of the target's
--          fence: 'A' armed, 'D' disabled, '' none)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT w.n,
       (CASE WHEN c.relrowsecurity THEN 'on' ELSE 'off' END
            || CASE WHEN c.relforcerowsecurity THEN ' forced' ELSE '' END
            || (SELECT ' ' || pg_catalog.count(*) FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid))
           AS row_security,
       COALESCE((SELECT pg_catalog.string_agg(
                            COALESCE(pg_catalog.quote_ident(r.rolname), 'public') || '=' || g.privilege_type
                                || CASE WHEN g.is_grantable THEN '*' ELSE '' END, ' '
                            ORDER BY r.rolname COLLATE "C", g.privilege_type COLLATE "C")
                 FROM pg_catalog.aclexplode(c.relacl) g
                 LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
                 WHERE g.grantee <> c.relowner), '') AS grants,
       (SELECT pg_catalog.string_agg(i.indexrelid::pg_catalog.regclass::pg_catalog.text, ', ')
        FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.oid AND NOT (i.indisvalid AND i.indisready)) AS indexes_invalid,
       (SELECT pg_catalog.string_agg(k.conname::pg_catalog.text, ', ' ORDER BY k.conname)
        FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND NOT k.convalidated)
           AS constraints_unproved,
       c.reltuples < 0 AS never_analyzed,
       COALESCE((SELECT CASE WHEN t.tgenabled = 'A' THEN 'A' ELSE 'D' END FROM pg_catalog.pg_trigger t
                 WHERE t.tgrelid = c.oid AND t.tgname = 'bascule_fence'), '') AS fence
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS w (schema_name, table_name, n)
JOIN pg_catalog.pg_namespace s ON s.nspname = w.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = w.table_name
ORDER BY w.n
