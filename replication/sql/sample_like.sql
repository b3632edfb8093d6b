-- sample_like: encoding and locale of the database that we are in, for a scratch database
-- params:  none
-- returns: encoding text, lc_collate text, lc_ctype text
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate::pg_catalog.text, d.datctype::pg_catalog.text
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
