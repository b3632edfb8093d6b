-- sample_edges: foreign keys of the given tables, as a condition between a row c and the row p that it refers to
-- params:  $1 oid[] tables
-- returns: from_oid oid, to_oid oid, to_schema name, to_name name, to_is_root bool, name name, condition text
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT k.conrelid, k.confrelid, n.nspname, p.relname, p.relkind = 'p', k.conname,
       (SELECT pg_catalog.string_agg(
                   pg_catalog.format('c.%I OPERATOR(%I.%s) p.%I', ca.attname, opn.nspname, op.oprname,
                                     pa.attname), ' AND ' ORDER BY pair.n)
        FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey),
                        pg_catalog.unnest(k.conpfeqop)) WITH ORDINALITY AS pair (here, there, eq, n)
        JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = pair.here
        JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = pair.there
        -- the key's operator is (parent, child): here it stands the other way round
        JOIN pg_catalog.pg_operator mine ON mine.oid = pair.eq
        JOIN pg_catalog.pg_operator op ON op.oid = CASE WHEN mine.oprcom <> 0 THEN mine.oprcom ELSE mine.oid END
        JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conrelid = ANY ($1::pg_catalog.oid[])
ORDER BY k.oid
