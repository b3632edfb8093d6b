-- cutover_server_room: what a server says of where it lives and of what ends slots by itself
-- params:  none
-- returns: local bool (we are on its machine: a unix socket), directory text (NULL: our role may not know),
--          idle_slot_ms int8 (idle_replication_slot_timeout; 0: off or not known to this version)
-- needs:   pg_read_all_settings for the directory; PostgreSQL 13+
SELECT pg_catalog.inet_server_addr() IS NULL AS local,
       (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory') AS directory,
       COALESCE((SELECT s.setting::pg_catalog.int8 * CASE s.unit WHEN 's' THEN 1000 WHEN 'min' THEN 60000 ELSE 1 END
                 FROM pg_catalog.pg_settings s WHERE s.name = 'idle_replication_slot_timeout'), 0) AS idle_slot_ms
