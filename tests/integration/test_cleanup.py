"""cleanup removes what bascule left on both sides: also when the source is frozen or the tool was killed."""
import pytest
from harness import workload
from harness.flow import cut_over
from harness.waiting import wait_until
from harness.witness import fingerprint

LEFT = ("schemas", "slots", "publications", "triggers", "functions")


def remains(source, target, task):
    out = []
    for db in (source, target):
        out += [f"{db}: slot {s}" for s in db.slots()]
        out += [f"{db}: schema bascule"] if db.has_schema() else []
        out += [f"{db}: publication {r[0]}" for r in db.sql("SELECT pubname FROM pg_publication")]
        out += [f"{db}: trigger {r[0]}" for r in db.sql("SELECT tgname FROM pg_trigger WHERE tgname ~* 'bascule'")]
        out += [f"{db}: function {r[0]}" for r in db.sql("SELECT proname FROM pg_proc WHERE proname ~* 'bascule'")]
        out += [f"{db}: session {r[0]}" for r in db.sql("SELECT pid FROM pg_stat_activity WHERE datname ="
                                                       " current_database() AND application_name ~ '^bascule'")]
    return out


def assert_clean(source, target, task):
    wait_until(lambda: not remains(source, target, task), 15, "nothing is left",
               dump=lambda: "\n".join(remains(source, target, task)))


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_lists_first_and_removes_with_yes(source, target, make_task, plugin):
    workload.create(source, numeric="bigint")
    before = fingerprint(source)
    task = make_task(plugin=plugin).start().wait_streaming()
    task.stop()
    there = remains(source, target, task)
    assert there, "nothing to clean: the test is blind"
    listed = task.cmd("cleanup")
    assert listed.code == 3, repr(listed)
    assert f"bascule_{task.task}" in listed.out
    assert remains(source, target, task) == there, "it removed without --yes"
    task.ok("cleanup", "--yes")
    assert_clean(source, target, task)
    after = fingerprint(source)
    assert {k: before[k] for k in LEFT} == {k: after[k] for k in LEFT}


def test_twice_is_fine(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.stop()
    task.ok("cleanup", "--yes")
    again = task.cmd("cleanup", "--yes")
    assert again.code == 0, repr(again)
    assert_clean(app, target, task)


def test_after_a_killed_run(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.kill()
    task.ok("cleanup", "--yes")
    assert_clean(app, target, task)


def test_after_a_kill_in_the_load(app, target, make_task):
    workload.add_bulk(app, 20)
    task = make_task()
    task.start(env={"BASCULE_FAULT": "COPY_MID@2:kill"})
    assert task.wait_exit() == -9, task.tail()
    task.ok("cleanup", "--yes")
    assert_clean(app, target, task)


def test_while_the_source_is_frozen(app, target, make_task):
    """Killed between the fence's COMMIT and the opening: nobody can write; cleanup gives the source back."""
    task = make_task().start(env={"BASCULE_FAULT": "CUTOVER_COMMITTED:kill"}).wait_streaming()
    task.wait_ready()
    done = task.cutover()
    assert done.code != 0
    with pytest.raises(Exception, match="(?i)read.?only|moved|fence|cut"):
        app.sql("UPDATE account SET v = 0 WHERE id = 1", user="app")
    task.ok("cleanup", "--yes")
    assert_clean(app, target, task)
    app.sql("UPDATE account SET v = 0 WHERE id = 1", user="app")


def test_after_the_cutover(app, target, make_task):
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_phase("reversing")
    assert task.stop() == 0
    task.ok("cleanup", "--yes")
    assert_clean(app, target, task)
    target.sql("INSERT INTO ledger (id, writer, kind) VALUES ('x', 0, 'x')", user="app")


def test_another_task_is_left_alone(app, target, make_task):
    app.sql("CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY); INSERT INTO other.t VALUES (1)")
    one = make_task(tables={"include": ["public.*"]}).start().wait_streaming()
    two = make_task(tables={"include": ["other.*"]}).start().wait_streaming()
    one.stop()
    one.ok("cleanup", "--yes")
    assert app.slots() == [f"bascule_{two.task}"]
    app.sql("INSERT INTO other.t VALUES (2)")
    two.wait_applied(app)
    assert target.value("SELECT count(*) FROM other.t") == 2
