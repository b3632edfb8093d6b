-- capture_look: what of the capture of DDL is on this side
-- params:  $1 text task
-- returns: has_trigger bool (of this task: both and enabled), has_any bool (one of this task), function_used bool (by
--          another task), has_function bool, has_schema bool, schema_holds_more bool (than the function)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.count(*) FILTER (WHERE t.ours AND t.evtenabled <> 'D') = 2 AS has_trigger,
       COALESCE(pg_catalog.bool_or(t.ours), false) AS has_any,
       COALESCE(pg_catalog.bool_or(NOT t.ours), false) AS function_used,
       pg_catalog.to_regprocedure('bascule.ddl_note()') IS NOT NULL AS has_function,
       pg_catalog.to_regnamespace('bascule') IS NOT NULL AS has_schema,
       EXISTS (SELECT FROM pg_catalog.pg_class c
               WHERE c.relnamespace = pg_catalog.to_regnamespace('bascule'))
           OR EXISTS (SELECT FROM pg_catalog.pg_proc p
                      WHERE p.pronamespace = pg_catalog.to_regnamespace('bascule')
                        AND p.proname <> 'ddl_note') AS schema_holds_more
FROM (SELECT e.evtenabled,
             e.evtname IN ('bascule_ddl_' || $1::pg_catalog.text, 'bascule_drop_' || $1::pg_catalog.text) AS ours
      FROM pg_catalog.pg_event_trigger e
      WHERE e.evtfoid = pg_catalog.to_regprocedure('bascule.ddl_note()')) AS t
