/* endpoint - dsn and single fields to one conninfo (endpoint.h). */
#include "config/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/port/conninfo.h"
#include "config/config_internal.h"

/* The fields of one side and the conninfo keywords they override. */
typedef struct Field {
    OptionId source, target;
    const char *keyword;
} Field;

static const Field FIELDS[] = {
    {OPT_SOURCE_SERVICE, OPT_TARGET_SERVICE, "service"},
    {OPT_SOURCE_HOST, OPT_TARGET_HOST, "host"},
    {OPT_SOURCE_PORT, OPT_TARGET_PORT, "port"},
    {OPT_SOURCE_DATABASE, OPT_TARGET_DATABASE, "dbname"},
    {OPT_SOURCE_USER, OPT_TARGET_USER, "user"},
    {OPT_SOURCE_PASSWORD, OPT_TARGET_PASSWORD, "password"},
    {OPT_SOURCE_PASSFILE, OPT_TARGET_PASSFILE, "passfile"},
    {OPT_SOURCE_SSLMODE, OPT_TARGET_SSLMODE, "sslmode"},
    {OPT_SOURCE_SSLROOTCERT, OPT_TARGET_SSLROOTCERT, "sslrootcert"},
    {OPT_SOURCE_SSLCERT, OPT_TARGET_SSLCERT, "sslcert"},
    {OPT_SOURCE_SSLKEY, OPT_TARGET_SSLKEY, "sslkey"},
};

static const char *said(Arena *arena, const Conninfo *parts, const char *keyword)
{
    const char *value = conninfo_get(parts, keyword);
    return value != NULL ? value : conninfo_inherited(arena, parts, keyword);
}

/* The same as libpq will use, for people. */
static const char *shown_value(Arena *arena, const Conninfo *parts, const char *keyword)
{
    const char *value = said(arena, parts, keyword);
    return value != NULL ? value : conninfo_builtin(arena, keyword);
}

static bool over_unix_socket(const char *host)
{
    return host == NULL || host[0] == '/' || host[0] == '@' || host[0] == '\0';
}

/* Like libpq: the user's name when nobody names a database. */
static const char *database_of(Arena *arena, const Conninfo *parts)
{
    const char *database = said(arena, parts, "dbname");
    const char *user = shown_value(arena, parts, "user");
    return database != NULL ? database : user != NULL ? user : "";
}

static const char *show(Arena *arena, const Conninfo *parts)
{
    const char *host = shown_value(arena, parts, "host");
    const char *address = said(arena, parts, "hostaddr");
    const char *user = shown_value(arena, parts, "user");
    const char *place = address != NULL && address[0] != '\0' && host == NULL ? address : host;
    bool local = over_unix_socket(place);
    Conninfo shown = {0};
    conninfo_put(arena, &shown, "host",
                 local && (place == NULL || *place == '\0') ? "[local]" : place);
    conninfo_put(arena, &shown, "port", shown_value(arena, parts, "port"));
    conninfo_put(arena, &shown, "dbname", database_of(arena, parts));
    if (user != NULL)
        conninfo_put(arena, &shown, "user", user);
    if (!local)
        conninfo_put(arena, &shown, "sslmode", shown_value(arena, parts, "sslmode"));
    return conninfo_text(arena, &shown);
}

/* PGHOST and its like reach both sides alike: they may complete a side, but not make one up. */
static bool check_given(const Conninfo *parts, bool source, Error *err)
{
    static const char *const ENOUGH[] = {"host", "hostaddr", "service", "dbname"};
    const char *side = source ? "source" : "target";
    for (size_t i = 0; i < sizeof ENOUGH / sizeof *ENOUGH; i++)
        if (conninfo_get(parts, ENOUGH[i]) != NULL)
            return true;
    ERR(err, ERR_CONFIG, "nothing says where the %s is", side);
    return err_hint(
        err,
        "Set %s.dsn, or %s.host and %s.database, in the configuration file, as flags, or in the "
        "environment.",
        side, side, side);
}

static int64_t connect_timeout_us(const Config *config, const Conninfo *parts, bool source)
{
    OptionId id = source ? OPT_SOURCE_CONNECT_TIMEOUT : OPT_TARGET_CONNECT_TIMEOUT;
    const char *seconds = conninfo_get(parts, "connect_timeout");
    if (!config_set(config, id) && seconds != NULL && atoi(seconds) > 0)
        return (int64_t)atoi(seconds) * 1000000;
    return config_duration_us(config, id);
}

/* dsn, overridden by the fields of that side. */
static bool combine(const Config *config, bool source, Arena *arena, Conninfo *out_parts,
                    Error *err)
{
    Conninfo parts = {0};
    const char *dsn = config_text(config, source ? OPT_SOURCE_DSN : OPT_TARGET_DSN);
    if (dsn != NULL && !conninfo_parse(arena, dsn, &parts, err))
        return err_context(err, "%s.dsn", source ? "source" : "target");
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        const char *value = config_text(config, source ? FIELDS[i].source : FIELDS[i].target);
        if (value == NULL)
            continue;
        conninfo_put(arena, &parts, FIELDS[i].keyword, value);
        /* an address in the dsn would win over the host that is to override it */
        if (strcmp(FIELDS[i].keyword, "host") == 0 && conninfo_get(&parts, "hostaddr") != NULL)
            conninfo_put(arena, &parts, "hostaddr", "");
    }
    *out_parts = parts;
    return true;
}

bool config_endpoint(const Config *config, bool source, PgEndpoint *out_endpoint, Arena *arena,
                     Error *err)
{
    Conninfo parts;
    if (!combine(config, source, arena, &parts, err) || !check_given(&parts, source, err))
        return false;
    if (said(arena, &parts, "sslmode") == NULL)
        conninfo_put(arena, &parts, "sslmode", "verify-full");
    *out_endpoint = (PgEndpoint){
        .side = source ? "source" : "target",
        .conninfo = conninfo_text(arena, &parts),
        .shown = show(arena, &parts),
        .task = arena_strdup(arena, config_text(config, OPT_TASK)),
        .connect_timeout_us = connect_timeout_us(config, &parts, source),
    };
    return true;
}

const char *config_database(const Config *config, bool source, Arena *arena)
{
    Conninfo parts;
    Error ignored = ERROR_INIT;
    const char *name =
        combine(config, source, arena, &parts, &ignored) ? database_of(arena, &parts) : "";
    return name;
}
