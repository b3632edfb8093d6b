-- control_drop: removes schema bascule
-- params:  none
-- returns: nothing
-- needs:   ownership of schema bascule; PostgreSQL 15+
DROP SCHEMA bascule CASCADE
