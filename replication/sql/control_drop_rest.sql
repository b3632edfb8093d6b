-- control_drop_rest: removes schema bascule but for the history of schema scripts, which outlives tasks
-- params:  none (a script, inside the caller's transaction)
-- returns: nothing
-- needs:   ownership of schema bascule, CREATE on the database; PostgreSQL 15+
CREATE SCHEMA bascule_kept;
ALTER TABLE bascule.schema_history SET SCHEMA bascule_kept;
DROP SCHEMA bascule CASCADE;
ALTER SCHEMA bascule_kept RENAME TO bascule;
