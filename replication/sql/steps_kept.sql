-- steps_kept: whether schema bascule holds what outlives tasks: a history of scripts, backups
-- params:  none
-- returns: present bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.schema_history') IS NOT NULL
       OR pg_catalog.to_regclass('bascule.backup') IS NOT NULL AS present
