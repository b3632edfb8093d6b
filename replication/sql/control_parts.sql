-- control_parts: whether schema bascule has what versions before the commands about single tables did not make
-- params:  none
-- returns: present bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.added_tables') IS NOT NULL
       AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = pg_catalog.to_regclass('bascule.table_state') AND a.attname = 'paused'
                     AND NOT a.attisdropped) AS present
