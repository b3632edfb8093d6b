/* slot: which plugin, what a refusal means, whom a slot waits for, what is left behind. */
#include "fake_pgconn.h"

#include "source/slot.h"

static const PgEndpoint SOURCE = {.side = "source"};

#define OK(match)                                                                                  \
    {                                                                                              \
        match, 0, 0, NULL, ERR_NONE, NULL, NULL                                                    \
    }
#define REFUSED(match)                                                                             \
    {                                                                                              \
        match, 0, 0, NULL, ERR_PRIVILEGE, "42501", "library \"wal2json\" may not be used"          \
    }
#define PROBE_BEGINS OK("client_connection_check_interval"), OK("SET lock_timeout = 5000")

static void a_refused_library(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {PROBE_BEGINS, REFUSED("TEMPORARY LOGICAL \"wal2json\"")};
    Error err = ERROR_INIT;
    FAKE_SCRIPT(SCRIPT);
    assert_false(slot_probe_plugin(&SOURCE, "wal2json", &err));
    assert_int_equal(err.cls, ERR_PLUGIN);
    assert_non_null(strstr(err_hint_of(&err),
                           "ALTER SYSTEM SET output_plugin_libraries = pgoutput, "
                           "test_decoding, wal2json; SELECT pg_reload_conf();"));
    fake_all_used();
}

static void a_library_that_is_not_installed(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {PROBE_BEGINS,
                                        {"LOGICAL \"wal2json\" NOEXPORT_SNAPSHOT", 0, 0, NULL,
                                         ERR_SQL, "58P01", "could not access file"}};
    Error err = ERROR_INIT;
    FAKE_SCRIPT(SCRIPT);
    assert_false(slot_probe_plugin(&SOURCE, "wal2json", &err));
    assert_int_equal(err.cls, ERR_PLUGIN);
    assert_non_null(strstr(err_hint_of(&err), "postgresql-15-wal2json"));
}

/* The plugin is loaded before the server waits for transactions: a timeout means that it was accepted. */
static void a_wait_means_accepted(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {
        PROBE_BEGINS,
        {"CREATE_REPLICATION_SLOT", 0, 0, NULL, ERR_LOCK_TIMEOUT, "55P03", "lock timeout"}};
    Error err = ERROR_INIT;
    FAKE_SCRIPT(SCRIPT);
    assert_true(slot_probe_plugin(&SOURCE, "wal2json", &err));
    fake_all_used();
}

static void other_errors_stay(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {
        PROBE_BEGINS,
        {"CREATE_REPLICATION_SLOT", 0, 0, NULL, ERR_RESOURCES, "53400", "all slots are in use"}};
    Error err = ERROR_INIT;
    FAKE_SCRIPT(SCRIPT);
    assert_false(slot_probe_plugin(&SOURCE, "wal2json", &err));
    assert_int_equal(err.cls, ERR_RESOURCES);
}

/* Choice ---------------------------------------------------------------------------------------- */

static Relations *one_table(Arena *arena, uint32_t type)
{
    Relations *rels = arena_new_object(arena, Relations);
    rels->count = 1;
    rels->all = arena_new_array(arena, Relation *, 1);
    rels->all[0] = arena_new_object(arena, Relation);
    rels->all[0]->display = "app.prices";
    rels->all[0]->column_count = 1;
    rels->all[0]->columns = arena_new_array(arena, Column, 1);
    rels->all[0]->columns[0].name = "price";
    rels->all[0]->columns[0].type_oid = type;
    rels->all[0]->columns[0].base_type_oid = 1700;
    return rels;
}

static void auto_prefers_wal2json_where_it_loses_nothing(void **state)
{
    (void)state;
    static const FakeAnswer PROBED[] = {PROBE_BEGINS, OK("LOGICAL \"wal2json\"")};
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    const char *plugin = NULL;
    char why[512];
    FAKE_SCRIPT(PROBED);
    /* a domain over numeric travels as a string */
    assert_true(slot_choose_plugin(&SOURCE, PLUGIN_AUTO, one_table(arena, 20000), &plugin, why,
                                   sizeof why, &err));
    assert_string_equal(plugin, "wal2json");
    fake_all_used();
    arena_free(arena);
}

static void auto_takes_pgoutput_for_numbers(void **state)
{
    (void)state;
    static const FakeAnswer PROBED[] = {PROBE_BEGINS, OK("LOGICAL \"pgoutput\"")};
    static const uint32_t TYPES[] = {700, 701, 1700};
    for (int i = 0; i < 3; i++) {
        Arena *arena = arena_new(0);
        Error err = ERROR_INIT;
        const char *plugin = NULL;
        char why[512];
        FAKE_SCRIPT(PROBED);
        assert_true(slot_choose_plugin(&SOURCE, PLUGIN_AUTO, one_table(arena, TYPES[i]), &plugin,
                                       why, sizeof why, &err));
        assert_string_equal(plugin, "pgoutput");
        assert_non_null(strstr(why, "app.prices"));
        assert_non_null(strstr(why, "'price'"));
        fake_all_used();
        arena_free(arena);
    }
}

static void auto_takes_pgoutput_where_wal2json_is_refused(void **state)
{
    (void)state;
    static const FakeAnswer PROBED[] = {PROBE_BEGINS, REFUSED("LOGICAL \"wal2json\""), PROBE_BEGINS,
                                        OK("LOGICAL \"pgoutput\"")};
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    const char *plugin = NULL;
    char why[512];
    FAKE_SCRIPT(PROBED);
    assert_true(slot_choose_plugin(&SOURCE, PLUGIN_AUTO, one_table(arena, 23), &plugin, why,
                                   sizeof why, &err));
    assert_string_equal(plugin, "pgoutput");
    assert_non_null(strstr(why, "refuses"));
    fake_all_used();
    arena_free(arena);
}

static void wal2json_by_choice_is_held_against_the_facts(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    const char *plugin = NULL;
    char why[512];
    fake_script(NULL, 0);
    assert_false(slot_choose_plugin(&SOURCE, PLUGIN_WAL2JSON, one_table(arena, 701), &plugin, why,
                                    sizeof why, &err));
    assert_int_equal(err.cls, ERR_PLUGIN);
    assert_null(plugin);
    arena_free(arena);
}

/* Creation ---------------------------------------------------------------------------------------- */

static const char *CREATED[] = {"s", "0/16B3748", "00000003-1", "pgoutput"};
static const char *EXPORTED[] = {"00000004-1"};
static const char *BLOCKERS[] = {"pid 7 (user app, database d, idle in transaction)", "125",
                                 "prepared transaction 'p' (owner x, database d)", "-1"};

static void creation_exports_through_a_holder(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {
        {"transactionid", 0, 2, NULL, ERR_NONE, NULL, NULL},
        OK("client_connection_check_interval"),
        OK("SET lock_timeout = 60000"),
        {"CREATE_REPLICATION_SLOT \"s\" LOGICAL \"pgoutput\" EXPORT_SNAPSHOT", 1, 4, CREATED,
         ERR_NONE, NULL, NULL},
        OK("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        OK("SET TRANSACTION SNAPSHOT '00000003-1'"),
        {"pg_export_snapshot", 1, 1, EXPORTED, ERR_NONE, NULL, NULL},
        OK("SELECT 1"),
    };
    Error err = ERROR_INIT;
    SlotSnapshot *snapshot;
    FAKE_SCRIPT(SCRIPT);
    assert_true(slot_create(&SOURCE, "s", "pgoutput", false, 60000000, &snapshot, &err));
    assert_int_equal(fake_open, 1); /* the walsender is not needed any more */
    assert_int_equal(slot_snapshot_lsn(snapshot), 0x16B3748);
    assert_string_equal(slot_snapshot_id(snapshot), "00000004-1");
    assert_true(slot_snapshot_check(snapshot, &err));
    slot_snapshot_free(snapshot);
    fake_all_used();
}

static void a_wait_names_whom_it_waited_for(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {
        {"transactionid", 0, 2, NULL, ERR_NONE, NULL, NULL},
        OK("client_connection_check_interval"),
        OK("SET lock_timeout = 1000"),
        {"CREATE_REPLICATION_SLOT", 0, 0, NULL, ERR_LOCK_TIMEOUT, "55P03", "lock timeout"},
        {"transactionid", 2, 2, BLOCKERS, ERR_NONE, NULL, NULL},
    };
    Error err = ERROR_INIT;
    SlotSnapshot *snapshot = NULL;
    FAKE_SCRIPT(SCRIPT);
    assert_false(slot_create(&SOURCE, "s", "pgoutput", true, 1000000, &snapshot, &err));
    assert_int_equal(err.cls, ERR_SLOT);
    assert_non_null(strstr(err.message, "pid 7 (user app"));
    assert_non_null(strstr(err.message, "2 min"));
    assert_non_null(strstr(err.message, "for unknown time"));
    assert_null(snapshot);
    fake_all_used();
}

/* The slot exists and its snapshot could not be kept: it goes. */
static void a_failed_export_drops_the_slot(void **state)
{
    (void)state;
    static const char *STATE[] = {"pgoutput", "d",  "f",        "f",   NULL, "0/1",
                                  "0/1",      "ok", "reserved", "0/2", "1",  "0/2"};
    static const FakeAnswer SCRIPT[] = {
        {"transactionid", 0, 2, NULL, ERR_NONE, NULL, NULL},
        OK("client_connection_check_interval"),
        OK("SET lock_timeout"),
        {"CREATE_REPLICATION_SLOT", 1, 4, CREATED, ERR_NONE, NULL, NULL},
        OK("BEGIN"),
        {"SET TRANSACTION SNAPSHOT", 0, 0, NULL, ERR_SQL, "22023", "invalid snapshot"},
        {"pg_replication_slots", 1, 12, STATE, ERR_NONE, NULL, NULL},
        OK("pg_drop_replication_slot"),
    };
    Error err = ERROR_INIT;
    SlotSnapshot *snapshot = NULL;
    FAKE_SCRIPT(SCRIPT);
    assert_false(slot_create(&SOURCE, "s", "pgoutput", false, 1000000, &snapshot, &err));
    assert_string_equal(err.sqlstate, "22023");
    fake_all_used();
}

static void dropping_what_is_not_there(void **state)
{
    (void)state;
    static const char *NONE[] = {NULL, NULL, NULL, NULL,  NULL, NULL,
                                 NULL, NULL, NULL, "0/2", NULL, "0/2"};
    static const FakeAnswer SCRIPT[] = {
        {"pg_replication_slots", 1, 12, NONE, ERR_NONE, NULL, NULL}};
    Error err = ERROR_INIT;
    FAKE_SCRIPT(SCRIPT);
    assert_true(slot_drop(&fake_conns[0], "s", &err));
    fake_all_used();
}

static void dropping_ends_the_holder_first(void **state)
{
    (void)state;
    static const char *HELD[] = {"pgoutput", "d",  "f",        "t",   "77", "0/1",
                                 "0/1",      "ok", "reserved", "0/2", "1",  "0/2"};
    static const FakeAnswer SCRIPT[] = {
        {"pg_replication_slots", 1, 12, HELD, ERR_NONE, NULL, NULL},
        OK("pg_terminate_backend"),
        {"pg_drop_replication_slot", 0, 0, NULL, ERR_SLOT_BUSY, "55006", "is active"},
        {"pg_replication_slots", 1, 12, HELD, ERR_NONE, NULL, NULL},
        OK("pg_terminate_backend"),
        {"pg_drop_replication_slot", 0, 0, NULL, ERR_SLOT, "42704", "does not exist"},
    };
    Error err = ERROR_INIT;
    FAKE_SCRIPT(SCRIPT);
    assert_true(slot_drop(&fake_conns[0], "s", &err));
    fake_all_used();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_library),
        cmocka_unit_test(a_library_that_is_not_installed),
        cmocka_unit_test(a_wait_means_accepted),
        cmocka_unit_test(other_errors_stay),
        cmocka_unit_test(auto_prefers_wal2json_where_it_loses_nothing),
        cmocka_unit_test(auto_takes_pgoutput_for_numbers),
        cmocka_unit_test(auto_takes_pgoutput_where_wal2json_is_refused),
        cmocka_unit_test(wal2json_by_choice_is_held_against_the_facts),
        cmocka_unit_test(creation_exports_through_a_holder),
        cmocka_unit_test(a_wait_names_whom_it_waited_for),
        cmocka_unit_test(a_failed_export_drops_the_slot),
        cmocka_unit_test(dropping_what_is_not_there),
        cmocka_unit_test(dropping_ends_the_holder_first),
    };
    return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
