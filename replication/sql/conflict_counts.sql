-- conflict_counts: how many conflicts a task has had, and how many of them wait for a person
-- params:  $1 text task
-- returns: recorded int8, waiting int8, gone int8 (rows that the source deleted and the target had no more)
-- needs:   SELECT on bascule.conflict; PostgreSQL 15+
SELECT pg_catalog.count(*) FILTER (WHERE c.kind <> 'delete-missing') AS recorded,
       pg_catalog.count(*) FILTER (WHERE c.resolved_at IS NULL) AS waiting,
       pg_catalog.count(*) FILTER (WHERE c.kind = 'delete-missing') AS gone
FROM bascule.conflict AS c WHERE c.task = $1::pg_catalog.text
