-- recheck_under_way: transactions that have written something and have not ended, to be asked about later
-- params:  none
-- returns: xids text, an array; NULL: none
-- needs:   nothing; PostgreSQL 15+
-- Not by a snapshot: it does not list what is newer than the last transaction that ended.
SELECT pg_catalog.array_agg(x.xid)::pg_catalog.text AS xids
FROM (SELECT a.backend_xid AS xid FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid IS NOT NULL
      UNION ALL
      SELECT p.transaction FROM pg_catalog.pg_prepared_xacts p) x
