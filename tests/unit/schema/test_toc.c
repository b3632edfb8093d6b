/* toc: lines of pg_restore --list to entries; what is out of scope takes its comments along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "schema/toc.h"

static const char LIST[] = ";\n"
                           "; Archive created at 2026-01-02 03:04:05 UTC\n"
                           ";     TOC Entries: 11\n"
                           "\n"
                           "8; 2615 16413 SCHEMA - My Sch postgres\n"
                           "2; 3079 16543 EXTENSION - citext \n"
                           "3748; 0 0 COMMENT - EXTENSION citext \n"
                           "220; 1259 16662 TABLE My Sch we\"ird.na me postgres\n"
                           "3754; 0 0 COMMENT My Sch COLUMN \"we\"\"ird.na me\".\"co l\" postgres\n"
                           "221; 1259 16671 TABLE public part_a app\n"
                           "3515; 0 0 TABLE ATTACH public part_a app\n"
                           "250; 1259 16854 VIEW public v app\n"
                           "251; 1259 16855 MATERIALIZED VIEW public mv app\n"
                           "252; 1259 16856 SEQUENCE public s app\n"
                           "3516; 0 0 SEQUENCE OWNED BY public s app\n"
                           "3517; 2604 16691 DEFAULT public t id app\n"
                           "3518; 1255 16692 FUNCTION public trg() app\n"
                           "3528; 1259 16870 INDEX public i app\n"
                           "3576; 0 0 INDEX ATTACH public i app\n"
                           "3211; 2606 16411 CONSTRAINT public t t_pkey app\n"
                           "3586; 2606 16768 FK CONSTRAINT public t t_fkey app\n"
                           "3587; 2606 16769 CHECK CONSTRAINT public t c app\n"
                           "3584; 3381 16866 STATISTICS public st app\n"
                           "3590; 2620 16867 TRIGGER public t tr app\n"
                           "3735; 2618 16868 RULE public t r app\n"
                           "3738; 3256 16869 POLICY public t p app\n"
                           "3737; 0 16671 ROW SECURITY public t app\n"
                           "3758; 0 0 ACL public TABLE t app\n"
                           "2341; 826 146981 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES app\n"
                           "3800; 6104 16871 PUBLICATION - p app\n"
                           "3801; 6106 16872 PUBLICATION TABLE public t p\n"
                           "3802; 3466 16873 EVENT TRIGGER - et app\n"
                           "4294967; 1259 4294967295 TABLE public last app";

static const struct {
    int dump_id;
    TocKind kind;
    const char *name;
} EXPECTED[] = {
    {8, TOC_SCHEMA, "- My Sch postgres"},
    {2, TOC_OTHER, NULL},
    {3748, TOC_EXTENSION_COMMENT, "citext "},
    {220, TOC_TABLE, "My Sch we\"ird.na me postgres"},
    {3754, TOC_NOTE, NULL},
    {221, TOC_TABLE, "public part_a app"},
    {3515, TOC_TABLE_ATTACH, "public part_a app"},
    {250, TOC_TABLE, "public v app"},
    {251, TOC_TABLE, "public mv app"},
    {252, TOC_TABLE, "public s app"},
    {3516, TOC_REPEATABLE, "public s app"},
    {3517, TOC_REPEATABLE, "public t id app"},
    {3518, TOC_OTHER, NULL},
    {3528, TOC_INDEX, "public i app"},
    {3576, TOC_COMMON, "public i app"},
    {3211, TOC_CONSTRAINT, NULL},
    {3586, TOC_FK_CONSTRAINT, "public t t_fkey app"},
    {3587, TOC_OTHER, NULL},
    {3584, TOC_COMMON, NULL},
    {3590, TOC_TRIGGER, NULL},
    {3735, TOC_TRIGGER, NULL},
    {3738, TOC_TRIGGER, NULL},
    {3737, TOC_TRIGGER, NULL},
    {3758, TOC_NOTE, NULL},
    {2341, TOC_REPEATABLE, NULL},
    {3800, TOC_NEVER, NULL},
    {3801, TOC_NEVER, NULL},
    {3802, TOC_EVENT_TRIGGER, NULL},
    {4294967, TOC_TABLE, "public last app"},
};
enum { EXPECTED_COUNT = sizeof EXPECTED / sizeof EXPECTED[0] };

static void lines_become_entries(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    Toc toc;
    assert_true(toc_parse(arena, LIST, &toc, &err));
    assert_int_equal(toc.count, EXPECTED_COUNT);
    for (int i = 0; i < EXPECTED_COUNT; i++) {
        assert_int_equal(toc.entries[i].dump_id, EXPECTED[i].dump_id);
        assert_int_equal(toc.entries[i].kind, EXPECTED[i].kind);
        assert_int_equal(toc.entries[i].order, i);
        if (EXPECTED[i].name != NULL)
            assert_string_equal(toc.entries[i].name, EXPECTED[i].name);
    }
    assert_int_equal(toc.entries[22].catalog, 0);
    assert_int_equal(toc.entries[22].oid, 16671);
    assert_int_equal(toc.entries[28].oid, 4294967295u);
    arena_free(arena);
}

static void other_lines_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"abc\n", "12 1259 1 TABLE public t x\n", "12; 1259\n",
                                      "12; 1 1 T x\n7; \n"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        Arena *arena = arena_new(0);
        Error err = ERROR_INIT;
        Toc toc = {0};
        assert_false(toc_parse(arena, BAD[i], &toc, &err));
        assert_int_equal(err.cls, ERR_PROTOCOL);
        arena_free(arena);
    }
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    Toc toc;
    assert_true(toc_parse(arena, "", &toc, &err));
    assert_int_equal(toc.count, 0);
    Toc *tocs[] = {&toc};
    toc_parse_depends(arena, "", tocs, 1);
    toc_spread_outside(tocs, 1);
    arena_free(arena);
}

static void comments_follow_what_they_are_about(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    Toc pre, post;
    assert_true(toc_parse(arena,
                          "10; 1259 100 TABLE public a x\n11; 1259 101 TABLE public b x\n"
                          "20; 0 0 COMMENT public TABLE a x\n21; 0 0 COMMENT public TABLE b x\n"
                          "22; 0 0 TABLE ATTACH public a x\n",
                          &pre, &err));
    assert_true(toc_parse(arena,
                          "30; 1259 102 INDEX public i x\n31; 0 0 COMMENT public INDEX i x\n"
                          "32; 0 100 ROW SECURITY public a x\n33; 0 0 COMMENT - X of a comment x\n",
                          &post, &err));
    Toc *tocs[] = {&pre, &post};
    toc_parse_depends(
        arena,
        "; head\n10; 1259 100 TABLE public a x\n11; 1259 101 TABLE public b x\n"
        ";\tdepends on: 10\n20; 0 0 C\n;\tdepends on: 10\n21; 0 0 C\n;\tdepends on: 11\n"
        "22; 0 0 A\n;\tdepends on: 10 11\n30; 1259 102 I\n;\tdepends on: 11\n"
        "31; 0 0 C\n;\tdepends on: 30\n32; 0 100 R\n;\tdepends on: 10\n"
        "33; 0 0 C\n;\tdepends on: 31 99999 -1\n77; 0 0 of no section\n"
        ";\tdepends on: 10",
        tocs, 2);
    assert_int_equal(pre.entries[4].depend_count, 2);
    assert_int_equal(pre.entries[4].depends[1], 11);
    assert_int_equal(pre.entries[0].depend_count, 0);
    pre.entries[0].outside = true; /* table a */
    toc_spread_outside(tocs, 2);
    assert_false(pre.entries[1].outside); /* has an oid: its own judgement counts */
    assert_true(pre.entries[2].outside);
    assert_false(pre.entries[3].outside);
    assert_true(pre.entries[4].outside);
    assert_false(post.entries[1].outside);
    assert_true(post.entries[2].outside);
    assert_false(post.entries[3].outside);
    post.entries[0].outside = true; /* index i: its comment, and what that carries */
    toc_spread_outside(tocs, 2);
    assert_true(post.entries[1].outside);
    assert_true(post.entries[3].outside);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_entries),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(comments_follow_what_they_are_about),
    };
    return cmocka_run_group_tests_name("toc", tests, NULL, NULL);
}
