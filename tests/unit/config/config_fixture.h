/*
 * config_fixture - a directory of its own, an environment without ours, and loading in one line.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

extern char **environ;

static char fixture_dir[64];

static inline void fixture_clear_environment(void)
{
    for (bool again = true; again;) {
        again = false;
        for (char **entry = environ; *entry != NULL && !again; entry++) {
            char name[128];
            size_t len = strcspn(*entry, "=");
            if (len >= sizeof name ||
                (strncmp(*entry, "BASCULE_", 8) != 0 && strncmp(*entry, "PG", 2) != 0))
                continue;
            memcpy(name, *entry, len);
            name[len] = '\0';
            unsetenv(name);
            again = true;
        }
    }
}

static inline int fixture_setup(void **state)
{
    (void)state;
    strcpy(fixture_dir, "/tmp/bascule-config-XXXXXX");
    assert_non_null(mkdtemp(fixture_dir));
    assert_int_equal(chdir(fixture_dir), 0);
    fixture_clear_environment();
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", fixture_dir, 1);
    return 0;
}

static inline int fixture_teardown(void **state)
{
    char command[128];
    (void)state;
    fixture_clear_environment();
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_dir);
    assert_int_equal(chdir("/"), 0);
    return system(command);
}

static inline void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(name, mode), 0);
}

#define EVERY_USE (USE_ALWAYS | USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE | USE_CUTOVER)

static const FlagSet ALL_FLAGS = {
    .command = "run",
    .uses = EVERY_USE,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_UNTIL),
    .max_args = 1,
};

/* Loads conf.yaml (when text is given) with these flags; NULL and *err on failure. */
static inline Config *load_with(const char *text, const FlagSet *set, char *const *flags,
                                Error *err)
{
    Config *config = config_new();
    int count = 0;
    while (flags != NULL && flags[count] != NULL)
        count++;
    if (text != NULL)
        write_file("conf.yaml", text, 0600);
    *err = ERROR_INIT;
    if (config_load(config, text == NULL ? NULL : "conf.yaml", NULL, count, flags, set, err))
        return config;
    config_free(config);
    return NULL;
}

#define FLAGS_OF(...) ((char *const *)(uintptr_t)(const char *[]){__VA_ARGS__, NULL})

static inline Config *load(const char *text, char *const *flags)
{
    Error err;
    Config *config = load_with(text, &ALL_FLAGS, flags, &err);
    if (config == NULL)
        fail_msg("%s", err.message);
    return config;
}

/* The load must fail with exactly this message. */
static inline void refused(const char *text, char *const *flags, ErrorClass cls,
                           const char *message)
{
    Error err;
    Config *config = load_with(text, &ALL_FLAGS, flags, &err);
    if (config != NULL)
        fail_msg("accepted, expected: %s", message);
    assert_string_equal(err.message, message);
    assert_int_equal(err.cls, cls);
    assert_int_equal(err_exit_code(err.cls), 2);
}
