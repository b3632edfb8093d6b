-- partition_chain: how c came to be the partition that it is, from itself to the root (NULL: it is none), in
-- words that do not name a table
(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.pg_get_partkeydef(link.inhparent),
                                                   pg_catalog.pg_get_expr(up.relpartbound, up.oid)),
                              E'\n' ORDER BY step.n)
 FROM pg_catalog.pg_partition_ancestors(c.oid) WITH ORDINALITY AS step (oid, n)
 JOIN pg_catalog.pg_class up ON up.oid = step.oid AND up.relispartition
 JOIN pg_catalog.pg_inherits link ON link.inhrelid = up.oid)
