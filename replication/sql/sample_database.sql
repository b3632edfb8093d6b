-- sample_database: what a database's comment says, by which a scratch database is known
-- params:  $1 text database
-- returns: comment text (NULL: none); no row: there is no such database
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
FROM pg_catalog.pg_database d
WHERE d.datname = $1::pg_catalog.text
