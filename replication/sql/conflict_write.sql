-- conflict_write: one conflict, in the transaction of the change that met it
-- params:  $1 text task, $2 text schema, $3 text table, $4 text kind, $5 text[] key columns, $6 text[] their texts,
--          $7 jsonb source row, $8 jsonb target row, $9 text[] columns, $10 pg_lsn, $11 int8 xid, $12 int8 commit
--          time (microseconds since 1970), $13 text policy, $14 text decision, $15 bool settled, $16 bool resolved
-- returns: id int8
-- needs:   INSERT on bascule.conflict; PostgreSQL 15+
INSERT INTO bascule.conflict (task, schema_name, table_name, kind, key, key_texts, source_row, target_row, columns,
                              lsn, xid, commit_time, policy, decision, settled_at, resolved_at, resolved_by)
VALUES ($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text,
        pg_catalog.jsonb_object($5::pg_catalog.text[], $6::pg_catalog.text[]), $6::pg_catalog.text[],
        $7::pg_catalog.jsonb, $8::pg_catalog.jsonb, $9::pg_catalog.text[], $10::pg_catalog.pg_lsn,
        $11::pg_catalog.int8,
        '1970-01-01 00:00+00'::pg_catalog.timestamptz + $12::pg_catalog.int8 * '1 microsecond'::pg_catalog.interval,
        $13::pg_catalog.text, $14::pg_catalog.text,
        CASE WHEN $15::pg_catalog.bool THEN pg_catalog.clock_timestamp() END,
        CASE WHEN $16::pg_catalog.bool THEN pg_catalog.clock_timestamp() END,
        CASE WHEN $16::pg_catalog.bool THEN 'policy' END)
RETURNING id
