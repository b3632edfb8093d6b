/* keylog: no changed key is ever forgotten, whatever is cut, proved, damaged, or killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verify/keylog.h"
#include "verify/keylog_file.h"
#include "verify/keyset.h"

#define TABLES 3
#define KEYS   400

static char directory[64];
static Keylog *keylog;
static Arena *arena;
static Lsn lsn;
static Relation tables[TABLES + 1]; /* the last has no key */
static Column columns[2] = {{.name = "a", .attnum = 1}, {.name = "b", .attnum = 2}};
static int first_column[2] = {0, 1};

static Keylog *reopen_with(size_t memory, int64_t disk)
{
    Error err = ERROR_INIT;
    KeylogSpec spec = {
        .directory = directory, .memory_bytes = memory, .disk_bytes = disk, .segment_bytes = 4096};
    Keylog *log = keylog_open(&spec, &err);
    assert_non_null(log);
    return log;
}

static int setup(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_keylog_XXXXXX");
    assert_non_null(mkdtemp(directory));
    for (int i = 0; i <= TABLES; i++)
        tables[i] = (Relation){.id = (uint32_t)i,
                               .oid = 5000 + (uint32_t)i,
                               .display = "public.t",
                               .column_count = 2,
                               .columns = columns,
                               .key = first_column,
                               .key_count = i == TABLES ? 0 : 1};
    arena = arena_new(0);
    keylog = reopen_with(0, 0);
    lsn = 1000;
    assert_int_equal(keylog_begin(keylog, lsn, LSN_UNKNOWN), lsn);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    keylog_close(keylog);
    arena_free(arena);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static Value *row(int key)
{
    char text[16];
    Value *values = arena_new_array(arena, Value, 2);
    int len = snprintf(text, sizeof text, "%d", key);
    values[0] = (Value){
        .data = arena_dup(arena, text, (size_t)len), .len = (uint32_t)len, .kind = VALUE_TEXT};
    values[1] = (Value){.kind = VALUE_NULL};
    return values;
}

static void note(Change *change)
{
    Flow flow = {.kind = FLOW_PART, .begins = true, .ends = true, .first = change, .last = change};
    flow.commit_lsn = lsn;
    flow.end_lsn = lsn += 8;
    flow.change_count = 1;
    keylog_note(keylog, &flow);
}

static void insert(int table, int key)
{
    Change change = {.kind = CHANGE_INSERT, .rel = &tables[table], .new_values = row(key)};
    note(&change);
}

typedef struct Seen {
    int count[TABLES + 1][KEYS];
} Seen;

static bool see(void *arg, uint32_t oid, const char *key, size_t len, Error *err)
{
    Seen *seen = arg;
    Value value;
    char text[16];
    assert_in_range(oid, 5000, 5000 + TABLES);
    assert_true(keylog_key_values(&tables[oid - 5000], key, len, &value, err));
    snprintf(text, sizeof text, "%.*s", (int)value.len, value.data);
    assert_in_range(atoi(text), 0, KEYS - 1);
    seen->count[oid - 5000][atoi(text)]++;
    return true;
}

/* What is open up to now. */
static Seen read_open(void)
{
    Seen seen = {0};
    Error err = ERROR_INIT;
    int64_t segment;
    keylog_cut(keylog, false, &segment);
    assert_true(keylog_read(keylog, 0, segment, see, &seen, &err));
    return seen;
}

static void reopen(bool flushed)
{
    if (flushed)
        keylog_sync(keylog);
    keylog_close(keylog);
    keylog = reopen_with(0, 0);
}

static KeylogTable look(int table)
{
    KeylogTable out;
    keylog_table(keylog, &tables[table], &out);
    return out;
}

static void a_key_is_noted_once_between_two_cuts(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        for (int key = 0; key < 20; key++)
            insert(0, key);
    assert_int_equal(look(0).open_keys, 20);
    Seen seen = read_open();
    for (int key = 0; key < 20; key++)
        assert_int_equal(seen.count[0][key], 1);
    insert(0, 7); /* behind the cut: noted again */
    assert_int_equal(look(0).open_keys, 21);
    assert_int_equal(read_open().count[0][7], 2);
}

static void an_update_of_a_key_notes_both(void **state)
{
    (void)state;
    Change change = {
        .kind = CHANGE_UPDATE, .rel = &tables[1], .new_values = row(2), .old_values = row(1)};
    note(&change);
    Change gone = {.kind = CHANGE_DELETE, .rel = &tables[1], .old_values = row(3)};
    note(&gone);
    Seen seen = read_open();
    assert_int_equal(seen.count[1][1] + seen.count[1][2] + seen.count[1][3], 3);
}

static void what_came_before_the_copy_is_left_out(void **state)
{
    (void)state;
    tables[0].start_lsn = lsn + 1;
    insert(0, 1);
    insert(0, 2);
    Seen seen = read_open();
    assert_int_equal(seen.count[0][1], 0);
    assert_int_equal(seen.count[0][2], 1);
}

static void a_floor_closes_what_was_before_the_cut(void **state)
{
    (void)state;
    int64_t segment;
    insert(0, 1);
    insert(1, 1);
    keylog_cut(keylog, true, &segment);
    insert(0, 2);
    keylog_floor(keylog, tables[0].oid, segment);
    for (int pass = 0; pass < 2; pass++) {
        Seen seen = read_open();
        assert_int_equal(seen.count[0][1], 0);
        assert_int_equal(seen.count[0][2], 1);
        assert_int_equal(seen.count[1][1], 1);
        reopen(true);
    }
}

static void what_is_put_back_stays_open(void **state)
{
    (void)state;
    int64_t segment;
    char key[5] = {1, 0, 0, 0, '9'};
    insert(0, 9);
    keylog_cut(keylog, false, &segment);
    keylog_put_back(keylog, &tables[0], key, sizeof key);
    keylog_floor(keylog, tables[0].oid, segment);
    reopen(true);
    assert_int_equal(read_open().count[0][9], 1);
}

static void no_key_or_truncate_needs_a_whole_proof(void **state)
{
    (void)state;
    int64_t segment, later;
    Relation *truncated[] = {&tables[0]};
    assert_false(look(TABLES).whole);
    insert(TABLES, 1);
    assert_true(look(TABLES).whole);
    insert(0, 1);
    Change change = {.kind = CHANGE_TRUNCATE, .truncated = truncated, .truncated_count = 1};
    note(&change);
    insert(0, 2);
    assert_true(look(0).whole);
    assert_string_equal(look(0).why, "truncated");
    reopen(true);
    assert_true(look(0).whole && look(TABLES).whole);

    /* Read in whole: what changes meanwhile is noted again. */
    keylog_cut(keylog, true, &segment);
    insert(0, 3);
    insert(TABLES, 2);
    keylog_floor(keylog, tables[0].oid, segment);
    keylog_floor(keylog, tables[TABLES].oid, segment);
    assert_false(look(0).whole);
    assert_true(look(TABLES).whole);
    Seen seen = read_open();
    assert_int_equal(seen.count[0][1] + seen.count[0][2], 0);
    assert_int_equal(seen.count[0][3], 1);

    /* Truncated while it was read: the proof does not hold. */
    keylog_cut(keylog, true, &segment);
    note(&change);
    keylog_cut(keylog, true, &later);
    keylog_floor(keylog, tables[0].oid, segment);
    assert_true(look(0).whole);
    keylog_floor(keylog, tables[0].oid, later);
    assert_false(look(0).whole);
}

/* Nobody has proved it: nothing is noted, until somebody begins to or the stream has caught up. */
static void a_muted_table_notes_nothing_until_it_is_proved(void **state)
{
    (void)state;
    int64_t segment;
    Relation *truncated[] = {&tables[2]};
    Change change = {.kind = CHANGE_TRUNCATE, .truncated = truncated, .truncated_count = 1};
    for (int i = 0; i <= TABLES; i++)
        keylog_mute(keylog, tables[i].oid);
    insert(0, 1);
    insert(TABLES, 1);
    note(&change);
    assert_true(look(0).muted && !look(0).whole);
    assert_true(look(2).whole && look(TABLES).whole);
    keylog_unmute(keylog);
    assert_false(look(0).muted);
    insert(0, 2);
    keylog_mute(keylog, tables[0].oid);
    insert(0, 3);
    keylog_cut(keylog, true, &segment);
    keylog_mute(keylog, tables[0].oid); /* a proof is on its way: refused */
    insert(0, 4);
    assert_false(look(0).muted);
    Seen seen = read_open();
    assert_int_equal(seen.count[0][1] + seen.count[0][3], 0);
    assert_int_equal(seen.count[0][2] + seen.count[0][4], 2);
    keylog_floor(keylog, tables[0].oid, segment);
    assert_false(look(0).whole);
    assert_int_equal(look(0).open_keys, 1);
}

/* A cut of before, of an earlier process: what lies behind it is not complete. */
static void a_proof_from_before_a_mute_does_not_hold(void **state)
{
    (void)state;
    int64_t segment;
    keylog_cut(keylog, true, &segment);
    insert(0, 1);
    reopen(true);
    keylog_mute(keylog, tables[0].oid);
    insert(0, 2);
    keylog_unmute(keylog);
    insert(0, 3);
    keylog_floor(keylog, tables[0].oid, segment);
    assert_true(look(0).whole);
    keylog_cut(keylog, true, &segment);
    keylog_floor(keylog, tables[0].oid, segment);
    assert_false(look(0).whole);
}

static void a_key_of_another_shape_needs_a_whole_proof(void **state)
{
    (void)state;
    insert(0, 1);
    reopen(true);
    tables[0].key_count = 2;
    assert_true(look(0).whole);
    Value *values = row(1);
    values[1] = values[0];
    Change change = {.kind = CHANGE_INSERT, .rel = &tables[0], .new_values = values};
    note(&change);
    assert_true(look(0).whole);
}

static void the_stream_begins_where_the_log_ends(void **state)
{
    (void)state;
    char id[KEYLOG_ID_SIZE];
    strcpy(id, keylog_id(keylog));
    insert(0, 1);
    keylog_sync(keylog);
    Lsn flushed = lsn;
    assert_int_equal(keylog_durable_lsn(keylog), flushed);
    insert(0, 2); /* lost with the process */
    reopen(false);
    assert_int_equal(keylog_begin(keylog, lsn, flushed), flushed);
    assert_string_equal(keylog_id(keylog), id);
    assert_int_equal(read_open().count[0][1], 1);
    /* The target is behind: it decides. */
    assert_int_equal(keylog_begin(keylog, flushed - 8, flushed - 8), flushed - 8);
    /* The source forgot what the log lacks: begun anew, and proofs of the old id are void. */
    assert_int_equal(keylog_begin(keylog, lsn, flushed + 1), lsn);
    assert_string_not_equal(keylog_id(keylog), id);
    assert_int_equal(look(0).open_keys, 0);
}

/* A table was copied again, and the stream is turned back to where its copy was taken: what comes now was
 * never noted, whatever position the log had come to before. */
static void a_stream_turned_back_is_not_taken_as_noted(void **state)
{
    (void)state;
    char id[KEYLOG_ID_SIZE];
    strcpy(id, keylog_id(keylog));
    Lsn back = lsn;
    for (int key = 0; key < 10; key++)
        insert(0, key);
    keylog_sync(keylog);
    assert_int_equal(keylog_begin(keylog, back, back), back);
    lsn = back;
    insert(1, 1);
    Lsn applied = lsn;
    assert_true(keylog_durable_lsn(keylog) < applied); /* else the slot would be told */
    reopen(false);                                     /* killed; the applier had committed */
    assert_true(keylog_begin(keylog, applied, back) <= back);
    assert_string_equal(keylog_id(keylog), id);
    assert_int_equal(read_open().count[0][5], 1);
}

/* Its mark stands in a segment that stays, the end of the mark in one that is emptied. */
static void a_proved_table_notes_on_after_a_restart(void **state)
{
    (void)state;
    int64_t segment, later;
    insert(1, 1);
    keylog_mark_whole(keylog, tables[0].oid, "test");
    keylog_cut(keylog, false, &segment);
    insert(0, 1); /* silent */
    keylog_cut(keylog, true, &segment);
    insert(0, 2);
    keylog_floor(keylog, tables[0].oid, segment);
    keylog_sync(keylog);
    keylog_cut(keylog, false, &later);
    keylog_sync(keylog);
    keylog_sync(keylog);
    assert_false(look(0).whole);
    reopen(true);
    keylog_begin(keylog, lsn, lsn);
    insert(0, 3);
    Seen seen = read_open();
    assert_true(look(0).whole || seen.count[0][3] > 0);
    assert_int_equal(seen.count[1][1], 1);
}

static char *file_of(int number, char out[128])
{
    snprintf(out, 128, "%s/keys-%016d.log", directory, number);
    return out;
}

static void fill_segments(void)
{
    int64_t segment;
    for (int i = 0; i < 3; i++) {
        insert(0, i);
        keylog_cut(keylog, false, &segment);
    }
    keylog_sync(keylog);
}

static void a_torn_end_is_cut_off(void **state)
{
    (void)state;
    char name[128], id[KEYLOG_ID_SIZE];
    insert(0, 1);
    keylog_sync(keylog);
    Lsn before = lsn;
    insert(0, 2);
    keylog_sync(keylog);
    strcpy(id, keylog_id(keylog));
    keylog_close(keylog);
    struct stat st;
    assert_int_equal(stat(file_of(1, name), &st), 0);
    assert_int_equal(truncate(name, st.st_size - 1), 0);
    keylog = reopen_with(0, 0);
    assert_string_equal(keylog_id(keylog), id);
    assert_int_equal(keylog_begin(keylog, lsn, before), before);
    Seen seen = read_open();
    assert_int_equal(seen.count[0][1], 1);
    assert_int_equal(seen.count[0][2], 0);
}

/* A machine that lost its power may have written a later segment and not the end of an earlier one. */
static void a_segment_that_lost_its_last_frame_begins_anew(void **state)
{
    (void)state;
    char name[128], id[KEYLOG_ID_SIZE];
    struct stat st;
    for (int later = 1; later <= 2; later++) {
        int64_t segment;
        keylog_cut(keylog, false, &segment);
        insert(0, 1);
        keylog_sync(keylog);
        assert_int_equal(stat(file_of((int)segment, name), &st), 0);
        insert(0, 2);
        for (int i = 0; i < later; i++) {
            keylog_cut(keylog, false, &segment);
            insert(0, 3);
        }
        keylog_sync(keylog);
        strcpy(id, keylog_id(keylog));
        keylog_close(keylog);
        assert_int_equal(truncate(name, st.st_size), 0); /* exactly between two frames */
        keylog = reopen_with(0, 0);
        assert_string_not_equal(keylog_id(keylog), id);
        assert_int_equal(keylog_begin(keylog, lsn, LSN_UNKNOWN), lsn);
    }
}

static void damage_begins_anew(void **state)
{
    (void)state;
    char name[128], id[KEYLOG_ID_SIZE];
    for (int way = 0; way < 3; way++) {
        fill_segments();
        strcpy(id, keylog_id(keylog));
        keylog_close(keylog);
        if (way == 0) { /* a flipped bit in the middle */
            int fd = open(file_of(2, name), O_RDWR);
            assert_true(fd >= 0);
            assert_int_equal(pwrite(fd, "\377", 1, 80), 1);
            close(fd);
        } else if (way == 1) {
            assert_int_equal(unlink(file_of(2, name)), 0);
        } else {
            assert_int_equal(truncate(file_of(1, name), 10), 0);
        }
        keylog = reopen_with(0, 0);
        assert_string_not_equal(keylog_id(keylog), id);
        assert_int_equal(keylog_begin(keylog, lsn, LSN_UNKNOWN), lsn);
        assert_int_equal(look(0).open_keys, 0);
    }
}

static void too_many_keys_mark_the_largest_table(void **state)
{
    (void)state;
    keylog_close(keylog);
    keylog = reopen_with(0, 64 * 1024);
    keylog_begin(keylog, lsn, LSN_UNKNOWN);
    insert(1, 1);
    char text[32];
    for (int i = 0; i < 40000; i++) {
        Value values[2] = {{.data = text, .kind = VALUE_TEXT}, {.kind = VALUE_NULL}};
        values[0].len = (uint32_t)snprintf(text, sizeof text, "k%d", i);
        Change change = {.kind = CHANGE_INSERT, .rel = &tables[0], .new_values = values};
        note(&change);
        if (i % 1000 == 0)
            keylog_sync(keylog);
    }
    int64_t keys, memory, disk;
    keylog_sync(keylog);
    keylog_sync(keylog);
    assert_true(look(0).whole);
    assert_string_equal(look(0).why, "more keys changed than keys.disk_limit holds");
    assert_false(look(1).whole);
    assert_int_equal(read_open().count[1][1], 1);
    keylog_figures(keylog, &keys, &memory, &disk);
    assert_int_equal(keys, 1);
    assert_true(disk < 2 * 64 * 1024);
}

static bool count_key(void *arg, uint32_t oid, const char *key, size_t len, Error *err)
{
    char *seen = arg;
    (void)oid, (void)err;
    assert_true(len > 5 && key[4] == 'k');
    seen[atoi(key + 5)] = 1;
    return true;
}

static void memory_is_bounded(void **state)
{
    (void)state;
    enum { MANY = 300000 };
    static char seen[MANY];
    Error err = ERROR_INIT;
    keylog_close(keylog);
    keylog = reopen_with(1 << 20, 1 << 30);
    keylog_begin(keylog, lsn, LSN_UNKNOWN);
    char text[32];
    for (int twice = 0; twice < 2; twice++)
        for (int i = 0; i < MANY; i++) {
            Value values[2] = {{.data = text, .kind = VALUE_TEXT}, {.kind = VALUE_NULL}};
            values[0].len = (uint32_t)snprintf(text, sizeof text, "k%06d", i);
            Change change = {.kind = CHANGE_UPDATE, .rel = &tables[0], .new_values = values};
            note(&change);
        }
    int64_t keys, memory, disk, segment;
    keylog_figures(keylog, &keys, &memory, &disk);
    assert_true(memory <= (1 << 20) + (1 << 20));
    assert_in_range(keys, MANY, 2 * MANY);
    keylog_cut(keylog, false, &segment);
    assert_true(keylog_read(keylog, 0, segment, count_key, seen, &err));
    for (int i = 0; i < MANY; i++)
        assert_true(seen[i]);
}

/* Against a model: whatever changed since a table's last proof is open, or the table needs a whole
 * proof. Proofs of marked tables count only with a cut that was made for them. */
static void nothing_is_forgotten_whatever_happens(void **state)
{
    (void)state;
    enum { CUTS = 400 };
    static bool open[TABLES][KEYS];
    static int behind[TABLES][KEYS]; /* cuts before it changed */
    int64_t cuts[CUTS] = {0};
    int cut = 0, killed = 0, seen_whole = 0, seen_open = 0, marked[TABLES] = {0};
    srand(4711);
    for (int step = 0; step < 20000; step++) {
        int table = rand() % TABLES, key = rand() % KEYS, what = rand() % 1000;
        if (what < 850) {
            insert(table, key);
            open[table][key] = true;
            behind[table][key] = cut;
        } else if (what < 870 && cut < CUTS - 1) {
            keylog_cut(keylog, what % 2 == 0, &cuts[++cut]);
        } else if (what < 890 && cut > 0) {
            int at = 1 + cut - 1 - rand() % (cut < 4 ? cut : 4);
            keylog_floor(keylog, tables[table].oid, cuts[at]);
            for (int k = 0; k < KEYS; k++)
                open[table][k] = open[table][k] && behind[table][k] >= at;
        } else if (what < 895) {
            keylog_mark_whole(keylog, tables[table].oid, "test");
            marked[table]++;
        } else if (what < 980) {
            keylog_sync(keylog);
        } else {
            killed++;
            reopen(true);
            assert_int_equal(keylog_begin(keylog, lsn, lsn), lsn);
        }
        if (step % 50 != 49)
            continue;
        Seen seen = {0};
        Error err = ERROR_INIT;
        assert_true(keylog_read_since(keylog, INT64_MAX, see, &seen, &err)); /* writes all */
        assert_true(keylog_read(keylog, 0, INT64_MAX, see, &seen, &err));
        for (int t = 0; t < TABLES; t++) {
            bool whole = look(t).whole;
            seen_whole += whole;
            for (int k = 0; k < KEYS; k++) {
                assert_true(whole || seen.count[t][k] > 0 || !open[t][k]);
                seen_open += !whole && open[t][k];
            }
        }
    }
    assert_true(killed > 100 && cut > 200 && marked[0] > 5);
    assert_true(seen_whole > 100 && seen_open > 1000);
}

static void a_full_disk_ends_the_log_not_more(void **state)
{
    (void)state;
    char why[256];
    insert(0, 1);
    keylog_trouble(keylog, why, sizeof why);
    assert_string_equal(why, "");
    Error err = ERROR_INIT;
    assert_true(chmod(directory, 0700) == 0);
    /* Its directory is gone: no further segment can be made. */
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
    int64_t segment;
    keylog_cut(keylog, false, &segment);
    insert(0, 2);
    keylog_sync(keylog);
    keylog_trouble(keylog, why, sizeof why);
    assert_string_not_equal(why, "");
    assert_true(look(0).whole && look(1).whole);
    assert_int_equal(keylog_durable_lsn(keylog), LSN_UNKNOWN);
    Seen seen = {0};
    assert_false(keylog_read_since(keylog, 0, see, &seen, &err));
}

static void a_set_never_calls_a_new_key_seen(void **state)
{
    (void)state;
    Keyset set;
    keyset_init(&set, 64 * 1024);
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        KeyHash hash = {.lo = x, .hi = (uint64_t)i};
        assert_true(keyset_add(&set, hash));
        assert_false(keyset_add(&set, hash));
    }
    assert_true(set.forgets);
    assert_true(keyset_bytes(&set) <= 64 * 1024);
    keyset_clear(&set);
    assert_true(keyset_add(&set, (KeyHash){0, 0}));
    assert_false(keyset_add(&set, (KeyHash){0, 0}));
    keyset_done(&set);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_key_is_noted_once_between_two_cuts),
        T(an_update_of_a_key_notes_both),
        T(what_came_before_the_copy_is_left_out),
        T(a_floor_closes_what_was_before_the_cut),
        T(what_is_put_back_stays_open),
        T(no_key_or_truncate_needs_a_whole_proof),
        T(a_muted_table_notes_nothing_until_it_is_proved),
        T(a_proof_from_before_a_mute_does_not_hold),
        T(a_key_of_another_shape_needs_a_whole_proof),
        T(the_stream_begins_where_the_log_ends),
        T(a_stream_turned_back_is_not_taken_as_noted),
        T(a_proved_table_notes_on_after_a_restart),
        T(a_torn_end_is_cut_off),
        T(a_segment_that_lost_its_last_frame_begins_anew),
        T(damage_begins_anew),
        T(too_many_keys_mark_the_largest_table),
        T(memory_is_bounded),
        T(nothing_is_forgotten_whatever_happens),
        T(a_full_disk_ends_the_log_not_more),
        cmocka_unit_test(a_set_never_calls_a_new_key_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
