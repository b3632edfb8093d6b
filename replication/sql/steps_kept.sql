-- steps_kept: whether schema bascule holds a history of scripts, which outlives tasks
-- params:  none
-- returns: present bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.schema_history') IS NOT NULL AS present
