-- control_journal: appends a note, with a synchronous commit
-- params:  $1 text task, $2 int8 epoch, $3 text step, $4 text detail
-- returns: nothing; affects 1 row
-- needs:   INSERT on bascule.journal; PostgreSQL 15+
INSERT INTO bascule.journal (task, epoch, step, detail)
SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
