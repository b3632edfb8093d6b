/* flow_queue: order, bounds, the way over the disk, waking; and two threads at once (run it under
 * ThreadSanitizer). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../wire/fixture.h"
#include "bascule/base/clock.h"
#include "stream/flow_codec.h"
#include "stream/flow_queue.h"

static Relations *rels;
static Progress progress;
static char directory[64];
static FlowQueue *queue;

static int setup(void **state)
{
    (void)state;
    rels = fixture_relations();
    progress = (Progress){0};
    strcpy(directory, "/tmp/test_flow_queue_XXXXXX");
    assert_non_null(mkdtemp(directory));
    queue = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    flow_queue_close(queue);
    fixture_free(rels);
    return rmdir(directory);
}

static void open_queue(size_t memory, int64_t spill_limit, int64_t patience_us)
{
    Error err = ERROR_INIT;
    queue = flow_queue_open(rels, memory, directory, spill_limit, &progress, &err);
    assert_non_null(queue);
    flow_queue_set_patience(queue, patience_us);
}

/* A transaction with changes of every kind; n makes it known again. */
static Flow *make_flow(uint32_t n, size_t payload)
{
    Arena *arena = arena_new(0);
    Flow *flow = arena_new_object(arena, Flow);
    Change *changes = arena_new_array(arena, Change, 5);
    Relation *two = fixture_find(rels, "two");
    Value *values = arena_new_array(arena, Value, 3), *old = arena_new_array(arena, Value, 3);
    Relation **all = arena_new_array(arena, Relation *, 2);
    char *text = arena_alloc(arena, payload + 1);
    memset(text, 'a' + (int)(n % 26), payload);
    values[0] = (Value){.data = "1", .len = 1, .kind = VALUE_TEXT};
    values[1] = (Value){.data = text, .len = (uint32_t)payload, .kind = VALUE_TEXT};
    values[2] = (Value){.kind = VALUE_UNCHANGED};
    old[1] = (Value){.data = "", .len = 0, .kind = VALUE_BINARY};
    all[0] = fixture_find(rels, "plain");
    all[1] = two;
    changes[0] = (Change){.kind = CHANGE_INSERT, .rel = two, .new_values = values};
    changes[1] =
        (Change){.kind = CHANGE_UPDATE, .rel = two, .new_values = values, .old_values = old};
    changes[2] = (Change){.kind = CHANGE_DELETE, .rel = two, .old_values = old};
    changes[3] = (Change){.kind = CHANGE_TRUNCATE,
                          .truncated = all,
                          .truncated_count = 2,
                          .truncate_cascade = n % 2 == 0,
                          .truncate_restart = n % 3 == 0};
    changes[4] = (Change){.kind = CHANGE_MESSAGE, .prefix = "bascule", .content = values[0]};
    for (int i = 0; i < 4; i++)
        changes[i].next = &changes[i + 1];
    *flow = (Flow){.kind = FLOW_PART,
                   .arena = arena,
                   .begins = n % 2 == 0,
                   .ends = n % 3 != 0,
                   .xid = n,
                   .commit_lsn = 1000 + n,
                   .end_lsn = 2000 + n,
                   .commit_time_us = -5,
                   .first = changes,
                   .last = &changes[4],
                   .change_count = 5};
    flow->bytes = arena_bytes(arena);
    return flow;
}

static Flow *make_position(uint32_t n)
{
    Arena *arena = arena_new(0);
    Flow *flow = arena_new_object(arena, Flow);
    *flow = (Flow){.kind = FLOW_POSITION, .arena = arena, .xid = n, .end_lsn = n};
    return flow;
}

static QueueResult put(Flow *flow)
{
    Error err = ERROR_INIT;
    QueueResult result = flow_queue_try_put(queue, &flow, &err);
    assert_int_equal(result == QUEUE_OK, flow == NULL);
    flow_free(flow);
    return result;
}

static void put_now(Flow *flow)
{
    assert_int_equal(put(flow), QUEUE_OK);
}

static Flow *take(void)
{
    Error err = ERROR_INIT;
    Flow *flow = NULL;
    QueueResult result = flow_queue_take(queue, &flow, 0, &err);
    if (result == QUEUE_EMPTY)
        return NULL;
    assert_int_equal(result, QUEUE_OK);
    return flow;
}

static void check_same(const Flow *flow, uint32_t n, size_t payload)
{
    CLEANUP_BUF Buf a = BUF_INIT, b = BUF_INIT;
    Flow *expected = make_flow(n, payload);
    assert_int_equal(flow->xid, n);
    assert_int_equal(flow->kind, FLOW_PART);
    assert_true(flow->begins == expected->begins && flow->ends == expected->ends);
    assert_true(flow->commit_lsn == expected->commit_lsn && flow->end_lsn == expected->end_lsn);
    assert_true(flow->commit_time_us == -5 && flow->change_count == 5 && flow->bytes > payload);
    fixture_put_flow(&a, flow);
    fixture_put_flow(&b, expected);
    assert_string_equal(buf_str(&a), buf_str(&b));
    const Change *c = flow->first, *e = expected->first;
    for (; e != NULL; c = c->next, e = e->next)
        assert_true(c->truncate_cascade == e->truncate_cascade &&
                    c->truncate_restart == e->truncate_restart);
    assert_true(flow->last->next == NULL && flow->last->kind == CHANGE_MESSAGE);
    flow_free(expected);
}

static bool has_room(void)
{
    struct pollfd fd = {.fd = flow_queue_room_fd(queue), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void memory_is_bounded_and_room_is_told(void **state)
{
    (void)state;
    open_queue(100000, 0, 0);
    uint32_t n = 0, m = 0;
    assert_true(has_room());
    while (put(make_flow(n, 1000)) == QUEUE_OK)
        n++;
    assert_true(n > 10 && n < 100);
    assert_false(has_room());
    assert_true(flow_queue_bytes(queue) <= 100000);
    assert_true(atomic_load(&progress.queued_bytes) == (int64_t)flow_queue_bytes(queue));
    put_now(make_position(n)); /* always */
    while (!has_room()) {
        Flow *flow = take();
        check_same(flow, m++, 1000);
        flow_free(flow);
    }
    assert_true(m > 1 && m < n); /* not at the first, not at the last */
    put_now(make_flow(n + 1, 1000));
    for (; m < n; m++)
        flow_free(take());
    Flow *position = take();
    assert_int_equal(position->kind, FLOW_POSITION);
    flow_free(position);
    flow_free(take());
    assert_null(take());
    assert_int_equal(flow_queue_bytes(queue), 0);
    put_now(make_flow(0, 1000000)); /* larger than the bound, but alone */
    assert_int_equal(put(make_flow(1, 10)), QUEUE_FULL);
}

static void order_is_kept_over_the_disk(void **state)
{
    (void)state;
    open_queue(30000, 1 << 30, 0);
    uint32_t next_in = 0, next_out = 0;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 30; i++, next_in++)
            put_now(make_flow(next_in, (next_in * 97) % 3000));
        assert_true(atomic_load(&progress.spilled_bytes) > 0);
        assert_true(atomic_load(&progress.queued_bytes) <= 30000);
        for (int i = 0; i < (round % 2 == 0 ? 10 : 45); i++, next_out++) {
            Flow *flow = take();
            if (flow == NULL)
                break;
            check_same(flow, next_out, (next_out * 97) % 3000);
            flow_free(flow);
        }
    }
    for (Flow *flow; (flow = take()) != NULL; next_out++) {
        check_same(flow, next_out, (next_out * 97) % 3000);
        flow_free(flow);
    }
    assert_int_equal(next_out, next_in);
    assert_true(atomic_load(&progress.spilled_bytes) == 0);
}

static void the_spill_limit_is_back_pressure(void **state)
{
    (void)state;
    open_queue(10000, 60000, 0);
    uint32_t n = 0;
    while (put(make_flow(n, 1000)) == QUEUE_OK)
        n++;
    assert_true(n > 12);
    assert_true(atomic_load(&progress.spilled_bytes) <= 60000);
    assert_false(has_room());
    for (uint32_t i = 0; i < n; i++) {
        Flow *flow = take();
        check_same(flow, i, 1000);
        flow_free(flow);
    }
    assert_true(has_room());
}

static void a_consumer_that_moves_is_waited_for(void **state)
{
    (void)state;
    open_queue(10000, 1 << 30, 60000000);
    put_now(make_flow(0, 20000));
    assert_int_equal(put(make_flow(1, 10)), QUEUE_FULL);
    flow_queue_set_patience(queue, 20000);
    assert_int_equal(put(make_flow(1, 10)), QUEUE_FULL);
    usleep(30000);
    put_now(make_flow(1, 10)); /* it took nothing all the time */
    flow_free(take());
    put_now(make_flow(2, 20000));
    assert_int_equal(put(make_flow(3, 10)), QUEUE_FULL);
    flow_free(take());
    flow_free(take());
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct rlimit before, limit;
    Error err = ERROR_INIT;
    open_queue(10000, 1 << 30, 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 10000;
    put_now(make_flow(0, 1000));
    put_now(make_flow(1, 1000));
    put_now(make_flow(2, 1000));
    setrlimit(RLIMIT_FSIZE, &limit);
    Flow *flow = make_flow(3, 50000);
    assert_int_equal(flow_queue_try_put(queue, &flow, &err), QUEUE_CLOSED);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err.cls, ERR_DISK_FULL);
    assert_non_null(strstr(err.message, directory));
    assert_non_null(flow); /* still ours */
    flow_free(flow);
    for (uint32_t i = 0; i < 3; i++) {
        flow = take();
        check_same(flow, i, 1000);
        flow_free(flow);
    }
}

/* Turns a bit in each file of ours that lies in the directory. */
static void damage_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int damaged = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], link[300] = "";
        int fd = atoi(e->d_name);
        char byte;
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        if (readlink(path, link, sizeof link - 1) < 0 ||
            strncmp(link, directory, strlen(directory)))
            continue;
        assert_int_equal(pread(fd, &byte, 1, 100), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
        damaged++;
    }
    closedir(dir);
    assert_int_equal(damaged, 1);
}

static void damage_on_disk_ends_it(void **state)
{
    (void)state;
    open_queue(10000, 1 << 30, 0);
    put_now(make_flow(0, 1000));
    put_now(make_flow(1, 20000));
    put_now(make_flow(2, 20000));
    damage_files();
    flow_free(take());
    for (int i = 0; i < 2; i++) { /* and it does not go on behind it */
        Error err = ERROR_INIT;
        Flow *flow = NULL;
        assert_int_equal(flow_queue_take(queue, &flow, 0, &err), QUEUE_CLOSED);
        assert_int_equal(err.cls, ERR_IO);
        assert_null(flow);
    }
}

/* A wrong directory shows when the queue is opened. */
static void a_wrong_directory_is_refused(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    assert_null(flow_queue_open(rels, 1000, "/dev/null/x", 1000, &progress, &err));
    assert_int_equal(err.cls, ERR_IO);
}

static void discard_empties_everything(void **state)
{
    (void)state;
    open_queue(10000, 1 << 30, 0);
    for (uint32_t i = 0; i < 50; i++)
        put_now(make_flow(i, 1000));
    flow_queue_discard(queue);
    assert_int_equal(flow_queue_bytes(queue), 0);
    assert_null(take());
    put_now(make_flow(7, 1000));
    Flow *flow = take();
    check_same(flow, 7, 1000);
    flow_free(flow);
}

static void settled_means_that_the_consumer_came_back(void **state)
{
    (void)state;
    open_queue(10000, 0, 0);
    assert_true(flow_queue_settled(queue));
    put_now(make_position(1));
    assert_false(flow_queue_settled(queue));
    flow_free(take());
    assert_false(flow_queue_settled(queue)); /* it may still be at work on it */
    assert_null(take());
    assert_true(flow_queue_settled(queue));
}

static void take_waits_and_wakes(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    Flow *flow = NULL;
    open_queue(10000, 0, 0);
    int64_t start = clock_now_us();
    assert_int_equal(flow_queue_take(queue, &flow, start + 30000, &err), QUEUE_EMPTY);
    assert_true(clock_now_us() - start >= 30000);
    flow_queue_wake(queue);
    assert_int_equal(flow_queue_take(queue, &flow, CLOCK_NEVER, &err), QUEUE_EMPTY);
}

static void *wake_later(void *arg)
{
    (void)arg;
    usleep(20000);
    flow_queue_wake(queue);
    return NULL;
}

static void a_waiting_consumer_is_woken(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    Flow *flow = NULL;
    pthread_t thread;
    open_queue(10000, 0, 0);
    pthread_create(&thread, NULL, wake_later, NULL);
    assert_int_equal(flow_queue_take(queue, &flow, CLOCK_NEVER, &err), QUEUE_EMPTY);
    pthread_join(thread, NULL);
}

#define MANY 3000

static void *produce(void *arg)
{
    (void)arg;
    struct pollfd fd = {.fd = flow_queue_room_fd(queue), .events = POLLIN};
    for (uint32_t n = 0; n < MANY; n++) {
        Flow *flow = make_flow(n, n % 500);
        Error err = ERROR_INIT;
        for (;;) {
            QueueResult result = flow_queue_try_put(queue, &flow, &err);
            if (result == QUEUE_OK)
                break;
            if (result == QUEUE_CLOSED)
                return (void *)1;
            poll(&fd, 1, 1);
        }
    }
    return NULL;
}

static void run_two_threads(size_t memory, int64_t spill_limit, int64_t patience_us)
{
    pthread_t thread;
    void *failed = NULL;
    open_queue(memory, spill_limit, patience_us);
    pthread_create(&thread, NULL, produce, NULL);
    for (uint32_t n = 0; n < MANY; n++) {
        Error err = ERROR_INIT;
        Flow *flow = NULL;
        int64_t deadline = clock_now_us() + 20000000;
        assert_int_equal(flow_queue_take(queue, &flow, deadline, &err), QUEUE_OK);
        assert_int_equal(flow->xid, n);
        if (n % 100 == 0) {
            check_same(flow, n, n % 500);
            usleep(500);
        }
        flow_free(flow);
    }
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(flow_queue_bytes(queue), 0);
}

static void two_threads_in_memory(void **state)
{
    (void)state;
    run_two_threads(100000, 0, 0);
}

static void two_threads_over_the_disk(void **state)
{
    (void)state;
    run_two_threads(20000, 200000, 0);
}

static void two_threads_with_little_patience(void **state)
{
    (void)state;
    run_two_threads(50000, 1 << 30, 200);
}

static void damaged_bytes_are_no_flow(void **state)
{
    (void)state;
    CLEANUP_BUF Buf buf = BUF_INIT;
    Flow *flow = make_flow(1, 10), *back;
    flow_codec_write(flow, &buf);
    flow_free(flow);
    for (size_t len = 0; len <= buf.len; len++) {
        Arena *arena = arena_new(0);
        char *bytes = arena_dup(arena, buf.data, len);
        Error err = ERROR_INIT;
        assert_int_equal(flow_codec_read(rels, bytes, len, arena, &back, &err), len == buf.len);
        arena_free(arena);
    }
    buf_putc(&buf, 'x');
    for (size_t at = 0; at < buf.len; at++) {
        Arena *arena = arena_new(0);
        char *bytes = arena_dup(arena, buf.data, buf.len);
        Error err = ERROR_INIT;
        bytes[at] = (char)0xff;
        (void)!flow_codec_read(rels, bytes, buf.len - 1, arena, &back, &err);
        assert_false(flow_codec_read(rels, buf.data, buf.len, arena, &back, &err));
        arena_free(arena);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_is_bounded_and_room_is_told),
        TEST(order_is_kept_over_the_disk),
        TEST(the_spill_limit_is_back_pressure),
        TEST(a_consumer_that_moves_is_waited_for),
        TEST(a_full_disk_is_an_error),
        TEST(damage_on_disk_ends_it),
        TEST(a_wrong_directory_is_refused),
        TEST(discard_empties_everything),
        TEST(settled_means_that_the_consumer_came_back),
        TEST(take_waits_and_wakes),
        TEST(a_waiting_consumer_is_woken),
        TEST(two_threads_in_memory),
        TEST(two_threads_over_the_disk),
        TEST(two_threads_with_little_patience),
        TEST(damaged_bytes_are_no_flow),
    };
    return cmocka_run_group_tests_name("flow_queue", tests, NULL, NULL);
}
