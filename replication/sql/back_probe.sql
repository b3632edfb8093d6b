-- back_probe: whether a message comes out of a slot; the slot stays where it is
-- params:  $1 text slot, $2 text content of the message, $3 text publication ('' with wal2json)
-- returns: there bool
-- needs:   REPLICATION; PostgreSQL 15+
SELECT EXISTS (SELECT FROM pg_catalog.pg_logical_slot_peek_binary_changes(
                   $1::pg_catalog.name, NULL, NULL,
                   VARIADIC CASE WHEN $3::pg_catalog.text = '' THEN ARRAY['format-version', '2']
                                 ELSE ARRAY['proto_version', '1', 'publication_names',
                                            pg_catalog.quote_ident($3::pg_catalog.text), 'messages', 'true'] END) AS c
               WHERE pg_catalog.position(c.data, pg_catalog.convert_to($2::pg_catalog.text, 'UTF8')) > 0) AS there
