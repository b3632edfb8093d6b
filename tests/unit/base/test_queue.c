/* Bounded queue: bounds, order, closing, waiting, the room fd, many threads (run it under TSan
 * too). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bascule/base/clock.h"
#include "bascule/base/queue.h"

static int items[100];

static bool has_room(Queue *queue)
{
    struct pollfd fd = {.fd = queue_room_fd(queue), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void in_order_and_bounded_by_items(void **state)
{
    (void)state;
    Queue *queue = queue_new(3, 1000);
    void *out;
    assert_int_equal(queue_take(queue, &out, 0), QUEUE_EMPTY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(queue_try_put(queue, &items[i], 10), QUEUE_OK);
    assert_int_equal(queue_try_put(queue, &items[3], 0), QUEUE_FULL);
    assert_int_equal(queue_items(queue), 3);
    assert_int_equal(queue_bytes(queue), 30);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(queue_take(queue, &out, 0), QUEUE_OK);
        assert_ptr_equal(out, &items[i]);
    }
    assert_int_equal(queue_bytes(queue), 0);
    queue_free(queue, NULL);
    queue_free(NULL, NULL);
}

static void bounded_by_bytes(void **state)
{
    (void)state;
    Queue *queue = queue_new(100, 100);
    void *out;
    assert_int_equal(queue_try_put(queue, &items[0], 60), QUEUE_OK);
    assert_int_equal(queue_try_put(queue, &items[1], 41), QUEUE_FULL);
    assert_int_equal(queue_try_put(queue, &items[1], 40), QUEUE_OK);
    assert_int_equal(queue_try_put(queue, &items[2], 1), QUEUE_FULL);
    assert_int_equal(queue_take(queue, &out, 0), QUEUE_OK);
    assert_int_equal(queue_take(queue, &out, 0), QUEUE_OK);
    /* larger than the bound: alone it may pass */
    assert_int_equal(queue_try_put(queue, &items[3], 5000), QUEUE_OK);
    assert_int_equal(queue_try_put(queue, &items[4], 1), QUEUE_FULL);
    queue_free(queue, NULL);
}

static void ring_wraps_and_grows(void **state)
{
    (void)state;
    Queue *queue = queue_new(1000, 1 << 20);
    intptr_t put = 1, taken = 1;
    void *out;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 7 + round / 20; i++, put++)
            assert_int_equal(queue_try_put(queue, (void *)put, 1), QUEUE_OK);
        for (int i = 0; i < 7; i++, taken++) {
            assert_int_equal(queue_take(queue, &out, 0), QUEUE_OK);
            assert_int_equal((intptr_t)out, taken);
        }
    }
    while (queue_take(queue, &out, 0) == QUEUE_OK)
        assert_int_equal((intptr_t)out, taken++);
    assert_int_equal(put, taken);
    queue_free(queue, NULL);
}

static int dropped;
static void drop(void *item)
{
    (void)item;
    dropped++;
}

static void close_drains_then_ends(void **state)
{
    (void)state;
    Queue *queue = queue_new(10, 10);
    void *out;
    assert_int_equal(queue_try_put(queue, &items[0], 1), QUEUE_OK);
    assert_int_equal(queue_try_put(queue, &items[1], 1), QUEUE_OK);
    assert_int_equal(queue_try_put(queue, &items[2], 1), QUEUE_OK);
    queue_close(queue);
    assert_int_equal(queue_try_put(queue, &items[3], 1), QUEUE_CLOSED);
    assert_int_equal(queue_put(queue, &items[3], 1, CLOCK_NEVER), QUEUE_CLOSED);
    assert_int_equal(queue_take(queue, &out, CLOCK_NEVER), QUEUE_OK);
    dropped = 0;
    queue_free(queue, drop);
    assert_int_equal(dropped, 2);

    queue = queue_new(1, 1);
    queue_close(queue);
    assert_int_equal(queue_take(queue, &out, CLOCK_NEVER), QUEUE_CLOSED);
    queue_free(queue, drop);
}

static void deadlines(void **state)
{
    (void)state;
    Queue *queue = queue_new(1, 100);
    void *out;
    int64_t start = clock_now_us();
    assert_int_equal(queue_take(queue, &out, start + 20000), QUEUE_EMPTY);
    assert_true(clock_now_us() >= start + 20000);
    assert_int_equal(queue_put(queue, &items[0], 1, CLOCK_NEVER), QUEUE_OK);
    start = clock_now_us();
    assert_int_equal(queue_put(queue, &items[0], 1, start + 20000), QUEUE_FULL);
    assert_true(clock_now_us() >= start + 20000);
    queue_free(queue, NULL);
}

static void room_fd_follows_the_state(void **state)
{
    (void)state;
    Queue *queue = queue_new(2, 100);
    void *out;
    assert_true(has_room(queue));
    assert_true(has_room(queue)); /* level, not edge */
    queue_try_put(queue, &items[0], 10);
    assert_true(has_room(queue));
    queue_try_put(queue, &items[1], 10);
    assert_false(has_room(queue));
    assert_false(has_room(queue));
    queue_take(queue, &out, 0);
    assert_true(has_room(queue));
    queue_try_put(queue, &items[1], 90);
    assert_false(has_room(queue));
    queue_close(queue); /* so that the producer comes and sees it */
    assert_true(has_room(queue));
    queue_free(queue, NULL);
}

static void room_fd_knows_what_was_refused(void **state)
{
    (void)state;
    Queue *queue = queue_new(10, 100);
    void *out;
    queue_try_put(queue, &items[0], 30);
    queue_try_put(queue, &items[1], 30);
    assert_true(has_room(queue));
    assert_int_equal(queue_try_put(queue, &items[2], 80), QUEUE_FULL);
    /* room for something, not for what is waiting: a producer that polls must not spin */
    assert_false(has_room(queue));
    queue_take(queue, &out, 0);
    assert_false(has_room(queue));
    queue_take(queue, &out, 0);
    assert_true(has_room(queue));
    assert_int_equal(queue_try_put(queue, &items[2], 80), QUEUE_OK);
    assert_true(has_room(queue));
    queue_free(queue, NULL);
}

static void room_fd_of_a_full_queue(void **state)
{
    (void)state;
    Queue *queue = queue_new(1, 100);
    queue_try_put(queue, &items[0], 1);
    assert_false(has_room(queue));
    queue_free(queue, NULL);
}

/* Many threads: everything arrives exactly once, each producer's items in order. */
enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 3000 };

typedef struct Message {
    int producer, number;
} Message;

static Queue *shared;
static atomic_int received[PRODUCERS];
static atomic_int out_of_order;

static void *produce(void *arg)
{
    int producer = (int)(intptr_t)arg;
    for (int i = 0; i < EACH; i++) {
        Message *message = malloc(sizeof *message);
        *message = (Message){producer, i};
        QueueResult result = QUEUE_FULL;
        while (result == QUEUE_FULL) {
            if (producer == 0) { /* this one polls */
                struct pollfd fd = {.fd = queue_room_fd(shared), .events = POLLIN};
                poll(&fd, 1, 1000);
                result = queue_try_put(shared, message, (size_t)(i % 50));
            } else {
                result = queue_put(shared, message, (size_t)(i % 50), clock_now_us() + 1000);
            }
        }
    }
    return NULL;
}

static void *consume(void *arg)
{
    int last[PRODUCERS] = {-1, -1, -1};
    void *item;
    (void)arg;
    while (queue_take(shared, &item, CLOCK_NEVER) == QUEUE_OK) {
        Message *message = item;
        if (message->number <= last[message->producer])
            atomic_fetch_add(&out_of_order, 1);
        last[message->producer] = message->number;
        atomic_fetch_add(&received[message->producer], 1);
        free(message);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    shared = queue_new(20, 200);
    for (intptr_t i = 0; i < CONSUMERS; i++)
        pthread_create(&consumers[i], NULL, consume, NULL);
    for (intptr_t i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, produce, (void *)i);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    queue_close(shared);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(atomic_load(&received[i]), EACH);
    assert_int_equal(atomic_load(&out_of_order), 0);
    assert_int_equal(queue_items(shared), 0);
    assert_int_equal(queue_bytes(shared), 0);
    queue_free(shared, NULL);
}

static void *put_waiting(void *arg)
{
    return (void *)(intptr_t)queue_put(arg, &items[1], 1, CLOCK_NEVER);
}

static void *take_waiting(void *arg)
{
    void *out;
    return (void *)(intptr_t)queue_take(arg, &out, CLOCK_NEVER);
}

static void close_wakes_waiters(void **state)
{
    (void)state;
    Queue *full = queue_new(1, 1), *empty = queue_new(1, 1);
    pthread_t putter, taker;
    void *result;
    queue_try_put(full, &items[0], 1);
    pthread_create(&putter, NULL, put_waiting, full);
    pthread_create(&taker, NULL, take_waiting, empty);
    queue_close(full);
    queue_close(empty);
    pthread_join(putter, &result);
    assert_int_equal((intptr_t)result, QUEUE_CLOSED);
    pthread_join(taker, &result);
    assert_int_equal((intptr_t)result, QUEUE_CLOSED);
    queue_free(full, NULL);
    queue_free(empty, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_bounded_by_items),
        cmocka_unit_test(bounded_by_bytes),
        cmocka_unit_test(ring_wraps_and_grows),
        cmocka_unit_test(close_drains_then_ends),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(room_fd_follows_the_state),
        cmocka_unit_test(room_fd_knows_what_was_refused),
        cmocka_unit_test(room_fd_of_a_full_queue),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(close_wakes_waiters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
