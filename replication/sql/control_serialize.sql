-- control_serialize: waits until nobody else creates or removes schema bascule (to the transaction's end)
-- params:  none
-- returns: one row
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445)
