"""A cutover tried out, put on a date, and in the way of people who do not let go."""
import subprocess
import time

import psycopg
import pytest
from harness import oracle
from harness.flow import assert_error, finish
from harness.waiting import wait_until
from test_cutover_plan import last_report


@pytest.fixture
def streaming(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    return task


def test_rehearsal_does_all_but_the_commit(app, target, make_task, make_writers):
    """Writers only pause; the figures are real; the same plan then is a rehearsed one."""
    writers = make_writers(count=2, kind="bank", after="continue")
    task = make_task().start().wait_streaming()
    task.wait_ready()
    before = app.value("SELECT count(*) FROM pg_trigger WHERE tgname = 'bascule_fence'")
    first = task.cmd("cutover", "--dry-run")
    assert "was not rehearsed yet" in first.text, repr(first)
    done = task.cutover("--rehearse", "--json")
    assert done.code == 0, repr(done)
    report = last_report(done)
    assert report["outcome"] == "rehearsed" and report["opened_at"] is None
    assert 0 < report["downtime_ms"] < 10000
    assert {"freeze", "barrier", "drain", "sequences", "prove", "opening"} <= {p["name"] for p in report["phases"]}
    assert all(t["verdict"] == "equal" for t in report["tables"]) and report["rows_compared"] > 0
    # nothing is left of it, and everybody goes on
    assert app.value("SELECT count(*) FROM pg_trigger WHERE tgname = 'bascule_fence'") == before
    assert task.status()["cutover"]["decision"] == "none"
    writers.wait_more(50)
    assert "was not rehearsed yet" not in task.cmd("cutover", "--dry-run").text
    writers.stop()
    assert not list(writers._lines("M")), "a writer was sent away"
    task.wait_streaming()
    finish(task, app, target)


def test_terminate_blockers_ends_those_that_were_listed(app, target, make_task):
    task = make_task(cutover={"lock_tries": 12, "lock_timeout": "200ms", "terminate_after": 2}).start()
    task.wait_streaming()
    task.wait_ready()
    holder = app.connect("app", application_name="batch job")
    holder.execute("BEGIN")
    holder.execute("UPDATE account SET note = 'private' WHERE id = 1")
    pid = holder.info.backend_pid
    late = app.connect("app", application_name="nightly report")  # nobody told it that the database moves
    done = task.cutover("--terminate-blockers")
    assert done.code == 0, repr(done)
    assert done.out.rstrip().endswith(f"bascule --config {task.file} rollback"), repr(done)
    assert "Left behind    1 sessions on the source" in done.out and "of WAL, up to" in done.out, repr(done)
    assert f"still on the source: pid {late.info.backend_pid}, role app, application nightly report, from local" in done.out
    late.close()
    with pytest.raises(psycopg.OperationalError):
        holder.execute("COMMIT")
    holder.close()
    assert f"ended: pid {pid} (client backend, role app, application batch job" in done.out, repr(done)
    assert "private" not in done.text
    oracle.assert_equal(app, target)


def test_a_crowd_behind_the_freeze_ends_it(app, target, make_task):
    """The freeze is given up when more sessions wait than allowed: the application matters more."""
    task = make_task(cutover={"max_waiting": 2}).start().wait_streaming()
    task.wait_ready()
    task.wait_applied(app)
    hold = target.connect()  # nothing drains as long as the resume row cannot be written
    hold.execute("BEGIN; LOCK TABLE bascule.resume IN EXCLUSIVE MODE")
    cut = subprocess.Popen([task.binary, "--config", task.file, "cutover", "--yes"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    try:
        task.wait_log("tables locked and fenced")
        conns = [app.connect("app") for _ in range(4)]
        for c in conns:
            c.pgconn.send_query(b"UPDATE account SET v = v + 1 WHERE id = 3")
        out, err = cut.communicate(timeout=60)
    finally:
        cut.kill()
        hold.close()
    assert cut.returncode == 7 and "sessions wait behind the freeze, the limit is 2" in out + err, out + err
    for c in conns:
        wait_until(lambda: _answered(c), 20, "the waiting writers go on")
        c.close()
    task.wait_streaming()


def _answered(conn):
    conn.pgconn.consume_input()
    return not conn.pgconn.is_busy()


def test_at_a_time_and_when_nothing_is_in_the_way(app, target, streaming):
    task = streaming
    assert_error(task.cutover("--at", "yesterday"), "usage", 2)
    # An idle transaction for longer than 5 s is a blocker: with --at it is waited for.
    with app.connect("app") as holder:
        holder.execute("BEGIN")
        holder.execute("UPDATE account SET v = v + 1 WHERE id = 1")
        wait_until(lambda: task.cmd("cutover", "--check").code == 3, 30, "the transaction is in the way", 0.5)
        expired = task.cutover("--at", "+1s", "--within", "1s", timeout=60)
        assert expired.code == 3, repr(expired)
        assert "the end of its window" in expired.text and "idle transactions hold" in expired.text, repr(expired)
        task.wait_streaming()
    began = time.time()
    done = task.cutover("--at", "+2s", "--within", "40s", "--json", timeout=90)
    assert done.code == 0, repr(done)
    assert last_report(done)["outcome"] == "cut-over" and time.time() - began >= 2
    oracle.assert_equal(app, target)


def test_abort_ends_the_wait(app, target, streaming):
    task = streaming
    cut = subprocess.Popen([task.binary, "--config", task.file, "cutover", "--yes", "--at", "+1h"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "waiting until" in cut.stdout.readline()
        task.wait_streaming()
        task.ok("abort")
        cut.communicate(timeout=30)
    finally:
        cut.kill()
    assert cut.returncode == 7
    finish(task, app, target)
