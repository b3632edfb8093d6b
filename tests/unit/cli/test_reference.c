/* What stands in the tree is what the program makes: reference pages, man pages, sample file,
 * completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/reference.h"

static char root[512];

static char *read_file(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot read %s", path);
    Buf text = BUF_INIT;
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        buf_put(&text, block, n);
    fclose(file);
    return buf_take(&text);
}

static void test_pages_are_up_to_date(void **state)
{
    (void)state;
    int stale = 0;
    assert_true(REFERENCE_PAGE_COUNT >= 9);
    for (int i = 0; i < REFERENCE_PAGE_COUNT; i++) {
        CLEANUP_BUF Buf page = BUF_INIT;
        if (REFERENCE_PAGES[i].file == NULL)
            continue;
        REFERENCE_PAGES[i].write(&page);
        char *there = read_file(REFERENCE_PAGES[i].file);
        if (strcmp(buf_str(&page), there) != 0) {
            print_error("%s is stale: tests/lint/generated PROGRAM --write\n",
                        REFERENCE_PAGES[i].file);
            stale++;
        }
        free(there);
    }
    assert_int_equal(stale, 0);
}

static void test_find(void **state)
{
    (void)state;
    assert_string_equal(reference_find("options", NULL)->format, "markdown");
    assert_non_null(reference_find("man", "scdoc"));
    assert_null(reference_find("man", "markdown"));
    assert_null(reference_find("nonsense", NULL));
    CLEANUP_BUF Buf page = BUF_INIT;
    reference_find("fsm task", NULL)->write(&page);
    assert_non_null(strstr(buf_str(&page), "    streaming --> cutting_over: "));
    assert_null(strstr(buf_str(&page), "cut-over -->"));
}

static void test_every_option_and_command_is_told(void **state)
{
    (void)state;
    char *options = read_file("docs/reference/options.md");
    char *manual = read_file("docs/man/bascule.yaml.5.scd");
    char *commands = read_file("docs/reference/commands.md");
    for (int i = 0; i < OPTION_COUNT; i++) {
        char row[128];
        snprintf(row, sizeof row, "| `%s` |", OPTIONS[i].name);
        assert_non_null(strstr(options, row));
        char plain[128] = "*", *write = plain + 1;
        for (const char *c = OPTIONS[i].name; *c != '\0'; c++) {
            if (*c == '_')
                *write++ = '\\';
            *write++ = *c;
        }
        strcpy(write, "*\n\t");
        assert_non_null(strstr(manual, plain));
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        char head[128];
        snprintf(head, sizeof head, "\n## %s\n", COMMANDS[i]->name);
        assert_int_equal(strstr(commands, head) != NULL, !COMMANDS[i]->hidden);
    }
    free(options);
    free(manual);
    free(commands);
}

/* What bash offers for a line whose last word is being typed. */
static void complete(const char *line, const char *expected)
{
    char command[2048], got[8192];
    snprintf(command, sizeof command,
             "bash -c '. %s/conf/completion/bascule.bash; COMP_WORDS=(%s); "
             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
             "_bascule; echo \"${COMPREPLY[*]}\"'",
             root, line);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    got[fread(got, 1, sizeof got - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    got[strcspn(got, "\n")] = '\0';
    assert_string_equal(got, expected);
}

static void test_completion(void **state)
{
    (void)state;
    complete("bascule vers", "version");
    complete("bascule --config x vers", "version");
    complete("bascule help vers", "version");
    complete("bascule config --load-j", "--load-jobs");
    complete("bascule config --mode c", "cdc");
    complete("bascule config --log-level \"\"", "error warn info debug trace");
    complete("bascule version --js", "--json");
    complete("bascule version --load-j", "");
    complete("bascule config --source-pass", "--source-passfile");
}

int main(void)
{
    const char *dir = getenv("BASCULE_SOURCE_DIR");
    snprintf(root, sizeof root, "%s", dir == NULL ? "." : dir);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_up_to_date),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_every_option_and_command_is_told),
        cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
