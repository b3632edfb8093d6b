-- cutover_cleanup: what bascule left on this side, in the order in which it goes
-- params:  $1 text task
-- returns: kind text, schema_name text, name text
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT kind, schema_name, name
FROM (
    SELECT 1 AS place, 'trigger' AS kind, n.nspname::pg_catalog.text AS schema_name,
           c.relname::pg_catalog.text AS name
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace AND pn.nspname = 'bascule'
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE t.tgname = 'bascule_fence'
      AND p.proname IN ('fence_refuse', 'target_refuse')
      AND pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1)
          = $1::pg_catalog.text
    UNION ALL
    SELECT 2, 'slot', '', s.slot_name::pg_catalog.text
    FROM pg_catalog.pg_replication_slots s
    WHERE s.database = pg_catalog.current_database()
      AND s.slot_name::pg_catalog.text IN ('bascule_' || $1::pg_catalog.text,
                                           'bascule_' || $1::pg_catalog.text || '_reverse',
                                           'bascule_' || $1::pg_catalog.text || '_snap')
    UNION ALL
    SELECT 3, 'publication', '', p.pubname::pg_catalog.text
    FROM pg_catalog.pg_publication p
    WHERE p.pubname::pg_catalog.text IN ('bascule_' || $1::pg_catalog.text,
                                         'bascule_' || $1::pg_catalog.text || '_reverse')
) AS found
ORDER BY place, schema_name COLLATE "C", name COLLATE "C"
