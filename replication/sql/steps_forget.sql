-- steps_forget: takes a row out of the history of schema scripts
-- params:  $1 text revision
-- returns: nothing
-- needs:   DELETE on bascule.schema_history; PostgreSQL 15+
DELETE FROM bascule.schema_history WHERE revision = $1::pg_catalog.text
