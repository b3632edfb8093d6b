-- control_parts: what schema bascule has of that which earlier versions did not make
-- params:  none
-- returns: tables bool (of the commands about single tables), all_parts bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT t.there AS tables,
       t.there AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                           WHERE a.attrelid = pg_catalog.to_regclass('bascule.proof') AND a.attname = 'kept'
                             AND NOT a.attisdropped) AS all_parts
FROM (SELECT pg_catalog.to_regclass('bascule.added_tables') IS NOT NULL
             AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = pg_catalog.to_regclass('bascule.table_state') AND a.attname = 'paused'
                           AND NOT a.attisdropped)) AS t (there)
