-- control_task_any: whether any task is left, here, or as a fence or an event trigger that needs its function
-- params:  none
-- returns: present bool
-- needs:   SELECT on bascule.task; PostgreSQL 15+
SELECT EXISTS (SELECT FROM bascule.task)
       OR EXISTS (SELECT FROM pg_catalog.pg_trigger t
                  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'bascule'
                  WHERE p.proname <> 'audit_refuse')
       OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger e
                  JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
                  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'bascule')
           AS present
