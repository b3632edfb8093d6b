"""Killed while it writes the audit, and a disk that does not take it."""
import json

import pytest
from harness.audit import assert_chain, check, lines_of, path_of, records_of, steps


@pytest.mark.parametrize("hit", [1, 2])
def test_killed_before_a_record(app, target, make_task, hit):
    task = make_task()
    assert task.cmd("stop", env={"BASCULE_FAULT": f"AUDIT_WRITE@{hit}:kill"}).code == -9
    assert task.cmd("stop").code == 3
    assert_chain(task)
    assert len(lines_of(task)) == 2 + hit - 1


@pytest.mark.parametrize("left", [1, 40, -1])
def test_half_a_record(app, target, make_task, left):
    """What a kill in the middle of a write leaves is kept, and the next record names it."""
    task = make_task()
    for _ in range(2):
        task.cmd("stop")
    lines = lines_of(task)
    with open(path_of(task), "wb") as f:
        f.write(b"".join(line + b"\n" for line in lines[:-1]) + lines[-1][:left])
    torn = lines[-1][:left]
    check(task, 5)
    task.cmd("stop")
    with open(path_of(task), "rb") as f:
        now = f.read()
    assert torn + b"\n" in now
    notes = [r for line in now.split(b"\n")[:-1] if line.startswith(b"{") and line != torn
             for r in [json.loads(line)] if r["result"] == "torn"]
    assert len(notes) == 1 and notes[0]["detail"].startswith(f"{len(torn)} bytes")
    answer = check(task, 5)
    assert answer["verdict"] == "intact" and "says so" in answer["warnings"][0]
    with open(path_of(task), "wb") as f:
        f.write(now.replace(torn + b"\n", b"x" + torn[1:] + b"\n" if left != 1 else b"y\n"))
    assert check(task, 4)["findings"]


def test_a_line_end_that_is_missing(app, target, make_task):
    task = make_task()
    task.cmd("stop")
    with open(path_of(task), "rb+") as f:
        f.seek(-1, 2)
        f.truncate()
    task.cmd("stop")
    assert_chain(task)
    assert len(records_of(task)) == 4


def test_a_disk_that_takes_no_record(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    full = {"BASCULE_FAULT": "AUDIT_WRITE:error"}
    done = task.cutover(env=full)
    assert done.code == 1 and "audit" in done.err and "rollback" in done.err, repr(done)
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    done = task.cmd("abort", env=full)
    assert done.code == 3 and "going on" in done.err, repr(done)
    assert_chain(task)
    assert ("abort", "begin", None) in steps(task), "it is written as soon as the disk takes it"
