-- audit_write: adds records to the copy; those that are there stay as they are
-- params:  $1 text log, $2 text task, $3 int8 seq of the first, $4 json array of records, each a string
-- returns: nothing; affects the rows that were added
-- needs:   INSERT on bascule.audit; PostgreSQL 15+
INSERT INTO bascule.audit (log, seq, task, record)
SELECT $1::pg_catalog.text, $3::pg_catalog.int8 + r.place - 1, $2::pg_catalog.text, r.record
FROM pg_catalog.json_array_elements_text($4::pg_catalog.json) WITH ORDINALITY AS r (record, place)
ON CONFLICT (log, seq) DO NOTHING
