-- cutover_target_facts: what on the target stands against a cutover
-- params:  none
-- returns: in_recovery bool, has_control bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.to_regclass('bascule.verdict') IS NOT NULL AS has_control
