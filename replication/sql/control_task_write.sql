-- control_task_write: inserts or replaces a task's row, with a synchronous commit
-- params:  $1 text task, $2 text state, $3 text source_system_id, $4 text source_database, $5 text slot_name,
--          $6 text plugin, $7 text publication, $8 bool publication_ours, $9 text mode, $10 text prepare,
--          $11 pg_lsn consistent_lsn, $12 int8 epoch
-- returns: nothing
-- needs:   INSERT, UPDATE on bascule.task; PostgreSQL 15+
INSERT INTO bascule.task AS t
    (task, state, source_system_id, source_database, slot_name, plugin, publication,
     publication_ours, mode, prepare, consistent_lsn, epoch)
SELECT $1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text,
       $5::pg_catalog.text, $6::pg_catalog.text, $7::pg_catalog.text, $8::pg_catalog.bool,
       $9::pg_catalog.text, $10::pg_catalog.text, $11::pg_catalog.pg_lsn, $12::pg_catalog.int8
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
ON CONFLICT (task) DO UPDATE
SET state = EXCLUDED.state, source_system_id = EXCLUDED.source_system_id,
    source_database = EXCLUDED.source_database, slot_name = EXCLUDED.slot_name,
    plugin = EXCLUDED.plugin, publication = EXCLUDED.publication,
    publication_ours = EXCLUDED.publication_ours, mode = EXCLUDED.mode,
    prepare = EXCLUDED.prepare, consistent_lsn = EXCLUDED.consistent_lsn,
    epoch = EXCLUDED.epoch, changed_at = pg_catalog.clock_timestamp()
