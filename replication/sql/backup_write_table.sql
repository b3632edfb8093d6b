-- backup_write_table: a task's table as a backup found it
-- params:  $1 int8 backup, $2 text schema, $3 text table, $4 oid (NULL: it was not there), $5 int8 rows (NULL)
-- returns: nothing
-- needs:   INSERT on bascule.backup_table; PostgreSQL 15+
INSERT INTO bascule.backup_table (backup, schema_name, table_name, table_oid, column_names, row_count)
SELECT $1::pg_catalog.int8, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.oid,
       (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = $4::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attgenerated = ''),
       $5::pg_catalog.int8
ON CONFLICT DO NOTHING
