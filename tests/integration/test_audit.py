"""The record of who did what: written by every command, copied to both databases, and no change of it goes unseen."""
import json
import os
import re
import subprocess
import threading

import pytest
from harness.audit import assert_chain, canonical, check, copy_of, damage_copy, digest, lines_of, path_of, records_of, steps


@pytest.fixture
def moved(app, target, make_task):
    """Cut over and stopped: both databases have a copy."""
    task = make_task().start().wait_streaming()
    task.wait_ready()
    assert task.cutover().code == 0
    task.wait_phase("reversing")
    task.ok("stop")
    task.wait_exit()
    task.ok("audit", "sync")
    return task


def test_a_migration_is_recorded(app, target, moved):
    assert_chain(moved)
    seen = steps(moved)
    for step in [("run", "begin", None), ("cutover", "begin", None), ("cutover", "request", "taken"),
                 ("cutover", "decision", "armed"), ("cutover", "decision", "fencing"),
                 ("cutover", "decision", "fenced"), ("cutover", "decision", "opened"),
                 ("cutover", "end", "cut-over"), ("cutover", "end", "done"), ("stop", "request", "taken"),
                 ("stop", "end", "done"), ("run", "end", "done")]:
        assert step in seen, f"{step} is not in {seen}"
    order = [seen.index(("cutover", "decision", d)) for d in ("armed", "fencing", "fenced", "opened")]
    assert order == sorted(order)
    opened = records_of(moved)[order[-1]]
    assert opened["by"]["uid"] == os.getuid() and opened["by"]["through"] == "socket" and opened["host"]
    assert len(opened["plan"]) == 16 and opened["epoch"] == 1 and opened["at"].endswith("Z")
    assert copy_of(app) == copy_of(target) == lines_of(moved)
    assert os.stat(path_of(moved)).st_mode & 0o777 == 0o600
    assert check(moved, 0)["verdict"] == "intact"
    shown = moved.ok("audit", "show", "--since", "1h").out
    assert "cut-over" in shown and "bascule cutover --yes" in shown
    assert len(moved.ok("audit", "show", "--json").json()) == len(seen)


def test_commands_that_only_look_are_not_recorded(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    before = len(lines_of(task))
    for args in (["status"], ["check"], ["cutover", "--check"], ["cutover", "--dry-run"], ["audit", "verify"]):
        task.cmd(*args)
    assert len(lines_of(task)) == before


def test_secrets_are_masked(app, target, make_task):
    task = make_task()
    task.cmd("verify", "--source-dsn", "host=/nowhere user=ann dbname=x", env={"BASCULE_SOURCE_PASSWORD": "geheim123"})
    text = b"\n".join(lines_of(task))
    assert b"/nowhere" in text and b"geheim123" not in text


def changed(value):
    if isinstance(value, dict):
        key = sorted(value)[0]
        return {**value, key: changed(value[key])}
    if value is None:
        return "x"
    return value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1:] != "0" else "1")


def with_line(lines, n, line):
    return lines[:n] + ([line] if line is not None else []) + lines[n + 1:]


def tampered_files(lines):
    """(what, the file's new lines, the record that must be named)"""
    n = len(lines) // 2
    record = json.loads(lines[n])
    for field in record:
        yield f"field {field}", with_line(lines, n, canonical({**record, field: changed(record[field])})), n + 1
    forged = {**record, "command": "bascule status"}
    forged["hash"] = digest(forged)
    yield "a record made anew with its hash", with_line(lines, n, canonical(forged)), n + 1
    yield "a blank", with_line(lines, n, lines[n].replace(b'":', b'": ', 1)), n + 1
    yield "removed", with_line(lines, n, None), n + 1
    yield "first removed", lines[1:], 1
    yield "last removed", lines[:-1], len(lines)
    yield "three removed from the end", lines[:-3], len(lines) - 2
    yield "twice", lines[:n] + [lines[n]] + lines[n:], None
    yield "put in", lines[:n] + [canonical({**forged, "detail": "x"})] + lines[n:], n + 1
    yield "no record", with_line(lines, n, b"hello"), n + 1
    yield "empty", [], 1


def named(answer):
    return {f["seq"] for f in answer["findings"]}


def test_every_change_of_the_file_is_found(app, target, moved):
    lines, path, tried = lines_of(moved), path_of(moved), 0
    for what, now, seq in tampered_files(lines):
        with open(path, "wb") as f:
            f.write(b"".join(line + b"\n" for line in now))
        answer = check(moved, 4)
        tried += 1
        assert answer["findings"], what
        assert seq is None or seq in named(answer), f"{what}: {answer}"
        agree = [f["agree"] for f in answer["findings"] if f["seq"] == seq and "agree" in f]
        assert seq is None or ["source", "target"] in agree, f"{what}: {answer}"
    assert tried > 20
    with open(path, "wb") as f:
        f.write(b"".join(line + b"\n" for line in lines))
    assert check(moved, 0)["verdict"] == "intact"


def test_every_change_of_a_copy_is_found(app, target, moved):
    last = len(lines_of(moved))
    everything = "INSERT INTO bascule.audit SELECT * FROM kept ON CONFLICT DO NOTHING; UPDATE bascule.audit a SET" \
                 " record = k.record, seq = k.seq FROM kept k WHERE k.log = a.log AND k.seq = a.seq"
    with pytest.raises(Exception, match="only ever added"):
        target.sql("DELETE FROM bascule.audit")
    for db, name in ((app, "source"), (target, "target")):
        db.sql("CREATE TABLE kept AS TABLE bascule.audit")
        for statement, seq in [("UPDATE bascule.audit SET record = replace(record, 'cutover', 'cutower') WHERE seq = 3", 3),
                               ("DELETE FROM bascule.audit WHERE seq = 4", 4),
                               (f"DELETE FROM bascule.audit WHERE seq >= {last - 3}", last - 3),
                               ("UPDATE bascule.audit SET record = (SELECT record FROM kept WHERE seq = 2) WHERE seq = 5", 5),
                               ("DELETE FROM bascule.audit", 1)]:
            damage_copy(db, statement)
            found = [f for f in check(moved, 4)["findings"] if f["seq"] == seq]
            assert found and name in found[0]["copies"] and name not in found[0]["agree"], f"{statement}: {found}"
            assert "disk" in found[0]["agree"]
            damage_copy(db, everything)
            assert check(moved, 0)["verdict"] == "intact"
        db.sql("DROP TABLE kept")
    damage_copy(target, f"DELETE FROM bascule.audit WHERE seq >= {last - 3}")
    moved.cmd("abort")  # any command fills it in again, and says that it had to
    assert ("audit", "note", "copy-lost-records") in steps(moved)
    assert check(moved, 0)["verdict"] == "intact" and copy_of(target) == lines_of(moved)


def test_many_processes_at_once(app, target, make_task):
    task = make_task()
    commands = [threading.Thread(target=task.cmd, args=("stop",)) for _ in range(8)]
    for thread in commands:
        thread.start()
    for thread in commands:
        thread.join()
    assert_chain(task)
    assert steps(task).count(("stop", "begin", None)) == steps(task).count(("stop", "end", "not-running")) == 8


def test_a_target_that_is_away_is_filled_in_later(make_cluster, make_database, app, make_task):
    own = make_cluster("target")
    target = make_database(own)
    task = make_task(app, target).start().wait_streaming()
    task.kill()
    own.stop()
    done = task.cmd("abort")
    assert done.code != 0 and "filled in later" in done.err, repr(done)
    assert check(task, 6)["verdict"] == "unknown"
    own.start()
    task.ok("audit", "sync")
    assert copy_of(target) == lines_of(task)


def test_cleanup_keeps_the_file(app, target, moved):
    before = lines_of(moved)
    moved.ok("cleanup", "--yes")
    assert lines_of(moved)[:len(before)] == before and ("cleanup", "end", "done") in steps(moved)
    assert not app.has_schema() and not target.has_schema()
    assert check(moved, 0)["verdict"] == "intact"


# the second person ---------------------------------------------------------------------------------

def as_another_user(task, tmp, *args):
    """The same task, by a user with a directory of his own."""
    config = os.path.join(tmp, "bascule.yaml")
    with open(task.file) as f:
        text = re.sub(r"(?m)^work_dir:.*$", f'work_dir: "{tmp}/w"', f.read())
    with open(config, "w") as f:
        f.write(text)
    os.chmod(config, 0o644)
    os.chown(tmp, 65534, 65534)
    done = subprocess.run([task.binary, "--config", config, *args], capture_output=True, text=True, timeout=60,
                          user=65534, group=65534, cwd=tmp, stdin=subprocess.DEVNULL)
    return done


@pytest.fixture
def home(tmp_path_factory):
    import shutil
    import tempfile
    path = tempfile.mkdtemp(prefix="bsc-ap-", dir="/tmp")
    yield path
    shutil.rmtree(path)


def test_a_second_person_must_approve(app, target, make_task, home):
    task = make_task(cutover={"approval": "required"}).start().wait_streaming()
    task.wait_ready()
    plan = task.ok("cutover", "--dry-run", "--json").out.strip().split("\n")[-1]
    plan = json.loads(plan)["report"]["plan_hash"]
    assert task.cutover("--rehearse").code == 0
    refused = task.cutover()
    assert refused.code == 3 and f"bascule approve {plan}" in refused.text, repr(refused)
    task.ok("approve", plan)
    refused = task.cutover()
    assert refused.code == 3 and "by the one who runs" in refused.text, repr(refused)
    done = as_another_user(task, home, "approve", "0" * 16)
    assert done.returncode == 0, done
    assert task.cutover().code == 3, "another plan was approved"
    done = as_another_user(task, home, "approve", plan)
    assert done.returncode == 0 and "approved for" in done.stdout, done
    assert task.cutover().code == 0
    task.wait_back()
    assert task.rollback().code == 0, "a rollback needs nobody"
    answer = check(task, 0)
    assert answer["verdict"] == "intact" and answer["records"] > len(lines_of(task))


def test_an_approval_must_be_a_hash(app, target, make_task):
    for word in ("", "abc", "G" * 16, "0" * 17):
        assert make_task().cmd("approve", word).code == 2
