-- verify_source_end: end of the WAL: everything committed before now ends at or before it
-- params:  none
-- returns: lsn pg_lsn
-- needs:   nothing; PostgreSQL 15+
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END AS lsn
