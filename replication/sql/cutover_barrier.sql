-- cutover_barrier: a transaction of its own that everything committed so far comes before in the stream
-- params:  $1 text content
-- returns: lsn pg_lsn
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.pg_logical_emit_message(true, 'bascule', $1::pg_catalog.text) AS lsn
