-- cutover_verdict_exists: whether the table of verdicts is there
-- params:  none
-- returns: present bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.verdict') IS NOT NULL AS present
