-- tables_added_read: what was added to the selection of a task while it lived
-- params:  $1 text task
-- returns: pattern text
-- needs:   SELECT on bascule.added_tables; PostgreSQL 15+
SELECT a.pattern FROM bascule.added_tables a WHERE a.task = $1::pg_catalog.text ORDER BY a.added_at, a.pattern
