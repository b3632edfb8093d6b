/* Any bytes as a configuration file: it loads, or says in one sentence why not. What loaded answers
 * every question, and no answer for people holds a password. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/port/conninfo.h"
#include "config/endpoint.h"
#include "config/mapping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/bascule-fuzz-XXXXXX";

static void remove_directory(void)
{
    unlink("config");
    rmdir(directory);
}

/* In a directory of its own: the file may name others beside it. */
static const char *path_of(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0) {
        ASSERT(mkdtemp(directory) != NULL && chdir(directory) == 0);
        atexit(remove_directory);
        fd = open("config", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    ASSERT(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    return "config";
}

static void ask(const Config *config)
{
    Arena *arena = arena_new(0);
    for (int i = 0; i < OPTION_COUNT; i++) {
        OptionId id = (OptionId)i;
        const char *shown = config_shown(config, id, arena);
        const char *secret = config_text(config, id);
        ASSERT(shown != NULL && config_where(config, id)[0] != '\0');
        if ((OPTIONS[i].traits & OPTION_SECRET) != 0 && secret != NULL && strlen(secret) > 4)
            ASSERT(strstr(shown, secret) == NULL);
    }
    for (int side = 0; side < 2; side++) {
        PgEndpoint endpoint;
        Conninfo parts;
        Error err = ERROR_INIT;
        if (!config_endpoint(config, side == 0, &endpoint, arena, &err)) {
            ASSERT(err.cls == ERR_CONFIG);
            continue;
        }
        ASSERT(conninfo_parse(arena, endpoint.conninfo, &parts, &err));
        ASSERT(conninfo_parse(arena, endpoint.shown, &parts, &err));
        ASSERT(!conninfo_has_secret(&parts));
    }
    Rules rules;
    Error err = ERROR_INIT;
    ASSERT(config_rules(config, &rules, arena, &err) || err.message[0] != '\0');
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FlagSet FLAGS_OF_ALL = {.command = "run", .uses = ~0u};
    Error err = ERROR_INIT;
    Config *config = config_new();
    if (config_load(config, path_of(data, size), NULL, 0, NULL, &FLAGS_OF_ALL, &err))
        ask(config);
    else
        ASSERT(err.cls == ERR_CONFIG && err.message[0] != '\0');
    config_free(config);
    return 0;
}
