-- source_sequences: every sequence of the database, standalone, owned or of an identity column
-- params:  none
-- returns: schema, name, increment, min, max, cache, start, cycle, owner oid (the table of the owning
--          column, for a partition the topmost root; 0 none), users text (oids of the tables whose defaults
--          draw from it, "1 2"; NULL none), name of the owning column (NULL none)
-- needs:   pg_catalog only; PostgreSQL 12+
SELECT n.nspname, c.relname, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqstart, s.seqcycle,
       COALESCE(pg_catalog.pg_partition_root(o.refobjid)::pg_catalog.oid, o.refobjid,
                0::pg_catalog.oid),
       (SELECT pg_catalog.string_agg(DISTINCT f.adrelid::pg_catalog.text, ' ')
        FROM pg_catalog.pg_depend u
        JOIN pg_catalog.pg_attrdef f ON f.oid = u.objid
        WHERE u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
          AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.refobjid = c.oid),
       (SELECT a.attname FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = o.refobjid AND a.attnum = o.refobjsubid)
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend o
       ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = c.oid
      AND o.objsubid = 0 AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')
WHERE c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
