"""The record of who did what: written by every command, copied to both databases, and no change of it goes unseen."""
import hashlib
import json
import os
import re
import subprocess

import pytest
from harness.waiting import wait_until


def path_of(task):
    return os.path.join(task.dir, "w", "audit.log")


def lines_of(task):
    with open(path_of(task), "rb") as f:
        return f.read().split(b"\n")[:-1]


def records_of(task):
    return [json.loads(line) for line in lines_of(task)]


def canonical(value):
    """What docs/operations/audit.md says of the form, said again: by another program."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return re.sub(r"\\u[0-9a-f]{4}", lambda m: "\\u" + m.group()[2:].upper(), text).encode()


def digest(record):
    return hashlib.sha256(canonical({k: v for k, v in record.items() if k != "hash"})).hexdigest()


def steps(task):
    return [(r["action"], r["event"], r["result"]) for r in records_of(task)]


def assert_chain(task):
    before = "0" * 64
    for n, line in enumerate(lines_of(task), 1):
        record = json.loads(line)
        assert line == canonical(record)
        assert (record["seq"], record["prev"], record["hash"]) == (n, before, digest(record))
        before = record["hash"]


def copy_of(db):
    return [r[0].encode() for r in db.sql("SELECT record FROM bascule.audit ORDER BY log, seq")]


def check(task, code):
    done = task.cmd("audit", "verify", "--json")
    assert done.code == code, f"{done!r}\n{task.cmd('audit', 'verify').out}"
    return done.json()


def damage_copy(db, statement):
    """As somebody would who owns the table."""
    db.sql("ALTER TABLE bascule.audit DISABLE TRIGGER audit_refuse")
    db.sql(statement)
    db.sql("ALTER TABLE bascule.audit ENABLE ALWAYS TRIGGER audit_refuse")


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
