-- fence_objects: what of the source's fence objects is there
-- params:  none
-- returns: has_schema bool, has_table bool, has_all bool (function, table and index)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regnamespace('bascule') IS NOT NULL AS has_schema,
       pg_catalog.to_regclass('bascule.fence') IS NOT NULL AS has_table,
       pg_catalog.to_regprocedure('bascule.fence_refuse()') IS NOT NULL
           AND pg_catalog.to_regclass('bascule.fence') IS NOT NULL
           AND pg_catalog.to_regclass('bascule.fence_in_force') IS NOT NULL AS has_all
