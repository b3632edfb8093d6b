-- apply_flushed: how far the target's WAL is written, and how far it is safe on disk
-- params:  none
-- returns: insert_lsn pg_lsn, flushed_lsn pg_lsn: NULL where commits also have to reach a standby
-- needs:   PostgreSQL 15+
SELECT pg_catalog.pg_current_wal_insert_lsn() AS insert_lsn,
       CASE WHEN pg_catalog.current_setting('synchronous_standby_names') = ''
            THEN pg_catalog.pg_current_wal_flush_lsn() END AS flushed_lsn
