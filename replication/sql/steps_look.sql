-- steps_look: whether there is a history of scripts here, and whether anybody has made tables
-- params:  none
-- returns: has_schema bool, has_history bool, tables int8 (of nobody's extension, without our own and those of other
--          tools' histories)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.to_regnamespace('bascule') IS NOT NULL AS has_schema,
       pg_catalog.to_regclass('bascule.schema_history') IS NOT NULL AS has_history,
       (SELECT pg_catalog.count(*)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f')
          AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
          AND n.nspname !~ '^pg_(toast|temp)'
          AND c.relname NOT IN ('alembic_version', 'flyway_schema_history')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            AND d.objid = c.oid AND d.deptype = 'e')) AS tables
