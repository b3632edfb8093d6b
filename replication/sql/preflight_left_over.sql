-- preflight_left_over: whether anything works by functions of schema bascule, and whether tasks may be written there
-- params:  none
-- returns: used bool (by a trigger, enabled or not, or an event trigger), has_tasks bool (the table is there)
-- needs:   pg_catalog only
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p
               JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'bascule'
               WHERE EXISTS (SELECT FROM pg_catalog.pg_trigger t
                             WHERE t.tgfoid = p.oid AND p.proname <> 'audit_refuse')
                  OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger e WHERE e.evtfoid = p.oid)),
       pg_catalog.to_regclass('bascule.task') IS NOT NULL
