-- backup_exists: whether schema bascule knows of backups
-- params:  none
-- returns: present bool
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.backup') IS NOT NULL
       AND pg_catalog.to_regclass('bascule.backup_table') IS NOT NULL AS present
