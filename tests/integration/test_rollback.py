"""Going back after the target has opened: nothing written there is lost, and one can go forward again."""
import psycopg
import pytest
from harness import oracle, workload
from harness.flow import assert_error, cut_over


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


def test_there_and_back_and_there_again(app, target, make_task):
    task = make_task().start().wait_streaming()
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


def test_five_rounds_under_writers(app, target, make_task, make_writers):
    """Bank, ledger and sequences while the applications follow the open side."""
    money = workload.money(app)
    writers = make_writers(count=3, kind="gentle", after="continue")
    task = make_task(stream={"status_interval": "1s"}).start().wait_streaming()
    for _ in range(5):
        writers.wait_more(100)
        cut_over(task, args=("--max-downtime", "30s"))
        writers.wait_on(1)
        writers.wait_more(100)
        go_back(task, "--max-downtime", "30s")
        writers.wait_on(0)
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
