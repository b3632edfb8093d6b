/* stop - see bascule/base/stop.h. The flag answers fast, the eventfd wakes; it is never read, so it
 * stays readable for everybody. */
#include "bascule/base/stop.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/error.h"
#include "bascule/base/mem.h"

struct StopToken {
    atomic_bool requested;
    int fd;
};

StopToken *stop_new(void)
{
    StopToken *stop = mem_zalloc(sizeof *stop);
    stop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(stop->fd >= 0);
    return stop;
}

void stop_free(StopToken *stop)
{
    if (stop == NULL)
        return;
    close(stop->fd);
    free(stop);
}

void stop_request(StopToken *stop)
{
    int saved = errno;
    uint64_t one = 1;

    atomic_store(&stop->requested, true);
    while (write(stop->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

bool stop_requested(const StopToken *stop)
{
    return stop != NULL && atomic_load(&stop->requested);
}

int stop_fd(const StopToken *stop)
{
    return stop != NULL ? stop->fd : -1;
}

int stop_poll(const StopToken *stop, int fd, short events, int64_t deadline_us)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = stop_fd(stop), .events = POLLIN}};

    for (;;) {
        int ready = poll(fds, 2, clock_poll_ms(deadline_us));
        if (ready < 0) {
            ASSERT(errno == EINTR || errno == EAGAIN);
            continue;
        }
        if (fds[1].revents != 0)
            return 0;
        if (ready > 0)
            return fds[0].revents;
        /* poll's milliseconds are capped: a far deadline takes several rounds */
        if (deadline_us != CLOCK_NEVER && clock_now_us() >= deadline_us)
            return 0;
    }
}

bool stop_wait(const StopToken *stop, int64_t duration_us)
{
    int64_t deadline_us = duration_us == CLOCK_NEVER ? CLOCK_NEVER : clock_now_us() + duration_us;
    stop_poll(stop, -1, 0, deadline_us);
    return stop_requested(stop);
}
