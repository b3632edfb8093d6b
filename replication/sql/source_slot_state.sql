-- source_slot_state: one slot as the server sees it now
-- params:  $1 text slot name
-- returns: plugin, database, temporary, active, active_pid, restart_lsn, confirmed_flush_lsn,
--          wal_status, safe_wal_size, wal_end, retained, flushed wal_end
-- needs:   pg_catalog only; PostgreSQL 13+
SELECT s.plugin, s.database, s.temporary, s.active, s.active_pid, s.restart_lsn,
       s.confirmed_flush_lsn, s.wal_status, s.safe_wal_size, w.lsn,
       w.lsn OPERATOR(pg_catalog.-) s.restart_lsn, w.flushed
FROM (SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()
                  THEN pg_catalog.pg_current_wal_insert_lsn() END,
             CASE WHEN NOT pg_catalog.pg_is_in_recovery()
                  THEN pg_catalog.pg_current_wal_flush_lsn() END) w (lsn, flushed)
LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = $1
