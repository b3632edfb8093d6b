/*
 * The captured WAL through both decoders and the assembly: both must give the same changes, which
 * are those of wire/data/changes.txt (read by a person).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../wire/fixture.h"
#include "stream/assembly.h"

/* All captured messages as text. Large transactions in parts of part_bytes. */
static void play(const char *plugin, const Relations *rels, Lsn start_lsn, size_t part_bytes,
                 int *out_parts, Buf *out)
{
    Decoder *decoder = strcmp(plugin, "wal2json") == 0 ? wal2json_new(rels) : pgoutput_new(rels);
    Captured *captured = fixture_captured(plugin);
    Assembly assembly;
    Error err = ERROR_INIT;
    *out_parts = 0;
    assembly_init(&assembly, part_bytes, start_lsn);
    for (int i = 0; i < captured->count; i++) {
        Arena *arena = assembly_arena(&assembly);
        char *data = captured->all[i].data;
        size_t len = captured->all[i].len;
        Decoded decoded;
        Flow *flow = NULL;
        if (decoder->keeps(data, len)) {
            char *copy = arena_bytes_alloc(arena, len);
            memcpy(copy, data, len);
            data = copy;
        }
        if (!decoder->decode(decoder, data, len, arena, &decoded, &err) ||
            !assembly_add(&assembly, &decoded, &flow, &err)) {
            print_message("%s message %d: %s\n", plugin, i, err.message);
            fail();
        }
        if (flow != NULL) {
            fixture_put_flow(out, flow);
            *out_parts += 1;
            flow_free(flow);
        }
    }
    assembly_done(&assembly);
    fixture_captured_free(captured);
    decoder->free(decoder);
}

static void expected(Buf *out)
{
    FILE *file = fixture_open("changes.txt", "r");
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_put(out, chunk, n);
    fclose(file);
}

static void both_decoders_give_the_expected_changes(void **state)
{
    (void)state;
    CLEANUP_BUF Buf w = BUF_INIT, p = BUF_INIT, e = BUF_INIT;
    Relations *rels = fixture_relations();
    int parts;
    play("wal2json", rels, 1, 1 << 20, &parts, &w);
    play("pgoutput", rels, 1, 1 << 20, &parts, &p);
    if (getenv("BASCULE_WRITE_EXPECTED") != NULL) {
        FILE *file = fixture_open("changes.txt", "w");
        fwrite(w.data, 1, w.len, file);
        fclose(file);
    }
    expected(&e);
    assert_string_equal(buf_str(&w), buf_str(&e));
    assert_string_equal(buf_str(&p), buf_str(&e));
    fixture_free(rels);
}

static void small_parts_hold_the_same(void **state)
{
    (void)state;
    Relations *rels = fixture_relations();
    static const char *const PLUGINS[] = {"wal2json", "pgoutput"};
    for (int i = 0; i < 2; i++) {
        CLEANUP_BUF Buf whole = BUF_INIT, cut = BUF_INIT;
        int whole_parts, cut_parts;
        play(PLUGINS[i], rels, 1, 1 << 20, &whole_parts, &whole);
        play(PLUGINS[i], rels, 1, 1, &cut_parts, &cut);
        assert_true(cut_parts > whole_parts);
        assert_string_equal(buf_str(&cut), buf_str(&whole));
    }
    fixture_free(rels);
}

static void transactions_before_the_start_are_skipped(void **state)
{
    (void)state;
    CLEANUP_BUF Buf w = BUF_INIT, p = BUF_INIT, all = BUF_INIT;
    Relations *rels = fixture_relations();
    int parts;
    play("wal2json", rels, 1, 1 << 20, &parts, &all);
    /* the end of some transaction in the middle */
    const char *end = strstr(strstr(buf_str(&all), "UPDATE public.idx"), "\nEND ");
    Lsn start_lsn = LSN_UNKNOWN;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(end + 5, "\n"), end + 5);
    assert_true(lsn_parse(text, &start_lsn));
    play("wal2json", rels, start_lsn, 1 << 20, &parts, &w);
    play("pgoutput", rels, start_lsn, 1 << 20, &parts, &p);
    assert_string_equal(buf_str(&w), strstr(end + 1, "\n") + 1);
    assert_string_equal(buf_str(&p), buf_str(&w));
    fixture_free(rels);
}

static void changes_older_than_a_tables_copy_are_left_out(void **state)
{
    (void)state;
    CLEANUP_BUF Buf w = BUF_INIT, p = BUF_INIT;
    Relations *rels = fixture_relations();
    int parts;
    for (int i = 0; i < rels->count; i++)
        rels->all[i]->start_lsn = UINT64_MAX;
    fixture_find(rels, "two")->start_lsn = 1;
    play("wal2json", rels, 1, 1 << 20, &parts, &w);
    play("pgoutput", rels, 1, 1 << 20, &parts, &p);
    assert_string_equal(buf_str(&p), buf_str(&w));
    assert_non_null(strstr(buf_str(&w), "TRUNCATE public.two\n"));
    assert_null(strstr(buf_str(&w), "public.plain"));
    fixture_free(rels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_decoders_give_the_expected_changes),
        cmocka_unit_test(small_parts_hold_the_same),
        cmocka_unit_test(transactions_before_the_start_are_skipped),
        cmocka_unit_test(changes_older_than_a_tables_copy_are_left_out),
    };
    return cmocka_run_group_tests_name("same_changes", tests, NULL, NULL);
}
