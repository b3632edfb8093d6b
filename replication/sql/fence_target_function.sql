-- fence_target_function: refuses writes on a target that is not open yet; its trigger argument is the task
-- params:  none
-- returns: nothing
-- needs:   CREATE on schema bascule; language plpgsql; PostgreSQL 15+
CREATE OR REPLACE FUNCTION bascule.target_refuse() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog
AS $fence$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '25006',
        MESSAGE = 'this database is not open yet',
        DETAIL = pg_catalog.format('Table %I.%I is written by bascule, task %s, until its cutover.',
                                   TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]),
        HINT = 'Write to the source until the cutover is done.';
END
$fence$
