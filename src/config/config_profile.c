/* config_profile - profiles of one file are tasks of their own: nothing by which two of them could
 * meet is taken from the base that they share. */
#include <string.h>

#include "config/config_internal.h"

/* As the base wrote it, not the profile, the environment or a flag. */
static bool shared(const ConfigValue *value)
{
    return value->from == FROM_FILE && !value->by_profile;
}

static bool put(Config *config, OptionId id, const char *text, ConfigFrom from, const char *place,
                Error *err)
{
    if (!config_put(config, id, &text, 1, from, place, err))
        return false;
    config->values[id].by_profile = true;
    return true;
}

bool config_part_profiles(Config *config, Error *err)
{
    static const OptionId APART[] = {OPT_SLOT_NAME,      OPT_PUBLICATION_NAME,
                                     OPT_CONTROL_SOCKET, OPT_STREAM_SPILL_DIR,
                                     OPT_KEYS_DIR,       OPT_CUTOVER_DISCARD_DIR};
    Arena *arena = config->arena;
    const char *name = config->profile;
    const ConfigValue *task = &config->values[OPT_TASK], *dir = &config->values[OPT_WORK_DIR];
    if (name == NULL)
        return true;
    for (size_t i = 0; i < sizeof APART / sizeof *APART; i++) {
        const ConfigValue *value = &config->values[APART[i]];
        if (!shared(value))
            continue;
        ERR(err, ERR_CONFIG, "'%s' stands outside of the profiles, which would all use the same",
            OPTIONS[APART[i]].name);
        err_hint(err, "Write it below the profile, or leave it out: the default differs for each.");
        return err_context(err, "%s", value->place);
    }
    if (task->from == FROM_NOWHERE &&
        !put(config, OPT_TASK, arena_printf(arena, "%s_%s", OPTIONS[OPT_TASK].def, name),
             FROM_DEFAULT, "default", err))
        return false;
    if (shared(task) && !put(config, OPT_TASK, arena_printf(arena, "%s_%s", task->value.text, name),
                             FROM_FILE, task->place, err))
        return err_context(err, "task with the profile's name");
    return !shared(dir) ||
           put(config, OPT_WORK_DIR, arena_printf(arena, "%s/%s", dir->value.text, name), FROM_FILE,
               dir->place, err);
}
