-- preflight_facts: what one side is and how it is set up, as pairs; a value that cannot be told is NULL
-- params:  none
-- returns: name text, value text
-- needs:   pg_catalog only; PostgreSQL 12+
SELECT f.name, f.value
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
CROSS JOIN LATERAL (VALUES
    ('backend_pid', pg_catalog.pg_backend_pid()::text),
    ('started_at', pg_catalog.pg_postmaster_start_time()::text),
    ('plpgsql', (SELECT 'true' FROM pg_catalog.pg_language l WHERE l.lanname = 'plpgsql')),
    ('in_recovery', pg_catalog.pg_is_in_recovery()::text),
    ('database', d.datname::text),
    ('database_oid', d.oid::text),
    ('role', r.rolname::text),
    ('superuser', r.rolsuper::text),
    ('replication', (r.rolsuper OR r.rolreplication)::text),
    ('rds_replication', (SELECT 'true' FROM pg_catalog.pg_roles m
                         WHERE m.rolname = 'rds_replication'
                           AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER'))),
    ('managed_superuser', (SELECT 'true' FROM pg_catalog.pg_roles m
                           WHERE m.rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin',
                                               'alloydbsuperuser')
                             AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER') LIMIT 1)),
    ('rds', (SELECT 'true' FROM pg_catalog.pg_roles m WHERE m.rolname = 'rds_superuser')),
    ('role_connections', r.rolconnlimit::text),
    ('role_sessions', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
                       WHERE a.usesysid = r.oid)::text),
    ('database_connections', d.datconnlimit::text),
    ('database_sessions', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
                           WHERE a.datid = d.oid)::text),
    ('sessions', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
                  WHERE a.datid IS NOT NULL)::text),
    ('create_on_database', pg_catalog.has_database_privilege(d.oid, 'CREATE')::text),
    ('wal_level', pg_catalog.current_setting('wal_level')),
    ('max_connections', pg_catalog.current_setting('max_connections')),
    ('superuser_reserved', pg_catalog.current_setting('superuser_reserved_connections')),
    ('reserved', COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')),
    ('max_replication_slots', pg_catalog.current_setting('max_replication_slots')),
    ('slots', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots)::text),
    ('max_wal_senders', pg_catalog.current_setting('max_wal_senders')),
    ('wal_senders', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication)::text),
    ('lock_slots', (pg_catalog.current_setting('max_connections')::int8
                    + pg_catalog.current_setting('max_prepared_transactions')::int8
                    + pg_catalog.current_setting('max_worker_processes')::int8
                    + pg_catalog.current_setting('max_wal_senders')::int8
                    + COALESCE(pg_catalog.current_setting('autovacuum_worker_slots', true),
                               pg_catalog.current_setting('autovacuum_max_workers'))::int8 + 1)::text),
    ('max_locks', pg_catalog.current_setting('max_locks_per_transaction')),
    ('max_slot_wal_keep_bytes',
     CASE pg_catalog.current_setting('max_slot_wal_keep_size', true)
         WHEN '-1' THEN '-1'
         ELSE pg_catalog.pg_size_bytes(
                  pg_catalog.current_setting('max_slot_wal_keep_size', true))::text END),
    ('wal_sender_timeout_ms', (SELECT s.setting FROM pg_catalog.pg_settings s
                               WHERE s.name = 'wal_sender_timeout')),
    ('toast_compressions', (SELECT s.enumvals::text FROM pg_catalog.pg_settings s
                            WHERE s.name = 'default_toast_compression')),
    ('idle_slot_timeout', pg_catalog.current_setting('idle_replication_slot_timeout', true)),
    ('output_plugin_libraries', (SELECT s.setting FROM pg_catalog.pg_settings s
                                 WHERE s.name = 'output_plugin_libraries')),
    ('encoding', pg_catalog.pg_encoding_to_char(d.encoding)::text),
    ('collate', d.datcollate::text),
    ('ctype', d.datctype::text),
    ('locale_provider', pg_catalog.to_jsonb(d) ->> 'datlocprovider'),
    ('icu_locale', COALESCE(pg_catalog.to_jsonb(d) ->> 'datlocale',
                            pg_catalog.to_jsonb(d) ->> 'daticulocale')),
    ('collation_version', pg_catalog.to_jsonb(d) ->> 'datcollversion'),
    ('ssl', (SELECT s.ssl::text FROM pg_catalog.pg_stat_ssl s
             WHERE s.pid = pg_catalog.pg_backend_pid())),
    ('ssl_version', (SELECT s.version::text || ' ' || s.cipher::text FROM pg_catalog.pg_stat_ssl s
                     WHERE s.pid = pg_catalog.pg_backend_pid())),
    ('gss_encrypted', (SELECT s.encrypted::text FROM pg_catalog.pg_stat_gssapi s
                       WHERE s.pid = pg_catalog.pg_backend_pid())),
    ('client_address', pg_catalog.host(pg_catalog.inet_client_addr())),
    ('large_objects', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata)::text),
    ('database_bytes', CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT')
                            THEN pg_catalog.pg_database_size(d.oid)::text END),
    ('bascule_schema', (SELECT 'true' FROM pg_catalog.pg_namespace n
                        WHERE n.nspname = 'bascule' -- another task may tell of its DDL by it
                          AND (pg_catalog.to_regprocedure('bascule.ddl_note()') IS NULL
                               OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid))))
) AS f (name, value)
WHERE d.datname = pg_catalog.current_database()
