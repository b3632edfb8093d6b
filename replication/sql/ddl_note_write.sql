-- ddl_note_write: a statement of the source, in the transaction that moves the resume row past it
-- params:  $1 text task, $2 pg_lsn end of its transaction, $3 int4 number within it, $4 text tag, $5 text kind,
--          $6 int8 oid of the table (0 none), $7 text name, $8 text statement ('' withheld)
-- returns: nothing; a statement that comes again is there already
-- needs:   INSERT on bascule.source_ddl; PostgreSQL 15+
INSERT INTO bascule.source_ddl (task, lsn, number, tag, kind, table_oid, name, statement)
VALUES ($1::pg_catalog.text, $2::pg_catalog.pg_lsn, $3::pg_catalog.int4, $4::pg_catalog.text, $5::pg_catalog.text,
        $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text)
ON CONFLICT DO NOTHING
