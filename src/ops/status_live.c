/* status_live - see the header. */
#include "ops/status_live.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bascule/base/log.h"

#define DEFAULT_WIDTH  80
#define DEFAULT_HEIGHT 24

struct StatusLive {
    int fd;
    Buf block; /* what stands on the screen, and is put back under a log line */
    int lines;
};

/* The log's hooks take no argument; the lock guards the pointer and what it points to. */
static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static StatusLive *the_live;

static int positive_env(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL)
        return 0;
    char *end;
    long value = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && value > 0 && value < 10000 ? (int)value : 0;
}

static int terminal_size(int fd, bool rows)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return 0;
    return rows ? size.ws_row : size.ws_col;
}

int status_live_width(int fd)
{
    int width = terminal_size(fd, false);
    if (width == 0)
        width = positive_env("COLUMNS");
    return width > 0 ? width : DEFAULT_WIDTH;
}

static int height_of(int fd)
{
    int height = terminal_size(fd, true);
    if (height == 0)
        height = positive_env("LINES");
    return height > 0 ? height : DEFAULT_HEIGHT;
}

static bool capable(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool status_live_color(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    return capable(fd) && (no_color == NULL || no_color[0] == '\0');
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n <= 0)
            return; /* a terminal that went away is no reason to stop */
        data += n;
        len -= (size_t)n;
    }
}

/* With the lock held: the cursor goes back to the block's first line and the rest is erased. */
static void put_wipe(const StatusLive *live, Buf *out)
{
    if (live->lines > 0)
        buf_printf(out, "\r\033[%dA\033[J", live->lines);
}

/* Locks until after_log: a draw between the two would mix with the line. */
static void before_log(void)
{
    pthread_mutex_lock(&live_lock);
    if (the_live == NULL)
        return;
    CLEANUP_BUF Buf out = BUF_INIT;
    put_wipe(the_live, &out);
    write_all(the_live->fd, buf_str(&out), out.len);
}

static void after_log(void)
{
    if (the_live != NULL)
        write_all(the_live->fd, buf_str(&the_live->block), the_live->block.len);
    pthread_mutex_unlock(&live_lock);
}

StatusLive *status_live_new(int fd)
{
    if (!capable(fd))
        return NULL;
    StatusLive *live = calloc(1, sizeof *live);
    ASSERT(live != NULL);
    live->fd = fd;
    pthread_mutex_lock(&live_lock);
    ASSERT(the_live == NULL);
    the_live = live;
    pthread_mutex_unlock(&live_lock);
    log_set_around(before_log, after_log);
    return live;
}

void status_live_draw(StatusLive *live, const char *text)
{
    if (live == NULL)
        return;
    CLEANUP_BUF Buf out = BUF_INIT;
    int room = height_of(live->fd) - 1;
    pthread_mutex_lock(&live_lock);
    put_wipe(live, &out);
    buf_clear(&live->block);
    live->lines = 0;
    for (const char *p = text; *p != '\0' && live->lines < room; live->lines++) {
        size_t len = strcspn(p, "\n");
        buf_put(&live->block, p, len);
        buf_putc(&live->block, '\n');
        p += len + (p[len] == '\n');
    }
    buf_put(&out, buf_str(&live->block), live->block.len);
    write_all(live->fd, out.data, out.len);
    pthread_mutex_unlock(&live_lock);
}

void status_live_free(StatusLive *live, bool keep)
{
    if (live == NULL)
        return;
    log_set_around(NULL, NULL);
    CLEANUP_BUF Buf out = BUF_INIT;
    pthread_mutex_lock(&live_lock);
    the_live = NULL;
    if (!keep)
        put_wipe(live, &out);
    write_all(live->fd, buf_str(&out), out.len);
    pthread_mutex_unlock(&live_lock);
    buf_done(&live->block);
    free(live);
}
