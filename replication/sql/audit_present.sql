-- audit_present: whether there is a place for the audit's copy, and the copy
-- params:  none
-- returns: has_schema bool, has_table bool
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regnamespace('bascule') IS NOT NULL AS has_schema,
       pg_catalog.to_regclass('bascule.audit') IS NOT NULL AS has_table
