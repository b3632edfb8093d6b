-- preflight_conversion: whether text of an encoding can be brought into this database
-- params:  $1 text encoding of the other side
-- returns: converts bool
-- needs:   nothing; PostgreSQL 14+
SELECT d.encoding = e.number OR 0 IN (d.encoding, e.number)
       OR EXISTS (SELECT FROM pg_catalog.pg_conversion c
                  WHERE c.condefault AND c.conforencoding = e.number AND c.contoencoding = d.encoding)
FROM pg_catalog.pg_database d, (SELECT pg_catalog.pg_char_to_encoding($1::pg_catalog.name)) AS e (number)
WHERE d.datname = pg_catalog.current_database()
