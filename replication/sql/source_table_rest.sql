-- source_table_rest: what a table has beside its columns, as statements that make it elsewhere, in their order
-- params:  $1 oid table
-- returns: place int4 (below 0: before the table), statement text (NULL: not ours to make), what text (in words)
-- needs:   pg_catalog only; PostgreSQL 14+
WITH tab AS (
    SELECT c.*, pg_catalog.format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = $1::pg_catalog.oid
), seqs AS (
    SELECT s.*, pg_catalog.format('%I.%I', n.nspname, c.relname) AS full_name, a.attname
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::pg_catalog.oid
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'a'
)
SELECT -1 AS place,
       pg_catalog.format('CREATE SEQUENCE %s AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s',
                         full_name, pg_catalog.format_type(seqtypid, NULL), seqincrement, seqmin, seqmax,
                         seqstart, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END) AS statement,
       'sequence' AS what
FROM seqs
UNION ALL
SELECT CASE k.contype WHEN 'f' THEN 4 ELSE 2 END,
       pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', tab.full_name, k.conname,
                         pg_catalog.pg_get_constraintdef(k.oid)),
       'constraint'
FROM tab
JOIN pg_catalog.pg_constraint k ON k.conrelid = tab.oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')
UNION ALL
SELECT 3, pg_catalog.pg_get_indexdef(i.indexrelid), 'index'
FROM pg_catalog.pg_index i
WHERE i.indrelid = $1::pg_catalog.oid AND i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                  WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)
UNION ALL
SELECT 5, pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.%I', seqs.full_name, tab.full_name, seqs.attname),
       'sequence'
FROM seqs
CROSS JOIN tab
UNION ALL
SELECT 6, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s', tab.full_name,
                            CASE tab.relreplident WHEN 'f' THEN 'FULL'
                                 ELSE 'USING INDEX ' || (
                                     SELECT pg_catalog.quote_ident(x.relname)
                                     FROM pg_catalog.pg_index i
                                     JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                                     WHERE i.indrelid = tab.oid AND i.indisreplident) END),
       'replica identity'
FROM tab
WHERE tab.relreplident IN ('f', 'i')
UNION ALL
SELECT 9, NULL, w.what
FROM tab
CROSS JOIN LATERAL (VALUES
    ('triggers', EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = tab.oid AND NOT t.tgisinternal)),
    ('rules', tab.relhasrules),
    ('policies', tab.relrowsecurity
                 OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = tab.oid)),
    ('a parent', EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = tab.oid)),
    ('a type of its own', tab.reloftype <> 0),
    ('no log', tab.relpersistence <> 'p'),
    ('another access method', tab.relam <> (SELECT m.oid FROM pg_catalog.pg_am m WHERE m.amname = 'heap'))
) AS w (what, has)
WHERE w.has
ORDER BY 1, 2
