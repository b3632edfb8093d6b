/* cmd_config - bascule config [--json]: every option, its value, and where that comes from. */
#include <string.h>

#include "cli/command.h"
#include "cli/out.h"
#include "config/endpoint.h"

static void print_text(const Config *config, Arena *arena)
{
    static const char *const TITLES[] = {"OPTION", "VALUE", "FROM", NULL};
    CLEANUP_BUF Buf out = BUF_INIT;
    OutTable *table = out_table_new(arena, TITLES);
    for (int i = 0; i < OPTION_COUNT; i++) {
        OptionId id = (OptionId)i;
        if (config_text(config, id) == NULL)
            continue;
        const char *cells[] = {OPTIONS[i].name, config_shown(config, id, arena),
                               config_where(config, id)};
        out_table_row(table, cells);
    }
    out_table_put(table, &out);
    if (config_profile(config) != NULL)
        buf_printf(&out, "\nprofile is %s\n", config_profile(config));
    for (int side = 0; side < 2; side++) {
        PgEndpoint endpoint;
        Error err = ERROR_INIT;
        const char *name = side == 0 ? "source" : "target";
        if (config_endpoint(config, side == 0, &endpoint, arena, &err))
            buf_printf(&out, "%s%s is %s\n", side == 0 ? "\n" : "", name, endpoint.shown);
        else
            buf_printf(&out, "%s%s is not usable: %s\n", side == 0 ? "\n" : "", name, err.message);
    }
    out_buf(&out);
}

static void print_json(const Config *config, Arena *arena)
{
    json_t *options = json_array();
    for (int i = 0; i < OPTION_COUNT; i++) {
        OptionId id = (OptionId)i;
        json_t *value = config_text(config, id) == NULL
                            ? json_null()
                            : json_string(config_shown(config, id, arena));
        json_array_append_new(options, json_pack("{s:s, s:o, s:s}", "option", OPTIONS[i].name,
                                                 "value", value, "from", config_where(config, id)));
    }
    json_t *all = json_pack("{s:s?, s:s?, s:o}", "file", config_path(config), "profile",
                            config_profile(config), "options", options);
    out_json(all);
    json_decref(all);
}

static int run(const Config *config, Error *err)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    if (count > 0 && strcmp(args[0], "show") != 0) {
        ERR(err, ERR_USAGE, "'bascule config %s': there is show", args[0]);
        return cli_failed(err);
    }
    Arena *arena = arena_new(0);
    if (config_flag(config, FLAG_JSON))
        print_json(config, arena);
    else
        print_text(config, arena);
    arena_free(arena);
    return 0;
}

const Command CMD_CONFIG = {
    .name = "config",
    .summary = "show the configuration as bascule understood it, and where each value comes from",
    .usage = "[show]",
    .help = "Reads file, environment and flags, checks them, and prints every option that has a "
            "value. Secrets\n"
            "are masked. Connects to nothing. With --profile the values of that profile stand over "
            "those of the file.",
    .example = "bascule --config clinic.yaml config\n"
               "bascule --config clinic.yaml --profile production config show",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE | USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_JSON),
    .max_args = 1,
    .exits = {2},
    .run = run,
};
