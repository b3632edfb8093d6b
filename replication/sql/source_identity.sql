-- source_identity: which cluster and database this is
-- params:  none
-- returns: system identifier, timeline, database, encoding, server_version_num, start of the server
-- needs:   EXECUTE on pg_control_system, pg_control_checkpoint (everybody by default)
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())
            ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(
                      pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int4
       END,
       pg_catalog.current_database(),
       pg_catalog.current_setting('server_encoding'),
       pg_catalog.current_setting('server_version_num'),
       pg_catalog.pg_postmaster_start_time()
