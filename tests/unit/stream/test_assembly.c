/* assembly: what becomes a flow, what does not, and orders that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../wire/fixture.h"
#include "stream/assembly.h"

static Relations *rels;
static Assembly assembly;
static Buf seen;

static int setup(void **state)
{
    (void)state;
    rels = fixture_relations();
    assembly_init(&assembly, 100000, 100);
    seen = BUF_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assembly_done(&assembly);
    assembly_done(&assembly);
    fixture_free(rels);
    buf_done(&seen);
    return 0;
}

/* Adds; what comes out is written to `seen`. Returns the error's message or NULL. */
static const char *add(Decoded decoded)
{
    static Error err;
    Flow *flow = NULL;
    if (!assembly_add(&assembly, &decoded, &flow, &err))
        return err.message;
    if (flow != NULL) {
        assert_int_equal(flow->kind, FLOW_PART);
        assert_true(flow->bytes >= sizeof(Flow));
        int64_t n = 0;
        for (Change *change = flow->first; change != NULL; change = change->next)
            n++;
        assert_int_equal(n, flow->change_count);
        fixture_put_flow(&seen, flow);
        buf_printf(&seen, "%s", flow->ends ? "" : "(more)\n");
        flow_free(flow);
    }
    return NULL;
}

static const char *begin(Lsn commit_lsn)
{
    return add(
        (Decoded){.kind = DECODED_BEGIN, .xid = 5, .commit_lsn = commit_lsn, .commit_time_us = 9});
}

static const char *commit(Lsn commit_lsn, Lsn end_lsn)
{
    return add((Decoded){.kind = DECODED_COMMIT, .commit_lsn = commit_lsn, .end_lsn = end_lsn});
}

static const char *change(Change model)
{
    Change *copy = arena_new_object(assembly_arena(&assembly), Change);
    *copy = model;
    return add((Decoded){.kind = DECODED_CHANGE, .change = copy});
}

static const char *insert(size_t bytes)
{
    Arena *arena = assembly_arena(&assembly);
    Relation *rel = fixture_find(rels, "par");
    Value *values = arena_new_array(arena, Value, 2);
    arena_bytes_alloc(arena, bytes);
    return change((Change){.kind = CHANGE_INSERT, .rel = rel, .new_values = values});
}

static const char *truncate(const char *table)
{
    Relation **all = arena_new_array(assembly_arena(&assembly), Relation *, 1);
    all[0] = fixture_find(rels, table);
    return change((Change){.kind = CHANGE_TRUNCATE, .truncated = all, .truncated_count = 1});
}

static void a_small_transaction_is_one_part(void **state)
{
    (void)state;
    begin(100);
    insert(1);
    insert(1);
    commit(100, 110);
    assert_string_equal(buf_str(&seen), "BEGIN xid=5 commit=0/64 time=9\n"
                                        "INSERT public.par NEW id=null p=null\n"
                                        "INSERT public.par NEW id=null p=null\nEND 0/6E\n");
}

static void a_large_one_is_cut(void **state)
{
    (void)state;
    begin(100);
    insert(200000);
    insert(1);
    insert(200000);
    commit(100, 110);
    assert_string_equal(buf_str(&seen), "BEGIN xid=5 commit=0/64 time=9\n"
                                        "INSERT public.par NEW id=null p=null\n(more)\n"
                                        "INSERT public.par NEW id=null p=null\n"
                                        "INSERT public.par NEW id=null p=null\n(more)\n"
                                        "END 0/6E\n");
}

static void a_part_is_not_cut_between_truncates(void **state)
{
    (void)state;
    begin(100);
    arena_bytes_alloc(assembly_arena(&assembly), 200000);
    truncate("two");
    truncate("plain");
    insert(1);
    truncate("par");
    truncate("two");
    truncate("par");
    commit(100, 110);
    assert_string_equal(buf_str(&seen), "BEGIN xid=5 commit=0/64 time=9\n"
                                        "TRUNCATE public.plain public.two\n"
                                        "INSERT public.par NEW id=null p=null\n(more)\n"
                                        "TRUNCATE public.two public.par\nEND 0/6E\n");
}

static Relation leaf[2], *both[] = {&leaf[0], &leaf[1]};

static const char *truncate_leaf(int n)
{
    Relation *root = fixture_find(rels, "par");
    root->is_root = true;
    root->leaves = both;
    root->leaf_count = 2;
    leaf[n].root = root;
    leaf[n].id = (uint32_t)(1000 + n);
    Relation **all = arena_new_array(assembly_arena(&assembly), Relation *, 1);
    all[0] = &leaf[n];
    return change((Change){.kind = CHANGE_TRUNCATE, .truncated = all, .truncated_count = 1});
}

static void all_leaves_are_their_root(void **state)
{
    (void)state;
    begin(100);
    truncate_leaf(1);
    truncate("two");
    truncate_leaf(0);
    truncate_leaf(1);
    insert(1);
    commit(100, 110);
    assert_string_equal(buf_str(&seen), "BEGIN xid=5 commit=0/64 time=9\n"
                                        "TRUNCATE public.two public.par\n"
                                        "INSERT public.par NEW id=null p=null\nEND 0/6E\n");
}

static void one_leaf_suspends_its_root(void **state)
{
    (void)state;
    begin(100);
    truncate_leaf(1);
    truncate("two");
    assert_non_null(commit(100, 110)); /* one table alone cannot be left out */
    assembly_done(&assembly);
    assembly_init(&assembly, 100000, 100);
    assembly.may_suspend = true;
    begin(100);
    truncate_leaf(1);
    truncate_leaf(1);
    truncate("two");
    assert_null(commit(100, 110));
    assert_true(fixture_find(rels, "par")->unread);
    assert_non_null(strstr(buf_str(&seen), "TRUNCATE public.two\n"));
    assert_non_null(strstr(buf_str(&seen), "SUSPEND public.par"));
}

static void empty_transactions_make_nothing(void **state)
{
    (void)state;
    for (Lsn lsn = 100; lsn < 1000; lsn += 10) {
        assert_null(begin(lsn));
        assert_null(add((Decoded){.kind = DECODED_NOTHING}));
        assert_null(commit(lsn, lsn + 10));
    }
    assert_string_equal(buf_str(&seen), "");
}

static void messages_without_meaning_stay_bounded(void **state)
{
    (void)state;
    begin(100);
    for (int i = 0; i < 100; i++) {
        arena_bytes_alloc(assembly_arena(&assembly), 50000);
        add((Decoded){.kind = DECODED_NOTHING});
        assert_true(arena_bytes(assembly_arena(&assembly)) < 300000);
    }
    insert(1);
    for (int i = 0; i < 100; i++) {
        arena_bytes_alloc(assembly_arena(&assembly), 50000);
        add((Decoded){.kind = DECODED_NOTHING});
        assert_true(arena_bytes(assembly_arena(&assembly)) < 300000);
    }
    commit(100, 110);
    assert_string_equal(buf_str(&seen), "BEGIN xid=5 commit=0/64 time=9\n"
                                        "INSERT public.par NEW id=null p=null\n(more)\nEND 0/6E\n");
}

static void only_our_messages_pass(void **state)
{
    (void)state;
    Value content = {.data = "x", .len = 1, .kind = VALUE_TEXT};
    begin(100);
    change((Change){.kind = CHANGE_MESSAGE, .prefix = "other", .content = content});
    change((Change){.kind = CHANGE_MESSAGE, .prefix = "bascule2", .content = content});
    commit(100, 110);
    assert_string_equal(buf_str(&seen), "");
    begin(110);
    change((Change){.kind = CHANGE_MESSAGE, .prefix = "bascule", .content = content});
    commit(110, 120);
    assert_string_equal(buf_str(&seen), "BEGIN xid=5 commit=0/6E time=9\nMESSAGE bascule 'x'\n"
                                        "END 0/78\n");
    assert_null(add((Decoded){.kind = DECODED_MESSAGE})); /* outside any transaction */
}

static void what_lies_before_the_start_is_skipped(void **state)
{
    (void)state;
    begin(99);
    insert(200000);
    insert(1);
    commit(99, 100);
    assert_string_equal(buf_str(&seen), "");
    begin(100);
    insert(1);
    commit(100, 101);
    assert_non_null(strstr(buf_str(&seen), "END 0/65"));
}

static void impossible_orders(void **state)
{
    (void)state;
    assert_string_equal(commit(100, 110), "the stream brought a commit without a transaction");
    assert_string_equal(insert(1), "the stream brought a change outside any transaction");
    assert_null(begin(100));
    assert_string_equal(begin(100), "the stream brought a begin inside a transaction");
    static const char EXPECTED[] =
        "the stream brought a commit whose position does not fit its begin";
    assert_string_equal(commit(101, 110), EXPECTED);
    assert_string_equal(commit(100, 100), EXPECTED);
    assert_null(commit(100, 101));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_small_transaction_is_one_part),
        TEST(a_large_one_is_cut),
        TEST(a_part_is_not_cut_between_truncates),
        TEST(all_leaves_are_their_root),
        TEST(one_leaf_suspends_its_root),
        TEST(empty_transactions_make_nothing),
        TEST(messages_without_meaning_stay_bounded),
        TEST(only_our_messages_pass),
        TEST(what_lies_before_the_start_is_skipped),
        TEST(impossible_orders),
    };
    return cmocka_run_group_tests_name("assembly", tests, NULL, NULL);
}
