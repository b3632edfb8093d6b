"""Going back after the target has opened: nothing written there is lost, and one can go forward again."""
import psycopg
import pytest
from harness import oracle, workload
from harness.flow import assert_error, cut_over
from harness.waiting import wait_until


def go_back(task, *args):
    """Once everything of the target streams to the source: back."""
    task.wait_back()
    done = task.rollback(*args)
    assert done.code == 0, f"{done!r}\n{task.tail(100)}"
    return done


def refused(db, statement="UPDATE account SET v = v + 1 WHERE id = 2", user="app"):
    with pytest.raises(psycopg.Error) as caught:
        db.sql(statement, user=user)
    assert caught.value.sqlstate == "25006", repr(caught.value)
    return caught.value


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_there_and_back_and_there_again(plugin, source, target, make_task):
    app = workload.create(source, numeric="bigint")
    task = make_task(plugin=plugin).start().wait_streaming()
    done = cut_over(task)
    assert "rollback" in done.out, repr(done)
    task.wait_phase("reversing")
    status = task.status()
    assert status["direction"] == "back" and status["cutover"]["decision"] == "opened"
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1; INSERT INTO scratch (v) VALUES ('there');"
               "DELETE FROM document", user="app")
    refused(app)
    refused(app, user="postgres")
    done = go_back(task)
    assert "cutover" in done.out
    task.wait_streaming()
    oracle.assert_equal(target, app)
    assert str(app.cluster.port) in refused(target).diag.message_hint
    refused(target, user="postgres")
    assert target.slots() == [], "the slot of the ended direction keeps WAL"
    app.sql("UPDATE account SET v = v + 1 WHERE id = 2; INSERT INTO scratch (v) VALUES ('back')", user="app")
    assert task.rollback().code == 0, "nothing to do is no failure"
    cut_over(task)
    oracle.assert_equal(app, target)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 2", user="app")
    refused(app)


def assert_sequences_ahead(db):
    """The next value of each owned sequence is above every one that is in use."""
    owned = db.sql("SELECT c.oid::regclass::text, quote_ident(a.attname), s.oid::regclass::text FROM pg_depend d"
                   " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_class c ON c.oid = d.refobjid"
                   " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid"
                   " WHERE d.deptype IN ('a', 'i') AND c.relnamespace = 'public'::regnamespace")
    assert owned
    for table, column, sequence in owned:
        used = db.value(f"SELECT max({column}) FROM {table}") or 0
        assert db.value(f"SELECT nextval('{sequence}')") > used, sequence


def test_five_rounds_under_writers(app, target, make_task, make_writers):
    """Bank, ledger and sequences while the applications follow the open side."""
    money = workload.money(app)
    writers = make_writers(count=3, kind="gentle", after="continue")
    task = make_task(stream={"status_interval": "1s"}).start().wait_streaming()
    for _ in range(5):
        writers.wait_more(100)
        cut_over(task, args=("--max-downtime", "30s"))
        writers.wait_on(1)
        assert_sequences_ahead(target)
        writers.wait_more(100)
        go_back(task, "--max-downtime", "30s")
        writers.wait_on(0)
        assert_sequences_ahead(app)
    writers.wait_more(50)
    writers.stop()
    writers.assert_windows([0, 1] * 5 + [0])
    task.wait_applied(app)
    oracle.assert_equal(app, target, schema=False, sequences=False)
    writers.assert_nothing_lost(app)
    assert workload.money(app) == workload.money(target) == money


def test_cleanup_takes_both_directions_away(app, target, make_task):
    """While the target is open and while it is not."""
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_back()
    assert_error(task.cmd("cleanup", "--yes"), "already-running", 3)
    go_back(task)
    task.wait_streaming()
    task.stop()
    task.ok("cleanup", "--yes")
    for db in (app, target):
        assert db.slots() == [] and not db.has_schema()
        assert db.sql("SELECT pubname FROM pg_publication") == []
        assert db.sql("SELECT tgname FROM pg_trigger WHERE tgname ~ 'bascule'") == []
        db.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")


def test_complete_ends_it(app, target, make_task):
    task = make_task().start().wait_streaming()
    assert_error(task.cmd("complete", "--yes"), "wrong-state", 3)
    cut_over(task)
    task.wait_back()
    listed = task.cmd("complete")
    assert listed.code == 3 and f"bascule_{task.task}_reverse" in listed.out, repr(listed)
    assert task.status()["rollback"]["ready"], "it only lists"
    task.ok("complete", "--yes")
    assert task.wait_exit() == 0, task.tail()
    for db in (app, target):
        assert db.slots() == [] and db.sql("SELECT pubname FROM pg_publication") == []
    refused(app)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    done = task.rollback()
    assert_error(done, "wrong-state", 3)
    assert "complete" in done.text
    assert task.run_to_end().code == 3, "there is nothing to run"
    task.ok("complete", "--yes")
    task.ok("cleanup", "--yes")
    assert not app.has_schema() and not target.has_schema()


MISSING = {
    "wal_level": ("wal_level is replica", {"wal_level": "replica"}),
    "slots": ("no replication slot is free", {"max_replication_slots": "0"}),
}


@pytest.mark.parametrize("what", MISSING)
def test_a_target_that_cannot_stream_back(what, app, make_cluster, make_database, make_task):
    """Required: refused with the remedy, nothing was frozen. Tried: cut over, and said at the end. Then no rollback."""
    text, settings = MISSING[what]
    target = make_database(make_cluster("plain", settings=settings))
    task = make_task(dst=target)
    found = [f for f in task.cmd("check", "--json").json()["findings"] if f["code"] == "way-back"]
    assert [f["result"] for f in found] == ["warning"] and found[0]["remedy"], found
    task.start().wait_streaming()
    task.wait_ready()
    done = task.cutover()
    assert_error(done, "blocked", 3)
    assert text in done.text, repr(done)
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    task.stop()
    task.write_config(cutover={"reverse": "auto"})
    task.start().wait_streaming()
    done = cut_over(task)
    assert "There is no way back" in done.out and text in done.out, repr(done)
    assert task.wait_exit() == 0, task.tail()
    assert_error(task.rollback(), "wrong-state", 3)
    refused(app)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")


def test_a_table_without_identity_on_the_target(app, target, make_task):
    """The target's own schema lacks what the source's has: its updates could not come back."""
    task = make_task().start().wait_streaming()
    task.wait_ready()
    target.sql("ALTER TABLE twins REPLICA IDENTITY DEFAULT")
    done = task.cutover()
    assert_error(done, "blocked", 3)
    assert "public.twins" in done.text and "REPLICA IDENTITY FULL" in done.text, repr(done)
    target.sql("ALTER TABLE twins REPLICA IDENTITY FULL")
    cut_over(task)
    target.sql("DELETE FROM twins WHERE ctid = (SELECT min(ctid) FROM twins)", user="app")
    go_back(task)
    oracle.assert_equal(target, app)


def test_a_new_table_on_the_target_stops_a_rollback(app, target, make_task):
    task = make_task().start().wait_streaming()
    target.sql("CREATE TABLE only_here (id int PRIMARY KEY)")
    cut_over(task)
    task.wait_back()
    target.sql("CREATE TABLE born_later (id int PRIMARY KEY); INSERT INTO born_later VALUES (1)", user="app")
    done = task.rollback("--check")
    assert done.code == 3 and "public.born_later" in done.text and "only_here" not in done.text, repr(done)
    target.sql("DROP TABLE born_later")
    go_back(task)
    task.wait_streaming()
    cut_over(task)


def test_a_difference_stops_a_rollback(app, target, make_task):
    """Somebody got past the fence on the source: the proof finds it, and the target takes writes again."""
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_back()
    app.sql("ALTER TABLE account DISABLE TRIGGER bascule_fence; UPDATE account SET note = 'tampered' WHERE id = 7")
    wait_until(lambda: task.status()["rollback"]["fences_armed"] < task.status()["rollback"]["fences"], 30,
               "status sees the open fence")
    done = task.rollback()
    assert_error(done, "target-state", 3)
    assert "fence of the source" in done.text, repr(done)
    app.sql("ALTER TABLE account ENABLE ALWAYS TRIGGER bascule_fence")
    done = task.rollback()
    assert done.code == 4 and "public.account" in done.text, repr(done)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    assert f"bascule_{task.task}" not in app.slots(), "the slot of the way forward was left behind"
    app.sql("ALTER TABLE account DISABLE TRIGGER bascule_fence;"
            "UPDATE account SET note = NULL WHERE id = 7;"
            "ALTER TABLE account ENABLE ALWAYS TRIGGER bascule_fence")
    task.wait_phase("reversing")
    go_back(task)
    oracle.assert_equal(target, app)


def test_a_killed_engine_streams_back_again(app, target, make_task):
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_back()
    for n in range(3):
        task.kill()
        target.sql(f"UPDATE account SET v = {n}", user="app")
        task.start().wait_phase("reversing")
    go_back(task)
    oracle.assert_equal(target, app)


def test_rollback_starts_the_engine_itself(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.stop()
    assert task.cutover().code == 0
    target.sql("UPDATE account SET v = v + 1", user="app")
    done = task.rollback("--max-lag", "30s")
    assert done.code == 0, repr(done)
    oracle.assert_equal(target, app)
    app.sql("UPDATE account SET v = v + 1", user="app")
    assert task.cutover("--max-lag", "30s").code == 0
    oracle.assert_equal(app, target)


@pytest.mark.other_major
@pytest.mark.parametrize("major", [18])
def test_back_from_another_major(major, app, make_cluster, make_database, server_bin, make_task):
    target = make_database(make_cluster("newer", bindir=server_bin(major)))
    task = make_task(dst=target).start().wait_streaming()
    cut_over(task)
    task.wait_back()
    target.sql("UPDATE account SET v = v + 1; TRUNCATE scratch CASCADE; INSERT INTO scratch (v) VALUES ('newer');"
               "UPDATE document SET title = 'newer'; DELETE FROM twins WHERE a = 1", user="app")
    go_back(task)
    task.wait_streaming()
    oracle.assert_equal(target, app, schema=False)
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    cut_over(task)
    oracle.assert_equal(app, target, schema=False)
