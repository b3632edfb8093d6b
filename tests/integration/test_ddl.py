"""Tables that change their shape while they move: only they are left out, and they come back by themselves."""
import pytest
from harness.daemon import lsn_number
from harness.flow import caught_up_and_equal, finish
from harness.suspended import TABLE, Writer, goes_on, none_suspended, statement_for, table_of
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])


# table: (statements on the source, the statement that status must name, or None when nothing is to be done)
KINDS = {
    "added": ("ALTER TABLE added ADD COLUMN extra int DEFAULT 7; UPDATE added SET extra = id WHERE id < 20",
              'ALTER TABLE "public"."added" ADD COLUMN "extra" integer DEFAULT 7;'),
    "volatile": ("ALTER TABLE volatile ADD COLUMN r float8 NOT NULL DEFAULT random()",
                 'ADD COLUMN "r" double precision DEFAULT random() NOT NULL;'),
    "dropped_column": ("ALTER TABLE dropped_column DROP COLUMN v", 'DROP COLUMN "v";'),
    "renamed_column": ("ALTER TABLE renamed_column RENAME COLUMN v TO w; UPDATE renamed_column SET w = 'x' WHERE id < 9",
                       'RENAME COLUMN "v" TO "w";'),
    "retyped": ("ALTER TABLE retyped ALTER n TYPE bigint; UPDATE retyped SET n = 5000000000 WHERE id = 3",
                'ALTER COLUMN "n" TYPE bigint USING "n"::bigint;'),
    "rewritten": ("ALTER TABLE rewritten ALTER n TYPE int USING n + 1000", None),
    "renamed": ("ALTER TABLE renamed RENAME TO renamed_now", 'ALTER TABLE "public"."renamed" RENAME TO "renamed_now";'),
    "nullable": ("ALTER TABLE nullable ALTER n DROP NOT NULL; UPDATE nullable SET n = NULL WHERE id = 4",
                 'ALTER COLUMN "n" DROP NOT NULL;'),
}


def suspended_now(task, name):
    """While the catalog is read again the tables are shown as before their load for a moment."""
    t = table_of(task, name) or table_of(task, name + "_now") or {}
    return t if t.get("suspended_lsn") and t.get("statement") else None


@PLUGINS
def test_each_kind_suspends_its_table_only(source, target, make_task, plugin):
    for name in ["other", "vacuumed", *KINDS]:
        source.sql(TABLE.format(name))
    # The catalog remembers the default of an added column until the table is written anew.
    source.sql("ALTER TABLE vacuumed ADD COLUMN later int DEFAULT 3")
    task = make_task(plugin=plugin).start().wait_streaming()
    loaded = table_of(task, "other")["start_lsn"]
    with Writer(source, "other", *KINDS):
        for change, _ in KINDS.values():
            source.sql(change)
        source.sql("TRUNCATE vacuumed")
        for name, (_, statement) in KINDS.items():
            if statement is None:
                continue
            shown = wait_until(lambda n=name: task.must_live() and
                               ((table_of(task, n) or table_of(task, n + "_now") or {}).get("statement")), 60,
                               f"a statement for {name}", 0.1, dump=task.describe)
            assert statement in shown, shown
        goes_on(task, source, target)
        refused = task.cutover(timeout=60)
        # The rewritten table needs no statement: it may be on its way back just now.
        assert refused.code == 3 and ("suspended" in refused.text or "taken in again" in refused.text), repr(refused)
        wait_until(lambda: "to do on the target: ALTER TABLE" in task.ok("status").out, 60, "status names what is to be done",
                   0.1, dump=task.describe)
        for name, (_, statement) in KINDS.items():
            if statement is not None:
                t = wait_until(lambda n=name: suspended_now(task, n), 60, f"{name} is shown as suspended", 0.1, dump=task.describe)
                assert lsn_number(t["suspended_lsn"]) > 0, t
                target.sql(t["statement"])
        none_suspended(task)
        goes_on(task, source, target)
    caught_up_and_equal(task, source, target)
    assert table_of(task, "other")["start_lsn"] == loaded, "other was loaded again"
    finish(task, source, target)


MOOD = """CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE person (id int PRIMARY KEY, m mood); INSERT INTO person SELECT i, 'good' FROM generate_series(1, 50) i;
CREATE TABLE part (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
INSERT INTO part SELECT i, 1 FROM generate_series(1, 50) i;"""


@PLUGINS
def test_new_tables_partitions_and_labels_wait_for_the_operator(source, target, make_task, plugin):
    source.sql(TABLE.format("other") + MOOD)
    task = make_task(plugin=plugin).start().wait_streaming()
    source.sql("CREATE TABLE fresh (id int PRIMARY KEY, v text); INSERT INTO fresh SELECT i, 'f' FROM generate_series(1, 100) i;"
               "CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2); INSERT INTO part SELECT i, 2 FROM generate_series(1, 50) i")
    source.sql("ALTER TYPE mood ADD VALUE 'odd'")
    source.sql("INSERT INTO person SELECT i, 'odd' FROM generate_series(51, 60) i; UPDATE other SET touched = 9 WHERE id = 9")
    statements = [statement_for(task, name) for name in ("fresh", "part_2", "person")]
    assert "ADD VALUE IF NOT EXISTS 'odd'" in statements[2] and "PARTITION OF" in statements[1], statements
    assert task.cutover(timeout=60).code == 3
    for statement in statements:
        target.sql(statement)
    none_suspended(task)
    source.sql("INSERT INTO fresh VALUES (1000, 'later'); INSERT INTO part VALUES (900, 2); UPDATE person SET m = 'bad' WHERE id = 55")
    caught_up_and_equal(task, source, target)


@PLUGINS
def test_unambiguous_changes_are_carried(source, target, make_task, plugin):
    for name in ("other", *KINDS):
        source.sql(TABLE.format(name))
    source.sql(MOOD)
    task = make_task(plugin=plugin, ddl="apply").start().wait_streaming()
    with Writer(source, "other", *KINDS):
        for change, _ in KINDS.values():
            source.sql(change)
        source.sql("CREATE TABLE fresh (id int PRIMARY KEY, v text); INSERT INTO fresh SELECT i, 'f' FROM generate_series(1, 100) i;"
                   "CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2); INSERT INTO part SELECT i, 2 FROM generate_series(1, 50) i")
        source.sql("ALTER TYPE mood ADD VALUE 'odd'")
        source.sql("INSERT INTO person SELECT i, 'odd' FROM generate_series(51, 60) i")
        wait_until(lambda: task.must_live() and table_of(task, "fresh") and table_of(task, "part_2"), 60,
                   "the new tables are seen", 0.1, dump=task.describe)
        target.sql(statement_for(task, "fresh"))  # a table that is no partition is the operator's to make
        none_suspended(task)
        goes_on(task, source, target)
    source.sql("INSERT INTO fresh VALUES (1000, 'later'); INSERT INTO part VALUES (900, 2); UPDATE person SET m = 'bad' WHERE id = 55")
    caught_up_and_equal(task, source, target)
    finish(task, source, target)


def test_a_column_that_only_the_target_has_is_not_dropped(source, target, make_task):
    for db in (source, target):
        db.sql("CREATE TABLE shop (id int PRIMARY KEY, v text, gone int)")
    source.sql("INSERT INTO shop SELECT i, 'v', 1 FROM generate_series(1, 100) i")
    target.sql("ALTER TABLE shop ADD COLUMN own int DEFAULT 3")
    task = make_task(ddl="apply", target={"prepare": "nothing"}).start().wait_streaming()
    source.sql("ALTER TABLE shop DROP COLUMN gone")
    source.sql("INSERT INTO shop VALUES (101, 'more')")
    assert "own" in statement_for(task, "shop")
    assert target.value("SELECT sum(own) FROM shop") == 300, "its own column is as it was"
    target.sql("ALTER TABLE shop DROP COLUMN gone, DROP COLUMN own")
    none_suspended(task)
    caught_up_and_equal(task, source, target)


@PLUGINS
def test_renamed_written_and_renamed_back(source, target, make_task, plugin):
    """Faster than any look at the catalog; with bascule stopped meanwhile, too."""
    for name in ("other", "away"):
        source.sql(TABLE.format(name))
    task = make_task(plugin=plugin).start().wait_streaming()
    source.sql("ALTER TABLE away RENAME TO hidden")
    source.sql("INSERT INTO hidden SELECT i, 'hidden' FROM generate_series(1001, 1100) i; UPDATE hidden SET v = 'h' WHERE id <= 50")
    source.sql("ALTER TABLE hidden RENAME TO away")
    caught = "SELECT count(*) FROM away WHERE id > 1000"
    wait_until(lambda: task.must_live() and target.value(caught) == 100, 60, "the rows arrive", 0.1, dump=task.describe)
    none_suspended(task)
    task.stop()
    source.sql("ALTER TABLE away RENAME TO hidden")
    source.sql("DELETE FROM hidden WHERE id > 1000")
    source.sql("ALTER TABLE hidden RENAME TO away")
    task.start().wait_streaming()
    wait_until(lambda: task.must_live() and target.value(caught) == 0, 60, "the rows are gone", 0.1, dump=task.describe)
    none_suspended(task)
    caught_up_and_equal(task, source, target)
