-- verify_table_key: the key behind which a table goes on
-- params:  $1 int8 run, $2 text schema, $3 text name
-- returns: one text a key column, in order
-- needs:   SELECT on bascule.verify_table; PostgreSQL 15+
SELECT k.value
FROM bascule.verify_table t
CROSS JOIN LATERAL pg_catalog.unnest(t.next_key) WITH ORDINALITY AS k (value, place)
WHERE t.run = $1::pg_catalog.int8 AND t.schema_name = $2 AND t.table_name = $3
ORDER BY k.place
