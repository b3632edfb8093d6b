-- capture_function: tells the stream of a statement that changed tables, types, indexes or sequences: one transactional
--                   message an object. It must never fail the statement that it tells of.
-- params:  none
-- returns: nothing
-- needs:   CREATE on schema bascule; language plpgsql; PostgreSQL 15+
-- content: 'ddl', tag, kind, oid of the table (0 none), oid of the object, name, then the statement to the end; a line
--          each. The statement is left out ('') where it could hold more than itself: see docs/decisions/0017.
CREATE OR REPLACE FUNCTION bascule.ddl_note() RETURNS event_trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog
AS $note$
DECLARE
    statement text := btrim(current_query(), E' \t\r\n;');
    object record;
BEGIN
    IF statement !~* '^(create|alter|drop)\s'
       OR statement ~ ';'
       OR TG_TAG IN ('CREATE TABLE AS', 'SELECT INTO')
       OR (statement ~ '[''$]' AND statement ~* '(pass|secret|token|credential|key_?id|api_?key|private)') THEN
        statement := '';
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        FOR object IN
            SELECT TG_TAG AS tag, d.object_type AS kind,
                   CASE WHEN d.object_type = 'table' THEN d.objid ELSE 0 END AS tab, d.objid AS oid,
                   d.object_identity AS name
            FROM pg_event_trigger_dropped_objects() d
            WHERE d.object_type IN ('table', 'index', 'sequence', 'type') AND NOT d.is_temporary
              AND (d.original OR d.object_type = 'table')
              AND d.schema_name IS DISTINCT FROM 'bascule' AND d.schema_name !~ '^pg_'
        LOOP
            PERFORM pg_logical_emit_message(true, 'bascule', concat_ws(E'\n', 'ddl', object.tag, object.kind,
                COALESCE(object.tab, 0), object.oid, translate(object.name, E'\n', ' '), left(statement, 4000)));
        END LOOP;
    ELSE
        FOR object IN
            SELECT DISTINCT c.command_tag AS tag, c.object_type AS kind,
                   CASE WHEN c.object_type = 'sequence' THEN
                             (SELECT d.refobjid FROM pg_depend d
                              WHERE d.classid = 'pg_class'::regclass AND d.objid = c.objid AND d.objsubid = 0
                                AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
                                AND d.deptype IN ('a', 'i') LIMIT 1)
                        WHEN c.classid <> 'pg_class'::regclass OR k.relkind = 'p' THEN 0
                        ELSE k.oid END AS tab,
                   c.objid AS oid, c.object_identity AS name
            FROM pg_event_trigger_ddl_commands() c
            LEFT JOIN pg_index i ON i.indexrelid = c.objid AND c.classid = 'pg_class'::regclass
            LEFT JOIN pg_class k ON k.oid = COALESCE(i.indrelid, c.objid) AND c.classid = 'pg_class'::regclass
            WHERE c.object_type IN ('table', 'table column', 'table constraint', 'index', 'sequence', 'type',
                                    'domain constraint')
              AND NOT c.in_extension
              AND c.schema_name IS DISTINCT FROM 'bascule' AND c.schema_name !~ '^pg_'
        LOOP
            PERFORM pg_logical_emit_message(true, 'bascule', concat_ws(E'\n', 'ddl', object.tag, object.kind,
                COALESCE(object.tab, 0), object.oid, translate(object.name, E'\n', ' '), left(statement, 4000)));
        END LOOP;
    END IF;
EXCEPTION WHEN OTHERS THEN
    NULL; -- nothing of ours may stand in the way
END
$note$
