"""The whole way on a live database: load, stream, status, cutover, equality; with either plugin, to every version."""
import pytest
from harness import oracle, workload
from harness.flow import cut_over, finish


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_a_busy_database_moves(plugin, source, target, make_task, make_writers):
    # wal2json 2.5 cannot carry NaN: bascule may refuse numeric columns with it.
    workload.create(source, numeric="bigint" if plugin == "wal2json" else "numeric(14,4)")
    workload.add_bulk(source, 30)
    money = workload.money(source)
    writers = make_writers(count=3)
    task = make_task(plugin=plugin).start().wait_streaming()
    writers.wait_more(300)
    status = task.status()
    assert status["plugin"] == plugin and status["engine"] == "running"
    assert status["load"]["tables_done"] == status["load"]["tables_total"] > 0
    report = finish(task, source, target, writers)
    assert workload.money(target) == money
    downtime = writers.downtime()
    print(f"downtime seen by the writers: {downtime * 1000:.0f} ms\n{report.out}")
    assert downtime < 10
    task.wait_phase("reversing")
    assert task.stop() == 0, task.tail()
    assert task.status()["phase"] == "reversing"


def test_the_application_goes_on_with_everything_after_the_move(app, target, make_task, make_writers):
    """Sequences do not collide, constraints hold, the target is open; nothing acknowledged is lost on the way."""
    writers = make_writers(count=3, after="continue", kind="gentle")
    task = make_task().start().wait_streaming()
    writers.wait_more(100)
    cut_over(task)
    writers.wait_moved()
    writers.wait_more(1000)
    writers.stop()
    writers.assert_nothing_lost(target)
    writers.assert_never_both_open()


def test_money_is_never_seen_in_flight_on_the_target(app, target, make_task, make_writers):
    """Whole transactions only: every state that the target shows is one that the source had."""
    total = workload.money(app)
    writers = make_writers(count=2, kind="bank")
    task = make_task().start().wait_streaming()
    with target.connect() as c:
        seen = [c.execute("SELECT sum(balance), count(*) FROM account").fetchone() for _ in range(300)]
    assert set(seen) == {(total, 500)}
    finish(task, app, target, writers)


def test_until_caught_up_ends_by_itself(app, target, make_task):
    task = make_task()
    done = task.run_to_end("--until", "caught-up")
    assert done.code == 0, repr(done)
    assert "caught up" in done.err
    oracle.assert_equal(app, target, schema=False, sequences=False)


def test_full_load_mode_leaves_no_slot(app, target, make_task):
    task = make_task(mode="full-load")
    done = task.run_to_end()
    assert done.code == 0, repr(done)
    oracle.assert_equal(app, target)
    assert app.slots() == []


def test_changes_only(source, target, make_task):
    """Somebody else brought the rows; the changes behind the slot follow."""
    for db in (source, target):
        db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    task = make_task(mode="cdc", target={"prepare": "nothing"}).start().wait_streaming()
    source.sql("UPDATE t SET v = 'c' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, 'd')")
    task.wait_applied(source)
    task.kill()
    task.start().wait_streaming()
    finish(task, source, target)


def test_stop_and_go_on(app, target, make_task, make_writers):
    writers = make_writers(count=2)
    task = make_task().start().wait_streaming()
    for _ in range(3):
        task.ok("stop")
        assert task.wait_exit() == 0, task.tail()
        status = task.status()
        assert status["engine"] == "stopped"
        writers.wait_more(50)
        task.start().wait_streaming()
    finish(task, app, target, writers)


@pytest.mark.other_major
@pytest.mark.parametrize("major", [16, 17, 18])
def test_to_another_version(major, app, make_cluster, make_database, make_task, make_writers, server_bin):
    target = make_database(make_cluster(f"pg{major}", bindir=server_bin(major)))
    writers = make_writers(dst=target)
    task = make_task(dst=target).start().wait_streaming()
    writers.wait_more(100)
    finish(task, app, target, writers)


@pytest.mark.other_major
@pytest.mark.parametrize("major", [16, 17, 18])
def test_from_another_version(major, target, make_cluster, make_database, make_task, make_writers, server_bin):
    """pg_dump 15 refuses newer servers, so the target's schema is there already."""
    source = make_database(make_cluster(f"pg{major}", bindir=server_bin(major), plugins=None))
    workload.create(source)
    target.sql(workload.SCHEMA.format(numeric="numeric(14,4)"), user="app")
    writers = make_writers(src=source)
    task = make_task(src=source, plugin="pgoutput", target={"prepare": "nothing"}).start().wait_streaming()
    writers.wait_more(100)
    finish(task, source, target, writers)
