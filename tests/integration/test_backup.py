"""backup: before_load, and the way back to it: what the target had is there again, and nothing else is touched."""
import glob
import os
import re
import shutil

import pytest
from harness import audit, oracle, place
from harness.flow import assert_error, cut_over
from harness.suspended import TABLE, none_suspended
from harness.waiting import wait_until
from harness.witness import Untouched

FAULTS = re.findall(r"^F\((RESTORE_\w+),", (place.ROOT / "include/bascule/base/fault.def").read_text(), re.M)

TABLES = """
CREATE SCHEMA old;
CREATE TABLE parent (id serial PRIMARY KEY, t text);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent, "Odd ""Name" text, twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE old.parts (k int PRIMARY KEY, v text) PARTITION BY RANGE (k);
CREATE TABLE old.low PARTITION OF old.parts FOR VALUES FROM (0) TO (100);
CREATE TABLE old.high PARTITION OF old.parts FOR VALUES FROM (100) TO (1000);
"""
HERE = """
INSERT INTO parent (t) SELECT 'new ' || i FROM generate_series(1, 40) i;
INSERT INTO child SELECT i, i, 'c' FROM generate_series(1, 40) i;
INSERT INTO old.parts SELECT i, 'p' FROM generate_series(1, 200) i;
"""
# With a trigger that would change what comes back, and a table of somebody else.
THERE = """
INSERT INTO parent (t) SELECT E'old\\t' || i FROM generate_series(1, 7) i;
INSERT INTO child SELECT i, 3, NULL FROM generate_series(1, 5) i;
INSERT INTO old.parts VALUES (5, 'five'), (500, 'five hundred');
CREATE TABLE theirs (id int PRIMARY KEY, p int);
INSERT INTO theirs VALUES (1, 2);
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.t := ''spoiled''; RETURN NEW; END';
CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION spoil();
"""


def contents(db):
    return {name: db.sql(f"SELECT t::text FROM ONLY {name} t ORDER BY 1")
            for name in ("parent", "child", "old.low", "old.high", "theirs")} | {
        "sequence": db.sql("SELECT last_value, is_called FROM parent_id_seq"),
        "triggers": db.sql("SELECT tgname, tgenabled FROM pg_trigger WHERE tgname IN ('spoil', 'bascule_fence')")}


def states(db):
    return [r[0] for r in db.sql("SELECT state FROM bascule.backup ORDER BY id")]


@pytest.fixture
def task(source, target, make_task):
    """Tables with other rows on both sides; `before` is what the target has."""
    source.sql(TABLES + HERE, user="app")
    target.sql(TABLES + THERE)
    task = make_task(target={"prepare": "truncate"}, backup="before_load")
    task.before = contents(target)
    return task


@pytest.fixture
def loaded(task):
    task.start().wait_streaming()
    task.stop()
    return task


def restore(task, target, *args, **kw):
    return task.cmd("restore", f"--confirm={target.name}", *args, **kw)


def test_there_and_back(task, source, target):
    assert "1. write a pg_dump of the target to" in task.ok("plan").out
    os.makedirs(f"{task.dir}/w/backup")
    with open(f"{task.dir}/w/backup/{task.task}.part", "w") as f:  # readable to others
        f.write("of somebody else")
    task.start().wait_streaming()
    assert target.value("SELECT count(*) FROM parent") == 40
    [file] = glob.glob(os.path.join(task.dir, "w/backup/*"))
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert_error(restore(task, target), "already-running", 3)
    task.stop()
    # somebody's key from outside: the tables cannot be truncated
    target.sql("INSERT INTO theirs VALUES (2, 1); ALTER TABLE theirs ADD FOREIGN KEY (p) REFERENCES parent;"
               " SELECT setval('parent_id_seq', 900)")
    with Untouched(source, target):
        report = task.ok("restore", "--dry-run", "--json").json()
        assert_error(task.cmd("restore"), "not-confirmed", 3)
        assert_error(task.cmd("restore", "--confirm=nothing"), "not-confirmed", 3)
    assert {(t["name"], t["fate"], t["rows"]) for t in report["tables"]} == {
        ("parent", "restored", 7), ("child", "restored", 5), ("low", "restored", 1), ("high", "restored", 1)}
    assert report["backup"]["file"] == file and report["backup"]["state"] == "made"
    done = restore(task, target)
    assert done.code == 0 and "restored, the task is removed" in done.out, repr(done)
    after = contents(target)
    assert after.pop("theirs") == [("(1,2)",), ("(2,1)",)]
    assert after == {k: v for k, v in task.before.items() if k != "theirs"}
    assert source.slots() == [] and states(target) == ["restored"]
    assert {("backup", "backup", "done"), ("backup", "restore", "begun"), ("backup", "restore", "done")} <= set(
        audit.steps(task))
    digest = target.value("SELECT sha256 FROM bascule.backup")
    assert any(digest in (r["detail"] or "") for r in audit.records_of(task))
    audit.assert_chain(task)
    # and again: a new task, with a backup of its own
    target.sql("ALTER TABLE theirs DROP CONSTRAINT theirs_p_fkey")
    task.start().wait_streaming()
    task.stop()
    assert states(target) == ["restored", "made"]
    oracle.assert_equal(source, target, schema=False, sequences=False)


def test_tables_that_the_task_made_are_dropped(source, target, make_task):
    source.sql(TABLES + HERE + "CREATE VIEW seen AS SELECT * FROM parent", user="app")
    target.sql("CREATE TABLE theirs AS SELECT 1 AS id")
    task = make_task(backup="before_load")
    task.start().wait_streaming()
    task.stop()
    done = restore(task, target, "--json")
    assert done.code == 0 and {t["fate"] for t in done.json()["tables"]} == {"dropped"}, repr(done)
    left = target.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'S') AND relnamespace NOT IN"
                      " (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$|^bascule$')")
    assert left == [("theirs",)]
    task.start().wait_streaming()  # nothing stands in the way of another try


def test_without_a_backup_nothing_is_loaded(task, source, target, directory):
    blocked = os.path.join(directory, "file")
    with open(blocked, "w") as f:
        f.write("no directory")
    task.write_config(backup={"when": "before_load", "dir": blocked})
    with Untouched(source, target):
        assert task.run_to_end().code != 0
    # a dump that fails in the middle: a table that its role may not read
    task.write_config(backup={"dir": directory}, target={"dsn": target.conninfo(user="app")})
    with Untouched(source, target):
        done = task.run_to_end()
        assert done.code == 1 and "permission denied" in done.text, repr(done)
    assert glob.glob(os.path.join(directory, "*.dump")) + glob.glob(os.path.join(directory, "*.part")) == []
    task.write_config(backup={"when": "later"})
    done = task.cmd("check")
    assert_error(done, "config", 2)
    assert "before_load" in done.err


def test_a_file_that_is_another(loaded, source, target, directory):
    [file] = glob.glob(os.path.join(loaded.dir, "w/backup/*"))
    moved = os.path.join(directory, "elsewhere.dump")
    os.rename(file, moved)
    with Untouched(source, target):
        assert_error(restore(loaded, target), "backup", 3)
        assert_error(restore(loaded, target, "--backup", "/etc/passwd"), "backup", 3)
    with open(moved, "rb") as f:
        good = f.read()
    with open(file, "wb") as f:
        f.write(good[:-10] + bytes([good[-10] ^ 1]) + good[-9:])
    with Untouched(source, target):
        done = restore(loaded, target)
        assert_error(done, "backup", 3)
        assert "is not the file that was written" in done.err
    # a table that lost a column of the backup
    target.sql("ALTER TABLE child DROP COLUMN p")
    with Untouched(source, target):
        done = restore(loaded, target, "--backup", moved)
        assert_error(done, "backup", 3)
        assert "'public.child' has no column 'p' any more" in done.err
    target.sql("ALTER TABLE child ADD COLUMN p int")
    done = restore(loaded, target, "--backup", moved)
    assert done.code == 0, repr(done)
    assert target.sql("SELECT t::text FROM parent t ORDER BY 1") == loaded.before["parent"]
    assert target.sql("SELECT id, p FROM child ORDER BY 1") == [(i, 3) for i in range(1, 6)]


def test_not_after_a_cutover(loaded, source, target):
    loaded.start().wait_streaming()
    cut_over(loaded)
    loaded.stop()
    with Untouched(source, target):
        done = restore(loaded, target)
        assert_error(done, "wrong-state", 3)
        assert "rollback" in done.err
    loaded.ok("cleanup", "--yes")
    assert states(target) == ["opened"]
    with Untouched(source, target):
        assert_error(restore(loaded, target), "wrong-state", 3)


def test_a_cleaned_up_task_can_still_be_taken_back(loaded, target):
    loaded.ok("cleanup", "--yes")
    assert states(target) == ["closed"]
    assert restore(loaded, target).code == 0
    assert contents(target) == loaded.before
    done = restore(loaded, target)
    assert_error(done, "backup", 3)


def test_what_is_said_twice_goes_back_once(loaded, source, target):
    """Not on to an older backup. One whose restore has not ended is finished, even if there is a newer one."""
    loaded.ok("cleanup", "--yes")
    target.sql("DELETE FROM child; INSERT INTO theirs VALUES (9, 9)")
    later = contents(target)
    loaded.start().wait_streaming()
    loaded.stop()
    [first, second] = [r[0] for r in target.sql("SELECT file FROM bascule.backup ORDER BY id")]
    assert restore(loaded, target, "--backup", first, env={"BASCULE_FAULT": "RESTORE_EMPTIED:kill"}).code == -9
    done = restore(loaded, target, "--json")
    assert done.code == 0 and done.json()["backup"]["file"] == first, repr(done)
    assert contents(target) == loaded.before | {"theirs": later["theirs"]}
    done = restore(loaded, target, "--json")
    assert done.code == 0 and done.json()["backup"]["file"] == second, repr(done)
    assert contents(target) == later
    with Untouched(source, target):
        done = restore(loaded, target)
        assert_error(done, "backup", 3)
        assert second in done.err and "--backup" in done.err, repr(done)


def test_a_table_that_was_added_comes_back_too(source, target, make_task):
    for name in ("first", "late"):
        source.sql(TABLE.format(name))
        target.sql(TABLE.split(";")[0].format(name))
    target.sql("INSERT INTO first (id) VALUES (-1); INSERT INTO late (id) VALUES (-7)")
    task = make_task(target={"prepare": "truncate"}, backup="before_load", tables={"include": ["public.first"]})
    task.start().wait_streaming()
    task.ok("tables", "add", "public.late", timeout=120)
    wait_until(lambda: task.must_live() and target.value("SELECT count(*) FROM late") == 300, 60, "it is copied",
               dump=task.describe)
    none_suspended(task)
    task.stop()
    assert restore(task, target, env={"BASCULE_FAULT": "RESTORE_CLEANED:kill"}).code == -9
    assert restore(task, target).code == 0
    assert target.sql("SELECT id FROM first UNION ALL SELECT id FROM late") == [(-1,), (-7,)]


def test_stopped_while_it_is_made(task, source, target, directory):
    """A dump of hours does not keep the engine from its end, and leaves nothing behind."""
    begun, fake = os.path.join(directory, "begun"), os.path.join(directory, "pg_dump")
    with open(fake, "w") as f:
        f.write(f'#!/bin/sh\ntest "$1" = --version && exec {shutil.which("pg_dump")} --version\n'
                f"touch {begun}\nexec sleep 600\n")
    os.chmod(fake, 0o755)
    with Untouched(source, target):
        task.start(env={"PATH": f"{directory}:{os.environ['PATH']}"})
        wait_until(lambda: task.must_live() and os.path.exists(begun), 60, "pg_dump runs", dump=task.tail)
        assert task.stop(timeout=60) == 0, task.tail()
    assert glob.glob(os.path.join(task.dir, "w/backup/*")) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_killed_and_repeated(fault, loaded, source, target):
    assert restore(loaded, target, env={"BASCULE_FAULT": f"{fault}:kill"}).code == -9
    assert states(target) == ["restoring"]
    left = contents(target)
    done = loaded.run_to_end()
    assert_error(done, "backup", 3)
    assert "bascule restore" in done.text and contents(target) == left
    done = restore(loaded, target)
    assert done.code == 0, repr(done)
    assert contents(target) == loaded.before and states(target) == ["restored"] and source.slots() == []


def test_killed_before_the_backup_is_recorded(task, target):
    task.start(env={"BASCULE_FAULT": "BACKUP_MADE:kill"})
    assert task.wait_exit() == -9
    assert contents(target) == task.before and not target.has_schema()
    task.start().wait_streaming()
    task.stop()
    assert states(target) == ["made"] and restore(task, target).code == 0
    assert contents(target) == task.before
