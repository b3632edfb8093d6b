-- fence_function: refuses every write on a source whose fence is committed; its trigger arguments are the task and
--                 where the data has gone. It reads no table: an old snapshot must be refused like a new one.
-- params:  none
-- returns: nothing
-- needs:   CREATE on schema bascule; language plpgsql; PostgreSQL 15+
CREATE OR REPLACE FUNCTION bascule.fence_refuse() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog
AS $fence$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '25006',
        MESSAGE = 'this database has moved',
        DETAIL = pg_catalog.format('Table %I.%I was cut over by bascule, task %s.',
                                   TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]),
        HINT = pg_catalog.format('The new primary is %s: write there.', TG_ARGV[1]);
END
$fence$
