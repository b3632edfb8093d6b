-- cutover_verdict_read: the verdict of one epoch and of the newest one
-- params:  $1 text task, $2 int8 epoch (NULL: none asked)
-- returns: verdict text (NULL: undecided or no such epoch), newest_epoch int8 (0: none),
--          newest_verdict text
-- needs:   SELECT on bascule.verdict; PostgreSQL 15+
SELECT (SELECT v.verdict FROM bascule.verdict v
        WHERE v.task = $1::pg_catalog.text AND v.epoch = $2::pg_catalog.int8) AS verdict,
       COALESCE(n.epoch, 0) AS newest_epoch, n.verdict AS newest_verdict
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (SELECT v.epoch, v.verdict FROM bascule.verdict v
                   WHERE v.task = $1::pg_catalog.text ORDER BY v.epoch DESC LIMIT 1) AS n ON true
