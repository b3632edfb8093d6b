/* cmd_version - bascule version [--json] */
#include <curl/curl.h>
#include <libpq-fe.h>

#include "cli/command.h"
#include "cli/out.h"

static int run(const Config *config, Error *err)
{
    (void)err;
    int libpq = PQlibVersion();
    if (!config_flag(config, FLAG_JSON)) {
        out_printf("bascule %s (libpq %d.%d, libcurl %s%s)\n", BASCULE_VERSION, libpq / 10000,
                   libpq % 10000, curl_version_info(CURLVERSION_NOW)->version,
                   BASCULE_FAULTS ? ", test build" : "");
        return 0;
    }
    json_t *version =
        json_pack("{s:s, s:s, s:s, s:b}", "version", BASCULE_VERSION, "libpq", "", "libcurl",
                  curl_version_info(CURLVERSION_NOW)->version, "test_build", BASCULE_FAULTS);
    json_object_set_new(version, "libpq", json_sprintf("%d.%d", libpq / 10000, libpq % 10000));
    out_json(version);
    json_decref(version);
    return 0;
}

const Command CMD_VERSION = {
    .name = "version",
    .summary = "print the version",
    .usage = "",
    .help = "Prints the version of bascule and of the libraries it runs with.",
    .example = "bascule version",
    .flags = FLAG_BIT(FLAG_JSON),
    .no_file = true,
    .exits = {2},
    .run = run,
};
