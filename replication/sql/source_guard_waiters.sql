-- source_guard_waiters: tables for which somebody queues behind this session or one of the given ones
-- params:  $1 int4[] pids of our other sessions, $2 int8 microseconds that a waiter has waited at least
-- returns: table oid (of an index or TOAST table: the table it belongs to)
-- needs:   pg_catalog only
SELECT DISTINCT COALESCE(t.oid, i.indrelid, l.relation)
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = l.relation
LEFT JOIN pg_catalog.pg_class t ON t.reltoastrelid = COALESCE(i.indrelid, l.relation)
WHERE l.locktype = 'relation' AND NOT l.granted
  AND l.database = (SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database())
  AND pg_catalog.pg_blocking_pids(l.pid)
      && pg_catalog.array_append($1::pg_catalog.int4[], pg_catalog.pg_backend_pid())
  AND ($2::pg_catalog.int8 = 0 OR l.waitstart <= pg_catalog.clock_timestamp()
                                  - $2::pg_catalog.int8 * '1 microsecond'::pg_catalog.interval)
