/* json_get - see the header. */
#include "ops/json_get.h"

#include <string.h>

#include "bascule/model/progress.h"

const json_t *json_get(const json_t *object, const char *path)
{
    while (object != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        object = json_object_getn(object, path, len);
        path += len + (path[len] == '.');
    }
    return object;
}

int64_t json_get_number(const json_t *object, const char *path)
{
    const json_t *value = json_get(object, path);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : PROGRESS_UNKNOWN;
}

int64_t json_get_us(const json_t *object, const char *path, double unit_us)
{
    const json_t *value = json_get(object, path);
    return json_is_number(value) ? (int64_t)(json_number_value(value) * unit_us + 0.5)
                                 : PROGRESS_UNKNOWN;
}

const char *json_get_text(const json_t *object, const char *path, const char *unknown)
{
    const json_t *value = json_get(object, path);
    return json_is_string(value) ? json_string_value(value) : unknown;
}

bool json_get_true(const json_t *object, const char *path)
{
    return json_is_true(json_get(object, path));
}
