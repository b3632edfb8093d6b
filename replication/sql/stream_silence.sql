-- stream_silence: how long the server waits for a sign of life of a walsender's client
-- params:  none
-- returns: milliseconds bigint; 0: for ever
-- needs:   pg_catalog only; PostgreSQL 10+
SELECT s.setting::pg_catalog.int8
FROM pg_catalog.pg_settings s
WHERE s.name OPERATOR(pg_catalog.=) 'wal_sender_timeout'
