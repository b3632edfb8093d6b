-- export_gaps: tables of a task whose writes since the opening cannot all be told from the slot
-- params:  $1 text[] schemas, $2 text[] names, $3 int8[] oids, as recorded when the stream was armed (one array each, same
--          order); $4 text publication ('' with wal2json)
-- returns: name text, why text
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT pg_catalog.format('%I.%I', t.schema_name, t.table_name) AS name,
       CASE WHEN then_n.nspname IS DISTINCT FROM t.schema_name OR then_c.relname IS DISTINCT FROM t.table_name
            THEN CASE WHEN then_c.oid IS NOT NULL
                      THEN pg_catalog.format('it is called %I.%I now: give it its name back', then_n.nspname, then_c.relname)
                      ELSE 'it was made anew since the opening, and the publication does not have it: save its rows (pg_dump -t) and drop it' END
            ELSE 'it is unlogged now, and what was written to it is in no WAL: save its rows (pg_dump -t), then ALTER TABLE ... SET LOGGED' END AS why
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.int8[]))
         AS t (schema_name, table_name, recorded)
LEFT JOIN pg_catalog.pg_class then_c ON then_c.oid = t.recorded::pg_catalog.oid
LEFT JOIN pg_catalog.pg_namespace then_n ON then_n.oid = then_c.relnamespace
LEFT JOIN (SELECT c.oid, c.relpersistence, n.nspname, c.relname
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p')) AS now_c ON now_c.nspname = t.schema_name AND now_c.relname = t.table_name
WHERE (then_c.oid IS NOT NULL AND (then_n.nspname <> t.schema_name OR then_c.relname <> t.table_name))
   OR (then_c.oid IS NULL AND t.recorded <> 0 AND now_c.oid IS NOT NULL AND $4::pg_catalog.text <> '')
   OR now_c.relpersistence = 'u'
ORDER BY 1
