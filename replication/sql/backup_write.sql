-- backup_write: a backup that was made
-- params:  $1 text task, $2 text file, $3 text host, $4 text sha256, $5 int8 bytes, $6 text prepare
-- returns: id int8
-- needs:   INSERT on bascule.backup; PostgreSQL 15+
INSERT INTO bascule.backup (task, state, file, host, sha256, bytes, prepare)
VALUES ($1::pg_catalog.text, 'made', $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text,
        $5::pg_catalog.int8, $6::pg_catalog.text)
RETURNING id
