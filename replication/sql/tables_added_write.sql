-- tables_added_write: adds a pattern to the selection of a task
-- params:  $1 text task, $2 text pattern
-- returns: nothing
-- needs:   INSERT on bascule.added_tables; PostgreSQL 15+
INSERT INTO bascule.added_tables (task, pattern) VALUES ($1::pg_catalog.text, $2::pg_catalog.text)
ON CONFLICT DO NOTHING
