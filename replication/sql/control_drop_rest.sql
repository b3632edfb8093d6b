-- control_drop_rest: removes schema bascule but for what outlives tasks: the history of schema scripts, backups
-- params:  none (a script, inside the caller's transaction)
-- returns: nothing
-- needs:   ownership of schema bascule, CREATE on the database; PostgreSQL 15+
CREATE SCHEMA bascule_kept;
ALTER TABLE IF EXISTS bascule.schema_history SET SCHEMA bascule_kept;
ALTER TABLE IF EXISTS bascule.backup SET SCHEMA bascule_kept;
ALTER TABLE IF EXISTS bascule.backup_table SET SCHEMA bascule_kept;
DROP SCHEMA bascule CASCADE;
ALTER SCHEMA bascule_kept RENAME TO bascule;
