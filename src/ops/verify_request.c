/* verify_request - see the header. */
#include "ops/verify_request.h"

#include <string.h>

static void set_number(json_t *object, const char *key, int64_t value, int64_t unit)
{
    if (value != TASK_VERIFY_DEFAULT)
        json_object_set_new(object, key, json_integer((json_int_t)(value / unit)));
}

static json_t *texts_json(const char *const *texts, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

json_t *verify_request_json(const TaskVerify *o)
{
    json_t *tables = texts_json(o->tables, o->table_count);
    json_t *out = json_pack(
        "{s:s, s:o, s:I, s:i, s:b, s:b, s:b}", "what", verify_what_name(o->what), "tables", tables,
        "since_seconds", (json_int_t)(o->since_us / 1000000), "spot_rows", o->spot_rows,
        "show_values", o->show_values, "mask_keys", o->mask_keys, "restart", o->restart);
    if (o->since_at_us > 0)
        json_object_set_new(out, "since_at_us", json_integer((json_int_t)o->since_at_us));
    if (o->since_column != NULL)
        json_object_set_new(out, "since_column", json_string(o->since_column));
    if (o->reference_count > 0)
        json_object_set_new(out, "references", texts_json(o->references, o->reference_count));
    set_number(out, "jobs", o->jobs, 1);
    set_number(out, "max_rate", o->max_rate_bytes, 1);
    set_number(out, "max_snapshot_age_ms", o->max_snapshot_us, 1000);
    set_number(out, "max_hold_ms", o->hold_us, 1000);
    return out;
}

bool request_number(const char *key, const json_t *value, int64_t unit, int64_t max, int64_t *out,
                    Error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return ERR(err, ERR_USAGE, "'%s' must be a whole number from 0 to %lld", key,
                   (long long)max);
    *out = (int64_t)json_integer_value(value) * unit;
    return true;
}

static bool read_what(const json_t *value, VerifyWhat *out, Error *err)
{
    for (int what = VERIFY_ROWS; what <= VERIFY_ORPHANS; what++)
        if (json_is_string(value) &&
            strcmp(verify_what_name((VerifyWhat)what), json_string_value(value)) == 0) {
            *out = (VerifyWhat)what;
            return true;
        }
    return ERR(err, ERR_USAGE, "'what' must be rows, counts, spot-check or orphans");
}

bool request_texts(const char *key, const json_t *value, Arena *arena,
                   const char *const **out_texts, int *out_count, Error *err)
{
    if (!json_is_array(value))
        return ERR(err, ERR_USAGE, "'%s' must be a list of texts", key);
    const char **texts = arena_new_array(arena, const char *, json_array_size(value) + 1);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        if (!json_is_string(one))
            return ERR(err, ERR_USAGE, "'%s' must be a list of texts", key);
        texts[i] = arena_strdup(arena, json_string_value(one));
    }
    *out_texts = texts;
    *out_count = (int)json_array_size(value);
    return true;
}

bool request_bool(const char *key, const json_t *value, bool *out, Error *err)
{
    *out = json_is_true(value);
    return json_is_boolean(value) || ERR(err, ERR_USAGE, "'%s' must be true or false", key);
}

static bool read_key(const char *key, const json_t *value, Arena *arena, TaskVerify *out,
                     Error *err)
{
    const int64_t year = INT64_C(366) * 86400;
    int64_t spot_rows = 0;
    if (strcmp(key, "what") == 0)
        return read_what(value, &out->what, err);
    if (strcmp(key, "tables") == 0)
        return request_texts(key, value, arena, &out->tables, &out->table_count, err);
    if (strcmp(key, "references") == 0)
        return request_texts(key, value, arena, &out->references, &out->reference_count, err);
    if (strcmp(key, "since_seconds") == 0)
        return request_number(key, value, 1000000, 100 * year, &out->since_us, err);
    if (strcmp(key, "since_at_us") == 0)
        return request_number(key, value, 1, INT64_C(1) << 60, &out->since_at_us, err);
    if (strcmp(key, "spot_rows") == 0) {
        bool ok = request_number(key, value, 1, 10000, &spot_rows, err);
        out->spot_rows = (int)spot_rows;
        return ok;
    }
    if (strcmp(key, "show_values") == 0)
        return request_bool(key, value, &out->show_values, err);
    if (strcmp(key, "mask_keys") == 0)
        return request_bool(key, value, &out->mask_keys, err);
    if (strcmp(key, "restart") == 0)
        return request_bool(key, value, &out->restart, err);
    if (strcmp(key, "since_column") == 0) {
        out->since_column =
            json_is_string(value) ? arena_strdup(arena, json_string_value(value)) : "";
        return json_is_string(value) || ERR(err, ERR_USAGE, "'since_column' must be a name");
    }
    if (strcmp(key, "jobs") == 0)
        return request_number(key, value, 1, 64, &out->jobs, err);
    if (strcmp(key, "max_rate") == 0)
        return request_number(key, value, 1, INT64_C(1) << 50, &out->max_rate_bytes, err);
    if (strcmp(key, "max_snapshot_age_ms") == 0)
        return request_number(key, value, 1000, year * 1000, &out->max_snapshot_us, err);
    if (strcmp(key, "max_hold_ms") == 0)
        return request_number(key, value, 1000, year * 1000, &out->hold_us, err);
    return ERR(err, ERR_USAGE, "unknown key '%s'", key);
}

bool verify_request_read(const json_t *request, Arena *arena, TaskVerify *out_options, Error *err)
{
    TaskVerify options = {.jobs = TASK_VERIFY_DEFAULT,
                          .max_rate_bytes = TASK_VERIFY_DEFAULT,
                          .max_snapshot_us = TASK_VERIFY_DEFAULT,
                          .hold_us = TASK_VERIFY_DEFAULT};
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
