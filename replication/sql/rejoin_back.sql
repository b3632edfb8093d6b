-- rejoin_back: turns the stream back to the position of a copy; never forward
-- params:  $1 text task, $2 pg_lsn position
-- returns: nothing; affects 1 row
-- needs:   UPDATE on bascule.resume; PostgreSQL 15+
UPDATE bascule.resume SET lsn = LEAST(lsn, $2::pg_catalog.pg_lsn), wrote = NULL WHERE task = $1::pg_catalog.text
