/* Lines of hooks.commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "task/hooks.h"

static void lines_are_read(void **state)
{
    static const char *const LINES[] = {"before-freeze /bin/pause",
                                        "after-open 2min warn /bin/tell 'two words' \"a'b\" c",
                                        "end  500ms   /bin/x abort"};
    Error err = ERROR_INIT;
    Hooks hooks = {0};
    Arena *arena = arena_new(0);
    (void)state;
    assert_true(hooks_parse(LINES, 3, false, arena, &hooks, &err));
    assert_int_equal(hooks.count, 3);
    assert_true(hooks.all[0].abort && hooks.all[0].timeout_us == 10000000);
    assert_string_equal(hooks.all[0].argv[0], "/bin/pause");
    assert_null(hooks.all[0].argv[1]);
    assert_true(!hooks.all[1].abort && hooks.all[1].timeout_us == 120000000);
    assert_string_equal(hooks.all[1].argv[1], "two words");
    assert_string_equal(hooks.all[1].argv[2], "a'b");
    assert_string_equal(hooks.all[1].argv[3], "c");
    assert_true(hooks.all[2].timeout_us == 500000);
    assert_string_equal(hooks.all[2].argv[1], "abort");
    assert_string_equal(hooks_plan(&hooks, arena),
                        "hook 1: before-freeze /bin/pause\n"
                        "hook 2: after-open 2min warn /bin/tell 'two words' \"a'b\" c\n"
                        "hook 3: end  500ms   /bin/x abort\n");
    arena_free(arena);
}

static void wrong_lines_are_refused(void **state)
{
    static const char *const BAD[] = {"",
                                      "freeze /bin/x",
                                      "before-lunch /bin/x",
                                      "before-freeze",
                                      "before-freeze 10s abort",
                                      "after-open /bin/x 'open quote"};
    Arena *arena = arena_new(0);
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Error err = ERROR_INIT;
        Hooks hooks = {0};
        if (hooks_parse(&BAD[i], 1, false, arena, &hooks, &err))
            fail_msg("'%s' was taken", BAD[i]);
        assert_int_equal(err.cls, ERR_CONFIG);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(wrong_lines_are_refused),
    };
    return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
