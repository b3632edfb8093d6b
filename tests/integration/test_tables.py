"""Single tables of a running task: left out and taken in again without a copy, copied again, added; the others go on."""
import pytest
from harness.daemon import lsn_number
from harness.flow import assert_error, caught_up_and_equal, finish
from harness.suspended import TABLE, Writer, goes_on, none_suspended, statement_for, table_of
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
CHILD = """CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES held ON DELETE CASCADE);
INSERT INTO child SELECT i, i FROM generate_series(1, 300) i;"""


def asked(task, *words):
    """What became of each table, as the command says it."""
    done = task.ok("tables", *words, "--json", timeout=120).json()
    assert done["error"] is None
    return {t["table"]: t["result"] for t in done["report"]["tables"]}


def rows(db, table):
    return db.sql(f"SELECT * FROM {table} ORDER BY 1")


def paused_state(task, name):
    return (table_of(task, name) or {}).get("paused")


def wait_paused(task, name, state="kept"):
    wait_until(lambda: task.must_live() and paused_state(task, name) == state, 60, f"{name} is shown as paused: {state}",
               0.1, dump=task.describe)


@PLUGINS
def test_a_paused_table_comes_back_without_a_copy(plugin, source, target, make_task):
    for name in ("held", "other"):
        source.sql(TABLE.format(name))
    source.sql(CHILD)
    task = make_task(plugin=plugin, stream={"status_interval": "1s"}).start().wait_streaming()
    loaded = table_of(task, "held")["start_lsn"]
    with Writer(source, "held", "other"):
        assert asked(task, "pause", "public.held") == {"public.held": "paused"}
        before = rows(target, "held")
        wait_paused(task, "held")
        since = lsn_number(table_of(task, "held")["suspended_lsn"])
        # Its parent's rows go with a cascade; a TRUNCATE takes both tables, of which one is left out.
        source.sql("DELETE FROM held WHERE id BETWEEN 20 AND 30; INSERT INTO held (id) VALUES (999);"
                   "INSERT INTO child VALUES (999, 999); UPDATE held SET id = 888 WHERE id = 40 AND NOT EXISTS"
                   " (SELECT FROM child WHERE parent = 40)")
        goes_on(task, source, target)
        task.kill()
        task.start().wait_streaming()
        wait_paused(task, "held")
        source.sql("TRUNCATE held, child; INSERT INTO held SELECT i FROM generate_series(1, 400) i;"
                   "INSERT INTO child SELECT i, i FROM generate_series(1, 50) i")
        goes_on(task, source, target)
        wait_until(lambda: target.value("SELECT count(*) FROM child") == 50, 60, "child goes on", 0.1, dump=task.describe)
        assert rows(target, "held") == before, "changes of a paused table were applied"
        confirmed = source.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s",
                                 [f"bascule_{task.task}"])
        assert lsn_number(confirmed) <= since, "the slot has forgotten changes of the paused table"
        shown = task.ok("status").out
        assert "Table paused" in shown and "paused: its operator wants it left out" in shown, shown
        assert_error(task.cutover(), "wrong-state", 3)
        assert asked(task, "pause", "public.held") == {"public.held": "unchanged"}
        assert asked(task, "resume", "public.held") == {"public.held": "resumed"}
        none_suspended(task)
        goes_on(task, source, target)
    caught_up_and_equal(task, source, target)
    assert table_of(task, "held")["start_lsn"] == loaded, "it was copied again"
    wait_until(lambda: lsn_number(source.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s",
                                               [f"bascule_{task.task}"])) > since, 60, "the slot goes on", 0.1)
    assert target.sql("SELECT detail FROM bascule.journal WHERE step = 'tables' ORDER BY id") == [
        ("pause public.held",), ("resume public.held",)]
    finish(task, source, target)


def test_a_stream_that_begins_half_begins_again(source, target, make_task):
    """What stopped the stream for a moment could not start it again: nothing may be left standing."""
    for name in ("held", "other"):
        source.sql(TABLE.format(name))
    task = make_task().start(env={"BASCULE_FAULT": "BEFORE_STREAM@2:lost"}).wait_streaming()
    task.cmd("tables", "pause", "public.held", timeout=120)
    wait_until(lambda: "trying again" in task.tail(40), 60, "the second start failed", 0.1, dump=task.describe)
    task.wait_streaming()
    wait_paused(task, "held")
    source.sql("INSERT INTO other (id) VALUES (5000)")
    goes_on(task, source, target)
    assert asked(task, "resume", "public.held") == {"public.held": "resumed"}
    none_suspended(task)
    caught_up_and_equal(task, source, target)


def test_tables_paused_at_different_places(source, target, make_task):
    """Each goes on from its own position, also while the stream is still behind where the others are."""
    names = ["one", "two", "three", "other"]
    for name in names:
        source.sql(TABLE.format(name))
    task = make_task().start().wait_streaming()
    with Writer(source, *names):
        for name in names[:3]:
            assert asked(task, "pause", f"public.{name}") == {f"public.{name}": "paused"}
            goes_on(task, source, target)
        # The later one first: the stream turns back less far than it will for the others.
        for name in ("two", "one"):
            assert asked(task, "resume", f"public.{name}") == {f"public.{name}": "resumed"}
        assert asked(task, "pause", "public.two", "public.other") == {"public.two": "paused", "public.other": "paused"}
        source.sql("UPDATE two SET n = n + 1; UPDATE three SET n = n + 1; UPDATE other SET n = n + 1")
        assert asked(task, "resume", "public.%") == {
            "public.one": "unchanged", "public.two": "resumed", "public.three": "resumed", "public.other": "resumed"}
        none_suspended(task)
    caught_up_and_equal(task, source, target)
    finish(task, source, target)


def test_what_is_not_kept_is_copied_again(source, target, make_task):
    for name in ("held", "altered", "other"):
        source.sql(TABLE.format(name))
    task = make_task(tables={"pause_limit": "64kB"}).start().wait_streaming()
    with Writer(source, "held", "other"):
        asked(task, "pause", "public.held")
        source.sql("INSERT INTO other SELECT i, repeat('x', 200) FROM generate_series(200000, 203000) i")
        wait_paused(task, "held", "lost")
        assert "copied again when it is resumed" in task.ok("tables").out
        task.kill()
        task.start().wait_streaming()
        wait_paused(task, "held", "lost")
        assert asked(task, "resume", "public.held") == {"public.held": "copied again"}
        none_suspended(task)
    # Kept, but of another shape by now.
    task.stop()
    task.write_config(tables={"pause_limit": "20GB"})
    task.start().wait_streaming()
    asked(task, "pause", "public.altered")
    for db in (source, target):
        db.sql("ALTER TABLE altered ADD COLUMN more int DEFAULT 3")
    source.sql("UPDATE altered SET more = id")
    assert asked(task, "resume", "public.altered") == {"public.altered": "copied again"}
    none_suspended(task)
    caught_up_and_equal(task, source, target)
    finish(task, source, target)


def test_one_table_is_copied_again(source, target, make_task):
    for name in ("held", "other"):
        source.sql(TABLE.format(name))
    source.sql(CHILD + "INSERT INTO held SELECT i FROM generate_series(1001, 1040) i")
    task = make_task().start().wait_streaming()
    first = {name: table_of(task, name)["start_lsn"] for name in ("held", "other", "child")}
    with Writer(source, "held", "other"):
        # Rows that the writer leaves alone: the stream would stop at one that it misses.
        target.sql("SET session_replication_role = replica; DELETE FROM held WHERE id BETWEEN 1001 AND 1020; UPDATE held SET n = -1"
                   " WHERE id % 5 = 0; INSERT INTO held (id) VALUES (-5)")
        assert asked(task, "reload", "public.held") == {"public.held": "copied again"}
        none_suspended(task)
        goes_on(task, source, target)
    caught_up_and_equal(task, source, target)
    now = {name: table_of(task, name)["start_lsn"] for name in first}
    assert [name for name in first if now[name] != first[name]] == ["held"]
    finish(task, source, target)


@pytest.mark.parametrize("by", ["command", "file"])
def test_a_table_is_added(by, source, target, make_task):
    for name in ("first", "other", "later", "later_child"):
        source.sql(TABLE.format(name))
    source.sql("ALTER TABLE later_child ADD FOREIGN KEY (id) REFERENCES later (id) ON DELETE CASCADE NOT VALID")
    task = make_task(tables={"include": ["public.first", "public.other"]}, plugin="pgoutput").start().wait_streaming()
    for name in ("later", "later_child"):
        target.sql(TABLE.split(";")[0].format(name))
    target.sql("ALTER TABLE later_child ADD FOREIGN KEY (id) REFERENCES later (id) ON DELETE CASCADE NOT VALID")
    with Writer(source, "first", "other", "later"):
        if by == "command":
            assert asked(task, "add", "public.later%") == {"public.later": "added", "public.later_child": "added"}
        else:
            task.stop()
            task.write_config(tables={"include": ["public.first", "public.other", "public.later%"]})
            task.start()
        wait_until(lambda: task.must_live() and (table_of(task, "later_child") or {}).get("full_load_rows"), 60,
                   "the new tables are loaded", 0.1, dump=task.describe)
        none_suspended(task)
        goes_on(task, source, target, "later")
        task.kill()
        task.start().wait_streaming()
        none_suspended(task)
        goes_on(task, source, target, "later")
    caught_up_and_equal(task, source, target, schema=False)
    done = finish(task, source, target, schema=False, sequences=False)
    assert "later" in done.out or done.code == 0
    task.wait_back()
    target.sql("UPDATE later SET n = 77 WHERE id = 3")
    back = task.rollback()
    assert back.code == 0, f"{back!r}\n{task.tail(60)}"
    assert source.value("SELECT n FROM later WHERE id = 3") == 77


def test_tables_that_are_named_alone_are_dropped(source, target, make_task):
    """By the file, or by a command that nobody can take back: the others go on, also over a restart."""
    for name in ("held", "other", "later", "extra", "left_out"):
        source.sql(TABLE.format(name))
    task = make_task(tables={"include": ["public.held", "public.other"], "exclude": ["public.left_out"]})
    task.start().wait_streaming()
    for name in ("later", "extra"):
        target.sql(TABLE.split(";")[0].format(name))
    assert asked(task, "add", "public.later") == {"public.later": "added"}
    wait_until(lambda: task.must_live() and (table_of(task, "later") or {}).get("full_load_rows"), 60, "it is loaded", 0.1,
               dump=task.describe)
    none_suspended(task)
    with Writer(source, "other"):
        source.sql("DROP TABLE held, later, left_out")
        for _ in range(2):
            for name in ("held", "later"):
                assert "DROP TABLE" in statement_for(task, name)
            goes_on(task, source, target)
            task.kill()
            task.start().wait_streaming()
        target.sql("DROP TABLE held, later")
        none_suspended(task)
        assert asked(task, "add", "public.extra") == {"public.extra": "added"}
        none_suspended(task)
        goes_on(task, source, target)
    task.stop()
    task.write_config(tables={"include": ["public.other", "public.ohter"], "exclude": []})
    assert_error(task.run_to_end(), "config", 2)
    task.write_config(tables={"include": ["public.other"]})
    task.start().wait_streaming()
    finish(task, source, target)


def test_what_is_refused(source, target, make_task):
    source.sql(TABLE.format("held") + TABLE.format("other"))
    task = make_task(tables={"include": ["public.held"], "exclude": ["public.secret%"]})
    source.sql(TABLE.format("secret"))
    assert_error(task.cmd("tables", "pause", "public.held"), "not-running", 3)
    task.start().wait_streaming()
    assert_error(task.cmd("tables", "stop", "public.held"), "usage", 2)
    assert_error(task.cmd("tables", "pause"), "usage", 2)
    for words in (("pause", "public.none"), ("reload", "held"), ("add", "public.held"), ("add", "public.none"),
                  ("add", "public.secret")):
        assert_error(task.cmd("tables", *words), "usage", 2)
    both = task.cmd("tables", "pause", "public.held", "public.none")
    assert both.code == 2 and paused_state(task, "held") is None, repr(both)
    assert asked(task, "resume", "public.held") == {"public.held": "unchanged"}
    listed = task.ok("tables", "list", "--json").json()["tables"]
    assert [t["table"] for t in listed] == ["public.held"]
    source.sql("ALTER TABLE held ADD COLUMN z int")
    wait_until(lambda: task.must_live() and table_of(task, "held")["message"].startswith("suspended"), 60, "it is suspended",
               0.1, dump=task.describe)
    assert_error(task.cmd("tables", "pause", "public.held"), "wrong-state", 3)
    target.sql("ALTER TABLE held ADD COLUMN z int")
    none_suspended(task)
    task.wait_ready()
    assert task.cutover().code == 0
    task.wait_back()
    assert_error(task.cmd("tables", "pause", "public.held"), "wrong-state", 3)
