-- audit_last: how far the copy of a chain goes
-- params:  $1 text log
-- returns: seq int8 (0: nothing of it)
-- needs:   SELECT on bascule.audit; PostgreSQL 15+
SELECT COALESCE(pg_catalog.max(a.seq), 0) AS seq
FROM bascule.audit a
WHERE a.log = $1::pg_catalog.text
