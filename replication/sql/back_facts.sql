-- back_facts: what on the side that is to open stands against streaming from it
-- params:  none
-- returns: wal_level text, replication_role bool, slots_free int8, senders_free int8, role text (quoted)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.current_setting('wal_level') AS wal_level,
       (SELECT r.rolreplication OR r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER)
           OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                      WHERE r.rolname IN ('rds_replication', 'azure_pg_admin', 'cloudsqlsuperuser')
                        AND pg_catalog.pg_has_role(r.oid, 'USAGE')) AS replication_role,
       pg_catalog.current_setting('max_replication_slots')::pg_catalog.int8
           - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS slots_free,
       pg_catalog.current_setting('max_wal_senders')::pg_catalog.int8
           - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS senders_free,
       pg_catalog.quote_ident(CURRENT_USER) AS role
