-- preflight_slots: logical slots of this server that nobody reads, with the WAL that each retains
-- params:  none
-- returns: slot_name, plugin, database, retained bytes (NULL unknown), wal_status
-- needs:   pg_catalog only; PostgreSQL 13+
SELECT s.slot_name, s.plugin, s.database,
       CASE WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN (pg_catalog.pg_current_wal_insert_lsn()
                  OPERATOR(pg_catalog.-) s.restart_lsn)::pg_catalog.int8 END,
       s.wal_status
FROM pg_catalog.pg_replication_slots s
WHERE s.slot_type = 'logical' AND NOT s.active AND NOT s.temporary
ORDER BY s.slot_name
