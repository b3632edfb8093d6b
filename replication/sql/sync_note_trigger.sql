-- sync_note_trigger: remembers how a trigger stood before it was disabled; the first note stays
-- params:  $1 text task, $2 text schema, $3 text table, $4 text trigger, $5 text tgenabled
-- needs:   INSERT on bascule.disabled_trigger
INSERT INTO bascule.disabled_trigger (task, schema_name, table_name, trigger_name, enabled)
VALUES ($1, $2, $3, $4, $5::pg_catalog."char")
    ON CONFLICT DO NOTHING
