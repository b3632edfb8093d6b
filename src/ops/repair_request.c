/* repair_request - see the header. */
#include "ops/repair_request.h"

#include <string.h>

#include "ops/verify_request.h"

json_t *repair_request_json(const TaskRepair *o)
{
    json_t *tables = json_array();
    for (int i = 0; i < o->table_count; i++)
        json_array_append_new(tables, json_string(o->tables[i]));
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:o, s:I}", "apply", o->apply, "fresh", o->fresh,
                     "keys_only", o->keys_only, "show_values", o->show_values, "mask_keys",
                     o->mask_keys, "tables", tables, "max_rows", (json_int_t)o->max_rows);
}

static bool read_key(const char *key, const json_t *value, Arena *arena, TaskRepair *out,
                     Error *err)
{
    const struct {
        const char *key;
        bool *value;
    } switches[] = {{"apply", &out->apply},
                    {"fresh", &out->fresh},
                    {"keys_only", &out->keys_only},
                    {"show_values", &out->show_values},
                    {"mask_keys", &out->mask_keys}};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (strcmp(key, switches[i].key) == 0)
            return request_bool(key, value, switches[i].value, err);
    if (strcmp(key, "tables") == 0)
        return request_texts(key, value, arena, &out->tables, &out->table_count, err);
    if (strcmp(key, "max_rows") == 0)
        return request_number(key, value, 1, REPAIR_ROWS_MOST, &out->max_rows, err);
    return ERR(err, ERR_USAGE, "unknown key '%s'", key);
}

bool repair_request_read(const json_t *request, Arena *arena, TaskRepair *out_options, Error *err)
{
    TaskRepair options = {.max_rows = REPAIR_ROWS_DEFAULT};
    const char *key;
    json_t *value;
    bool ok = true;
    json_object_foreach((json_t *)request, key, value)
    {
        ok = ok && read_key(key, value, arena, &options, err);
    }
    if (ok)
        *out_options = options;
    return ok;
}
