-- cutover_cleanup_shared: what of schema bascule only goes with its last user
-- params:  $1 text task
-- returns: function_used bool (by a fence of another task), has_function bool, has_table bool, has_schema bool,
--          schema_holds_more bool (than the source's fence objects and the audit's copy)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
               WHERE t.tgfoid = pg_catalog.to_regprocedure('bascule.fence_refuse()')
                 AND pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1)
                     <> $1::pg_catalog.text) AS function_used,
       pg_catalog.to_regprocedure('bascule.fence_refuse()') IS NOT NULL AS has_function,
       pg_catalog.to_regclass('bascule.fence') IS NOT NULL AS has_table,
       pg_catalog.to_regnamespace('bascule') IS NOT NULL AS has_schema,
       EXISTS (SELECT FROM pg_catalog.pg_class c
               WHERE c.relnamespace = pg_catalog.to_regnamespace('bascule')
                 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
                 AND c.relname NOT IN ('fence', 'audit'))
           OR EXISTS (SELECT FROM pg_catalog.pg_proc p
                      WHERE p.pronamespace = pg_catalog.to_regnamespace('bascule')
                        AND p.proname NOT IN ('fence_refuse', 'audit_refuse')) AS schema_holds_more
