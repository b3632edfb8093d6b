/* The live block on a real pseudo-terminal: log lines stay, the block moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/log.h"
#include "ops/status_live.h"

static int master, slave;

/* What a terminal would show: just enough of ANSI for what status_live writes. */
typedef struct Terminal {
    char rows[40][200];
    int row, column, used;
} Terminal;

static void feed(Terminal *t, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\033') {
            int n = 0;
            i += 2;
            for (; s[i] >= '0' && s[i] <= '9'; i++)
                n = n * 10 + s[i] - '0';
            if (s[i] == 'A')
                t->row -= n;
            else if (s[i] == 'J')
                for (int r = t->row; r < 40; r++)
                    memset(t->rows[r], 0, sizeof t->rows[r]);
            assert_true(t->row >= 0);
        } else if (s[i] == '\r') {
            t->column = 0;
        } else if (s[i] == '\n') {
            t->row++;
            t->column = 0;
        } else {
            t->rows[t->row][t->column++] = s[i];
        }
    }
}

static void read_all(Terminal *t)
{
    struct pollfd p = {.fd = master, .events = POLLIN};
    while (poll(&p, 1, 50) > 0) {
        char data[4096];
        ssize_t n = read(master, data, sizeof data);
        if (n <= 0)
            break;
        feed(t, data, (size_t)n);
    }
}

static void block_moves_below_log_lines(void **state)
{
    Terminal t = {0};
    (void)state;
    StatusLive *live = status_live_new(slave);
    assert_non_null(live);
    status_live_draw(live, "one\ntwo\n");
    status_live_draw(live, "uno\ndos\ntres\n");
    log_info("something happened");
    status_live_draw(live, "ein\nzwei\n");
    read_all(&t);
    assert_non_null(strstr(t.rows[0], "something happened"));
    assert_string_equal(t.rows[1], "ein");
    assert_string_equal(t.rows[2], "zwei");
    assert_string_equal(t.rows[3], "");
    assert_int_equal(t.row, 3);
    log_info("again");
    read_all(&t);
    assert_non_null(strstr(t.rows[1], "again"));
    assert_string_equal(t.rows[2], "ein");
    status_live_free(live, false);
    log_info("free");
    read_all(&t);
    assert_non_null(strstr(t.rows[2], "free"));
    assert_string_equal(t.rows[3], "");
}

static void kept_and_cut_to_the_screen(void **state)
{
    Terminal t = {0};
    Buf text = BUF_INIT;
    (void)state;
    for (int i = 0; i < 30; i++)
        buf_printf(&text, "line %d\n", i);
    StatusLive *live = status_live_new(slave);
    assert_non_null(live);
    status_live_draw(live, buf_str(&text));
    read_all(&t);
    assert_string_equal(t.rows[8], "line 8");
    assert_string_equal(t.rows[9], "");
    status_live_free(live, true);
    read_all(&t);
    assert_string_equal(t.rows[0], "line 0");
    assert_int_equal(status_live_width(slave), 70);
    buf_done(&text);
}

static void dumb_terminals_get_nothing(void **state)
{
    (void)state;
    setenv("TERM", "dumb", 1);
    assert_null(status_live_new(slave));
    assert_false(status_live_color(slave));
    setenv("TERM", "xterm", 1);
    assert_true(status_live_color(slave));
    setenv("NO_COLOR", "1", 1);
    assert_false(status_live_color(slave));
    unsetenv("NO_COLOR");
}

static int setup(void **state)
{
    struct winsize size = {.ws_row = 10, .ws_col = 70};
    (void)state;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    if (openpty(&master, &slave, NULL, NULL, &size) != 0)
        return -1;
    log_init(LOG_INFO, false);
    return dup2(slave, STDERR_FILENO) < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_moves_below_log_lines),
        cmocka_unit_test(kept_and_cut_to_the_screen),
        cmocka_unit_test(dumb_terminals_get_nothing),
    };
    return cmocka_run_group_tests_name("status_live", tests, setup, NULL);
}
