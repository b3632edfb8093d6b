/* confirm - see the header. */
#include "cli/confirm.h"

#include <string.h>

#include "cli/out.h"
#include "config/endpoint.h"

static bool refused(const char *database, const char *why, Error *err)
{
    ERR(err, ERR_NOT_CONFIRMED, "%s, nothing was changed", why);
    return err_hint(err, "Say --confirm=%s, the name of the target database.", database);
}

static bool ask(const Config *config, const char *what, const char *database, Arena *arena,
                Error *err)
{
    PgEndpoint target;
    const char *given = config_flag_text(config, FLAG_CONFIRM);
    const char *profile = config_profile(config);
    if (!config_endpoint(config, false, &target, arena, err))
        return false;
    if (given != NULL)
        return strcmp(given, database) == 0 ||
               refused(database, "--confirm is not the name of the target database", err);
    if (!out_interactive() || config_flag(config, FLAG_JSON))
        return refused(database, "this target wants to be confirmed before it is written to", err);
    const char *question =
        arena_printf(arena, "%s%s%sThe target is %s.\nType the name of its database %s: ",
                     profile != NULL ? "Profile " : "", profile != NULL ? profile : "",
                     profile != NULL ? ". " : "", target.shown, what);
    return out_confirm(question, database) || refused(database, "not confirmed", err);
}

bool confirm_always(const Config *config, const char *what, Error *err)
{
    Arena *arena = arena_new(0);
    PgEndpoint target;
    bool ok = config_endpoint(config, false, &target, arena, err) &&
              ask(config, what, config_database(config, false, arena), arena, err);
    arena_free(arena);
    return ok;
}

bool confirm_write(const Config *config, const char *what, Error *err)
{
    return !config_bool(config, OPT_CONFIRM) || confirm_always(config, what, err);
}
