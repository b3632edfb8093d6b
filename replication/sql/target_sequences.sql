-- target_sequences: how sequences are called where tables have other names
-- params:  $1 text[] schema, $2 text[] table and $3 text[] column that owns it there ('' none),
--          $4 text[] schema that it would move to, $5 text[] schema and $6 text[] name on the other side
-- returns: place (from 1), schema, name: the owned one, else the one of that name in either schema, else
--          as it would be called
-- needs:   pg_catalog only
SELECT w.place,
       CASE WHEN owned.name IS NOT NULL THEN owned.schema
            WHEN there.moved OR NOT there.stayed THEN w.moved ELSE w.stayed END,
       COALESCE(owned.name, w.name::pg_catalog.name)
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
                pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[]),
                pg_catalog.unnest($5::pg_catalog.text[]), pg_catalog.unnest($6::pg_catalog.text[]))
     WITH ORDINALITY AS w (schema, tab, col, moved, stayed, name, place)
LEFT JOIN LATERAL (
    SELECT sn.nspname, s.relname
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.tab
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = w.col
    JOIN pg_catalog.pg_depend d
         ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
        AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.deptype IN ('a', 'i')
    JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
    WHERE n.nspname = w.schema
    ORDER BY s.oid
    LIMIT 1) AS owned (schema, name) ON true
CROSS JOIN LATERAL (
    SELECT COALESCE(pg_catalog.bool_or(n.nspname = w.moved), false),
           COALESCE(pg_catalog.bool_or(n.nspname = w.stayed), false)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relname = w.name) AS there (moved, stayed)
ORDER BY w.place
