-- back_tables_forget: the tables and extras of an earlier way in this direction are history
-- params:  $1 text task
-- returns: nothing
-- needs:   DELETE on bascule.table_state, bascule.step; PostgreSQL 15+
WITH extras AS (
    DELETE FROM bascule.step WHERE task = $1::pg_catalog.text AND step LIKE 'extra %'
)
DELETE FROM bascule.table_state WHERE task = $1::pg_catalog.text
