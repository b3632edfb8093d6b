"""Tables that change their shape while they move: only they are left out, and they come back by themselves."""
import random
import threading

import psycopg
import pytest
from harness import oracle
from harness.daemon import lsn_number
from harness.flow import caught_up_and_equal, finish
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])

TABLE = """CREATE TABLE {0} (id int PRIMARY KEY, v text, n int NOT NULL DEFAULT 5, touched int NOT NULL DEFAULT 0);
INSERT INTO {0} SELECT i, 'v' || i, i FROM generate_series(1, 300) i;"""


class Writer(threading.Thread):
    """Writes to the tables until it is stopped, whatever becomes of them."""

    def __init__(self, source, *tables):
        super().__init__(daemon=True)
        self.dsn, self.tables = source.conninfo("postgres"), tables
        self.stopping, self.rng, self.next_id = threading.Event(), random.Random(3), 100000
        self.rows = dict.fromkeys(tables, 0)

    def one(self, c, table):
        self.next_id += 1
        with c.transaction():
            c.execute(f"INSERT INTO {table} (id) VALUES (%s)", (self.next_id,))
            c.execute(f"UPDATE {table} SET touched = touched + 1 WHERE id = %s", (self.rng.randint(1, 300),))
            if self.rng.random() < 0.3:
                c.execute(f"DELETE FROM {table} WHERE id = %s", (self.rng.randint(100000, self.next_id),))
        self.rows[table] += 1

    def run(self):
        with psycopg.connect(self.dsn, autocommit=True) as c:
            while not self.stopping.wait(0.004):
                try:
                    self.one(c, self.rng.choice(self.tables))
                except psycopg.errors.Error:
                    pass  # dropped, renamed, without identity

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


def table_of(task, name):
    return {t["table"]: t for t in task.status()["tables"]}.get(f"public.{name}")


def suspended(task, *names):
    """The tables as status shows them, once all of them are suspended and it is known what is to be done."""
    def all_there():
        task.must_live()
        found = [table_of(task, name) for name in names]
        return all(t and t["message"].startswith("suspended") for t in found) and found
    return wait_until(all_there, 60, f"{names} are suspended", 0.1, dump=task.describe)


def statement_for(task, name, timeout=60):
    return wait_until(lambda: task.must_live() and (table_of(task, name) or {}).get("statement"), timeout,
                      f"a statement for {name}", 0.1, dump=task.describe)


def none_suspended(task, timeout=90):
    def none():
        task.must_live()
        return not [t["table"] for t in task.status()["tables"] if t["message"] or t["state"] != "Table completed"]
    wait_until(none, timeout, "no table is suspended", 0.1, dump=task.describe)


def goes_on(task, source, target, table="other"):
    """What is written to another table now arrives."""
    want = source.value(f"SELECT max(id) FROM {table}")
    wait_until(lambda: task.must_live() and (target.value(f"SELECT max(id) FROM {table}") or 0) >= want, 30,
               f"{table} goes on", 0.1, dump=task.describe)


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


@PLUGINS
def test_each_kind_suspends_its_table_only(source, target, make_task, plugin):
    for name in ["other", "vacuumed", *KINDS]:
        source.sql(TABLE.format(name))
    # The catalog remembers the default of an added column until the table is written anew.
    source.sql("ALTER TABLE vacuumed ADD COLUMN later int DEFAULT 3")
    task = make_task(plugin=plugin).start().wait_streaming()
    loaded = target.value("SELECT xmin::text FROM other WHERE id = 300")
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
        text = task.ok("status").out
        assert "to do on the target: ALTER TABLE" in text, text
        for name, (_, statement) in KINDS.items():
            if statement is not None:
                t = table_of(task, name) or table_of(task, name + "_now")
                assert t["suspended_lsn"] and lsn_number(t["suspended_lsn"]) > 0, t
                target.sql(t["statement"])
        none_suspended(task)
        goes_on(task, source, target)
    caught_up_and_equal(task, source, target)
    assert target.value("SELECT xmin::text FROM other WHERE id = 300") == loaded, "other was loaded again"
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
