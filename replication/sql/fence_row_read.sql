-- fence_row_read: the fence of a task that is in force, and the newest epoch that was ever fenced
-- params:  $1 text task
-- returns: epoch int8 (NULL: none in force), newest int8 (0: never fenced), others bool (of other tasks)
-- needs:   SELECT on bascule.fence; PostgreSQL 15+
SELECT (SELECT f.epoch FROM bascule.fence f
        WHERE f.task = $1::pg_catalog.text AND f.released_at IS NULL) AS epoch,
       (SELECT COALESCE(pg_catalog.max(f.epoch), 0) FROM bascule.fence f
        WHERE f.task = $1::pg_catalog.text) AS newest,
       EXISTS (SELECT FROM bascule.fence f WHERE f.task <> $1::pg_catalog.text) AS others
