"""kill -9 in rollback --discard-target-writes: before the fence's COMMIT nothing happened, after it a re-run finishes."""
import json
import re

import psycopg
import pytest
from harness import place
from harness.flow import cut_over

FAULTS = re.findall(r"^F\((\w+),", (place.ROOT / "include/bascule/base/fault.def").read_text(), re.M)
ON_THE_WAY = ["CUTOVER_ARMED", "CUTOVER_LOCKED", "CUTOVER_FENCED", *[f for f in FAULTS if f.startswith("DISCARD_")],
              "CUTOVER_SEQUENCES", "CUTOVER_COMMIT_SENT"]
DISCARD = ("rollback", "--discard-target-writes")


def writable(db):
    try:
        db.sql("UPDATE account SET v = v + 1 WHERE id = 2", user="app")
        return True
    except psycopg.Error as e:
        assert e.sqlstate == "25006", repr(e)
        return False


@pytest.fixture
def killed(app, target, make_task):
    """killed(fault): a task with one write that did not stream back, its discard killed there; its plan."""
    def make(fault):
        task = make_task().start().wait_streaming()
        cut_over(task)
        task.wait_back()
        task.stop()
        target.sql("UPDATE account SET note = 'lost' WHERE id = 4", user="app")
        look = task.ok(*DISCARD, "--dry-run", "--json").out.splitlines()[-1]
        plan = json.loads(look)["report"]["plan_hash"]
        done = task.cmd(*DISCARD, f"--confirm={plan}", env={"BASCULE_FAULT": f"{fault}:kill"})
        assert done.code == -9, repr(done)
        return task, plan
    return make


def assert_discarded(app, target):
    assert app.value("SELECT note FROM account WHERE id = 4") is None
    assert writable(app) and not writable(target)


@pytest.mark.parametrize("fault", ON_THE_WAY)
def test_before_the_commit_nothing_happened(fault, app, target, killed):
    task, plan = killed(fault)
    assert writable(target) and not writable(app)
    done = task.cmd(*DISCARD, f"--confirm={plan}", "--json")
    assert done.code == 0, repr(done)
    given = json.loads(done.out.splitlines()[-1])["report"]["given_up"]
    assert given["transactions"] == 2, given  # that one, and this test's own
    assert_discarded(app, target)


def test_the_stream_back_goes_on_after_a_kill(app, target, killed):
    task, _ = killed("DISCARD_EXPORTED")
    task.start().wait_back()
    assert app.value("SELECT note FROM account WHERE id = 4") == "lost"
    assert task.rollback().code == 0


@pytest.mark.parametrize("how", [("rollback", "--yes"), DISCARD])
def test_between_fence_and_opening(how, app, target, killed):
    """Neither side takes writes; no engine brings back what was discarded; a re-run opens the source."""
    task, _ = killed("CUTOVER_COMMITTED")
    assert not writable(target) and not writable(app)
    refused = task.run_to_end()
    assert refused.code == 3 and "rollback" in refused.err, repr(refused)
    task.ok(*how)
    assert_discarded(app, target)


def test_abort_between_fence_and_opening(app, target, killed):
    """The target takes writes again, and what it has streams back."""
    task, _ = killed("CUTOVER_COMMITTED")
    task.ok("abort")
    assert writable(target) and not writable(app)
    task.start().wait_back()
    assert app.value("SELECT note FROM account WHERE id = 4") == "lost"
    assert task.rollback().code == 0
    assert writable(app) and not writable(target)


def test_after_the_opening(app, target, killed):
    task, plan = killed("CUTOVER_OPENED")
    assert_discarded(app, target)
    done = task.cmd(*DISCARD, f"--confirm={plan}")
    assert done.code == 0 and "already done" in done.out, repr(done)
