/* preflight_numbers - with dual writes: keys that both sides draw from sequences must never be the same number
 * for two rows. */
#include <inttypes.h>
#include <string.h>

#include "source/preflight_internal.h"
#include "source/sequences.h"
#include "sql_files.h"

#define RESTART_ABOVE 1000 /* numbers that may be drawn before the statements are run */

/* A column of a unique index, and what it draws from. */
typedef struct Drawn {
    const Relation *rel;
    const char *column;
} Drawn;

typedef struct DrawnSide {
    int count;
    Drawn *drawn;
    Sequences sequences; /* one to each */
} DrawnSide;

static void take_rows(Preflight *p, const PgRows *rows, DrawnSide *out)
{
    out->count = out->sequences.count = pgrows_count(rows);
    out->drawn = arena_new_array(p->arena, Drawn, out->count + 1);
    out->sequences.all = arena_new_array(p->arena, Sequence, out->count + 1);
    for (int r = 0; r < out->count; r++) {
        Sequence *seq = &out->sequences.all[r];
        out->drawn[r] = (Drawn){.rel = p->rels->all[pgrows_i64(rows, r, 0) - 1],
                                .column = arena_strdup(p->arena, pgrows_text(rows, r, 1))};
        *seq = (Sequence){.schema = arena_strdup(p->arena, pgrows_text(rows, r, 2)),
                          .name = arena_strdup(p->arena, pgrows_text(rows, r, 3)),
                          .increment = pgrows_i64(rows, r, 4),
                          .min_value = pgrows_i64(rows, r, 5),
                          .max_value = pgrows_i64(rows, r, 6),
                          .cycle = pgrows_bool(rows, r, 7)};
    }
}

static bool read_side(Preflight *p, bool on_source, DrawnSide *out)
{
    PreflightSide *side = on_source ? &p->source : &p->target;
    CLEANUP_PGROWS PgRows *rows = NULL;
    Error err = ERROR_INIT;
    if (!preflight_ask_tables(p, side, "dual-write", SQL_PREFLIGHT_KEY_SEQUENCES, &rows))
        return false;
    take_rows(p, rows, out);
    if (sequences_read_values(side->conn, &out->sequences, false, &err))
        return true;
    PREFLIGHT_ADD(p, PREFLIGHT_UNKNOWN, .code = "dual-write", .subject = side->name,
                  .what = "the sequences that keys are drawn from cannot be read",
                  .why = preflight_text(p, "%s", err.message),
                  .remedy = "GRANT SELECT on them: both sides must not draw the same numbers.");
    return false;
}

static const char *target_column(const Relation *rel, const char *column)
{
    for (int i = 0; i < relation_sent(rel); i++)
        if (strcmp(rel->columns[i].name, column) == 0)
            return rel->columns[i].target_name;
    return "";
}

/* "public.users_id_seq" as SQL and people read it. */
static const char *name_of(Preflight *p, const Sequence *seq)
{
    return preflight_qualified(p, seq->schema, seq->name);
}

/* Where both have come, and a way on: odd numbers for the source, even ones for the target. */
static int64_t restart_at(const Sequence *a, const Sequence *b)
{
    int64_t last = a->last_value > b->last_value ? a->last_value : b->last_value;
    if (last < 0)
        last = 0;
    return last > INT64_MAX - RESTART_ABOVE - 2 ? last : (last + RESTART_ABOVE) | 1;
}

static const char *remedy(Preflight *p, const Drawn *drawn, const Sequence *source,
                          const Sequence *target)
{
    int64_t odd = restart_at(source, target != NULL ? target : source);
    const char *there = name_of(p, target != NULL ? target : source);
    return preflight_text(
        p,
        "%sALTER SEQUENCE %s INCREMENT BY 2 RESTART WITH %" PRId64 ";  -- on the source\n"
        "ALTER SEQUENCE %s INCREMENT BY 2 RESTART WITH %" PRId64 ";  -- on the target\n"
        "or, where one side alone ever draws: conflicts.rules: \"%s -> POLICY, "
        "numbers-of-one-side\"",
        target != NULL ? ""
                       : "make the target's tables yourself (target.prepare: nothing or merge), "
                         "then\n",
        name_of(p, source), odd, there, odd + 1, drawn->rel->display);
}

static const char *steps(Preflight *p, const Sequence *seq)
{
    return preflight_text(p, "%s (INCREMENT BY %" PRId64 ", now at %" PRId64 ")", name_of(p, seq),
                          seq->increment, seq->last_value);
}

static void tell(Preflight *p, PreflightGroup *group, const Drawn *drawn, const Sequence *source,
                 const Sequence *target)
{
    const char *there = target != NULL
                            ? preflight_text(p, "on the target from %s", steps(p, target))
                            : "on the target from a sequence that will be made like it";
    preflight_group_add(group, drawn->rel->display,
                        preflight_text(p, "its unique column %s is drawn on the source from %s, %s",
                                       drawn->column, steps(p, source), there),
                        remedy(p, drawn, source, target));
}

static void look_at_column(Preflight *p, PreflightGroup *group, const Drawn *drawn,
                           const Sequence *source, const DrawnSide *there)
{
    const char *column = target_column(drawn->rel, drawn->column);
    for (int i = 0; i < there->count; i++) {
        if (there->drawn[i].rel != drawn->rel || strcmp(there->drawn[i].column, column) != 0 ||
            sequences_disjoint(source, &there->sequences.all[i]))
            continue;
        tell(p, group, drawn, source, &there->sequences.all[i]);
        return;
    }
}

/* Where the target's tables are made as the source has them, so are its sequences. */
void preflight_numbers(Preflight *p, bool creates)
{
    DrawnSide source = {0}, target = {0};
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_BLOCKER, "dual-write",
        "both sides may draw the same number for different rows, and one of them would be lost");
    if (p->source.conn == NULL || (!creates && p->target.conn == NULL) ||
        !read_side(p, true, &source) || (!creates && !read_side(p, false, &target)))
        return;
    for (int i = 0; i < source.count; i++) {
        const Drawn *drawn = &source.drawn[i];
        if (drawn->rel->one_side_numbers)
            continue;
        if (creates)
            tell(p, &group, drawn, &source.sequences.all[i], NULL);
        else
            look_at_column(p, &group, drawn, &source.sequences.all[i], &target);
    }
    preflight_group_end(&group);
}
