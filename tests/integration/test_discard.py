"""rollback --discard-target-writes: the source opens with what has streamed back; the rest stands in a file."""
import hashlib
import json
import os
import pty
import stat

import psycopg
import pytest
from harness import oracle, workload
from harness.flow import assert_error, cut_over
from harness.waiting import wait_until

DISCARD = ("rollback", "--discard-target-writes")


def refused(db, statement="UPDATE account SET v = v + 1 WHERE id = 2"):
    with pytest.raises(psycopg.Error) as caught:
        db.sql(statement, user="app")
    assert caught.value.sqlstate == "25006", repr(caught.value)


def open_with_writes(task, target):
    """Cut over; one transaction streams back, three more are written while nobody streams."""
    cut_over(task)
    task.wait_back()
    target.sql("UPDATE account SET note = 'came back' WHERE id = 3", user="app")
    task.wait_applied(target)
    task.stop()
    target.sql("INSERT INTO scratch (v) VALUES ('lost \"é\"'); UPDATE account SET note = 'lost' WHERE id = 4", user="app")
    target.sql("DELETE FROM document WHERE id = 1", user="app")
    target.sql("UPDATE document SET id = 100005 WHERE id = 5", user="app")


def hash_of(task, **kw):
    done = task.cmd(*DISCARD, "--dry-run", "--json", **kw)
    assert done.code == 0, repr(done)
    report = json.loads(done.out.splitlines()[-1])["report"]
    return report["plan_hash"], report


def read_file(report):
    given = report["given_up"]
    with open(given["file"], "rb") as f:
        data = f.read()
    assert hashlib.sha256(data).hexdigest() == given["sha256"]
    assert len(data) == given["bytes"]
    assert stat.S_IMODE(os.stat(given["file"]).st_mode) == 0o600
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines[0]["applied_lsn"] == given["applied_lsn"]
    assert lines[-1]["transactions"] == given["transactions"] and lines[-1]["changes"] == given["changes"]
    return lines[1:-1]


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_what_did_not_stream_back_stands_in_a_file(plugin, source, target, make_task):
    app = workload.create(source, numeric="bigint")
    task = make_task(plugin=plugin).start().wait_streaming()
    open_with_writes(task, target)
    before = app.sql("SELECT * FROM account ORDER BY id")
    plan, look = hash_of(task)
    assert look["given_up"]["transactions"] == 3 and look["given_up"]["changes"] == 4, look["given_up"]
    assert look["given_up"]["file"] is None and not os.path.exists(os.path.join(task.dir, "w", "discarded"))
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")  # one more, after the look
    done = task.cmd(*DISCARD, f"--confirm={plan}", "--json")
    assert done.code == 0, repr(done)
    report = json.loads(done.out.splitlines()[-1])["report"]
    assert report["outcome"] == "rolled-back" and report["given_up"]["transactions"] == 4
    changes = read_file(report)
    assert [(c["operation"], c["table"]) for c in changes] == [
        ("insert", "scratch"), ("update", "account"), ("delete", "document"), ("update", "document"), ("update", "account")]
    assert changes[0]["xid"] == changes[1]["xid"] != changes[2]["xid"]
    assert {"name": "v", "value": 'lost "é"'} in changes[0]["columns"]
    assert str(changes[3]["identity"][0]["value"]) == "5", changes[3]
    assert str(changes[3]["columns"][0]["value"]) == "100005", changes[3]
    assert all(c["commit_time"] and c["lsn"] for c in changes)
    # the source: what had streamed back and not a row more; open; the target is not
    assert app.sql("SELECT * FROM account ORDER BY id") == before
    assert app.value("SELECT note FROM account WHERE id = 3") == "came back"
    app.sql("UPDATE account SET v = v + 1 WHERE id = 2", user="app")
    refused(target)
    assert target.slots() == []
    # it is done, and says how to go on
    again = task.cmd(*DISCARD, f"--confirm={plan}")
    assert again.code == 0 and "already done" in again.out, repr(again)
    ended = task.run_to_end()
    assert ended.code == 3 and "--target-prepare truncate" in ended.err, repr(ended)
    found = task.cmd("audit", "show", "--json").json()
    mine = [r for r in found if r["result"] == "discarding"]
    assert len(mine) == 1 and report["given_up"]["sha256"] in mine[0]["detail"], mine
    assert task.cmd("audit", "verify").code in (0, 5)
    task.ok("cleanup", "--yes")
    task.write_config(target={"prepare": "truncate"})
    task.start().wait_streaming()
    task.wait_applied(app)
    oracle.assert_equal(app, target, schema=False, sequences=False)
    cut_over(task)


def test_consent(app, target, make_task):
    """Without the hash nothing happens, and the stream back goes on."""
    task = make_task().start().wait_streaming()
    assert "already done" in task.cmd(*DISCARD, "--confirm=0123456789abcdef").out, "the target is not open"
    cut_over(task)
    task.wait_back()
    assert_error(task.cmd(*DISCARD, "--yes"), "usage", 2)
    assert_error(task.cmd(*DISCARD), "usage", 2)
    assert_error(task.cmd(*DISCARD, "--rehearse"), "usage", 2)
    wrong = task.cmd(*DISCARD, "--confirm=0123456789abcdef")
    assert_error(wrong, "plan-changed", 3)
    look = task.cmd(*DISCARD, "--dry-run")
    assert look.code == 0 and "Would discard" in look.out, repr(look)
    assert task.alive() and target.value("SELECT count(*) FROM pg_replication_slots WHERE temporary") == 0
    target.sql("UPDATE account SET note = 'still streaming' WHERE id = 3", user="app")
    task.wait_applied(target)
    task.wait_back()
    assert task.rollback().code == 0
    oracle.assert_equal(target, app)


def test_a_broken_stream_back(app, target, make_task):
    """The usual reason: the target's tables were changed after the opening, and nothing can come back."""
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_back()
    target.sql("UPDATE account SET note = 'before' WHERE id = 3", user="app")
    task.wait_applied(target)
    target.sql("ALTER TABLE account ADD COLUMN extra int DEFAULT 7; DROP TABLE twins")
    target.sql("UPDATE account SET note = 'after' WHERE id = 4", user="app")
    wait_until(lambda: not task.alive(), 60, "the stream back ends", dump=task.describe)
    plan, look = hash_of(task)
    assert look["given_up"]["transactions"] == 1, look["given_up"]
    done = task.cmd(*DISCARD, f"--confirm={plan}", "--json")
    assert done.code == 0, repr(done)
    changes = read_file(json.loads(done.out.splitlines()[-1])["report"])
    assert any(c["name"] == "extra" for c in changes[0]["columns"]), changes
    assert app.value("SELECT note FROM account WHERE id = 3") == "before"
    assert app.value("SELECT note FROM account WHERE id = 4") != "after"
    app.sql("UPDATE account SET v = v + 1 WHERE id = 2", user="app")
    refused(target)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_tables_whose_writes_cannot_be_told(plugin, source, target, make_task):
    """Renamed, made anew, without identity: refused by name, nothing is discarded, and with the remedy it goes on."""
    app = workload.create(source, numeric="bigint")
    task = make_task(plugin=plugin).start().wait_streaming()
    open_with_writes(task, target)
    target.sql("ALTER TABLE account RENAME TO account_old")
    target.sql("UPDATE account_old SET note = 'under another name' WHERE id = 5", user="app")
    done = task.cmd(*DISCARD, "--dry-run")
    assert_error(done, "schema-changed", 3)
    assert "public.account: it is called public.account_old now" in done.text, repr(done)
    target.sql("ALTER TABLE account_old RENAME TO account")
    if plugin == "pgoutput":
        target.sql("DROP TABLE counted; CREATE TABLE counted (k int PRIMARY KEY, n bigint NOT NULL, last text)")
        done = task.cmd(*DISCARD, "--dry-run")
        assert_error(done, "schema-changed", 3)
        assert "public.counted: it was made anew" in done.text, repr(done)
        target.sql("DROP TABLE counted")
    else:
        target.sql("ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_pkey; UPDATE scratch_child SET v = 0 WHERE id = 1")
        done = task.cmd(*DISCARD, "--dry-run")
        assert_error(done, "replica-identity", 3)
        assert "public.scratch_child" in done.text, repr(done)
        return
    plan, look = hash_of(task)
    done = task.cmd(*DISCARD, f"--confirm={plan}", "--json")
    assert done.code == 0, repr(done)
    changes = read_file(json.loads(done.out.splitlines()[-1])["report"])
    assert [c["table"] for c in changes if "under another name" in json.dumps(c)] == ["account_old"], changes
    assert app.value("SELECT note FROM account WHERE id = 5") is None
    refused(target)


def test_nothing_to_discard_without_a_stream_back(app, target, make_task):
    task = make_task(cutover={"reverse": "off"}).start().wait_streaming()
    cut_over(task)
    assert task.wait_exit() == 0
    done = task.cmd(*DISCARD, "--dry-run")
    assert_error(done, "wrong-state", 3)
    assert "pg_dump" in done.text, repr(done)
    refused(app)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")


def test_a_disk_that_takes_no_file(app, target, make_task):
    """Nothing is discarded that is not written down."""
    task = make_task(cutover={"discard_dir": "/proc/nowhere"}).start().wait_streaming()
    open_with_writes(task, target)
    plan, _ = hash_of(task)
    assert task.cmd(*DISCARD, f"--confirm={plan}").code == 1
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    refused(app)
    task.start().wait_phase("reversing")


def on_terminal(task, *answers):
    """The command with a terminal; each answer is typed once its question stands there. Exit code and what was shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(task.binary, [task.binary, "--config", task.file, *DISCARD], task._environment(None))
    shown = b""

    def read_more():
        nonlocal shown
        try:
            shown += os.read(fd, 65536)
        except OSError:  # the other end is closed
            return False
        return True
    try:
        for question, answer in answers:
            while question not in shown and read_more():
                pass
            assert question in shown, shown.decode(errors="replace")
            os.write(fd, answer + b"\n")
        while read_more():
            pass
    finally:
        os.close(fd)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


def test_a_person_is_asked_twice(app, target, make_task):
    task = make_task().start().wait_streaming()
    open_with_writes(task, target)
    name, number = b"Type the target database's name", b"Type the number of transactions (3)"
    code, shown = on_terminal(task, (name, b"no"))
    assert code == 7 and "nothing was done" in shown, shown
    code, shown = on_terminal(task, (name, target.name.encode()), (number, b"2"))
    assert code == 7 and "nothing was discarded" in shown, shown
    assert os.listdir(os.path.join(task.dir, "w", "discarded")) == []
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    number = number.replace(b"3", b"4")
    code, shown = on_terminal(task, (name, target.name.encode()), (number, b"4"))
    assert code == 0 and "Discarded" in shown, shown
    app.sql("UPDATE account SET v = v + 1 WHERE id = 2", user="app")
    refused(target)
