-- backup_read: the backups of a task, the newest first
-- params:  $1 text task
-- returns: id int8, state text, file text, host text, sha256 text, bytes int8, prepare text, made_at text
-- needs:   SELECT on bascule.backup; PostgreSQL 15+
SELECT b.id, b.state, b.file, b.host, b.sha256, b.bytes, b.prepare,
       pg_catalog.to_char(b.made_at, 'YYYY-MM-DD HH24:MI:SS"Z"') AS made_at
FROM bascule.backup b
WHERE b.task = $1::pg_catalog.text
ORDER BY b.id DESC
