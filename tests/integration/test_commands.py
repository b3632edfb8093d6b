"""The command line: help, reports as text and JSON, what they tell, and what they never tell."""
import os
import re

import pytest
from harness import workload
from harness.server import SCRAM_PASSWORD

COMMANDS = ["check", "plan", "run", "stop", "status", "cutover", "abort", "cleanup", "help", "version"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(make_task, command):
    task = make_task()
    flag, word = task.cmd(command, "--help"), task.cmd("help", command)
    assert flag.code == 0 and word.code == 0, repr(flag) + repr(word)
    assert flag.out == word.out and "exit" in flag.out.lower()


def test_version(make_task):
    task = make_task()
    assert re.search(r"\d+\.\d+", task.ok("version").out)
    assert task.ok("--version").out == task.ok("version").out


@pytest.mark.parametrize("command", ["stop", "status", "cutover", "abort"])
def test_commands_for_an_unknown_task(source, target, make_task, command):
    done = make_task().cmd(command, *(["--yes"] if command == "cutover" else []))
    # There is nothing to take back: abort has what it wants.
    assert done.code == (0 if command == "abort" else 3), repr(done)
    assert source.slots() == [] and not target.has_schema()


def test_check_of_a_good_pair(app, target, make_task):
    task = make_task()
    done = task.cmd("check")
    assert done.code in (0, 5), repr(done)
    report = task.cmd("check", "--json")
    assert report.code == done.code
    assert "wal_level" in report.out and report.json()


def test_check_warns_about_what_is_not_moved(app, target, make_task):
    app.sql("CREATE UNLOGGED TABLE lost_on_crash (id int PRIMARY KEY); SELECT lo_create(0);"
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
            "CREATE FOREIGN TABLE elsewhere (id int) SERVER s")
    done = make_task().cmd("check")
    assert done.code in (3, 5), repr(done)
    assert "lost_on_crash" in done.out and "arge object" in done.out, repr(done)


def test_check_names_the_cycle(source, target, make_task):
    source.sql("CREATE TABLE x (id int PRIMARY KEY, y int); CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x);"
               "ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y")
    done = make_task().cmd("check")
    assert done.code in (0, 5), repr(done)
    assert re.search(r"cycle|circ", done.out, re.I), repr(done)


def test_check_names_row_security(source, target, make_task):
    source.sql("CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")
    done = make_task().cmd("check")
    assert "hidden" in done.out, repr(done)


def test_status_tells_the_truth(app, target, make_task):
    task = make_task().start().wait_streaming()
    for _ in range(20):
        app.sql("UPDATE account SET v = v + 1 WHERE id = 1")
    app.sql("INSERT INTO twins VALUES (7), (8); DELETE FROM twins WHERE a = 7")
    task.wait_applied(app)
    status = task.status()
    tables = {t["table"]: t for t in status["tables"]}
    assert tables["public.account"]["state"] == "Table completed"
    assert tables["public.account"]["full_load_rows"] == 500
    assert tables["public.account"]["updates"] == 20
    assert tables["public.twins"]["inserts"] == 2 and tables["public.twins"]["deletes"] >= 1
    assert status["load"]["tables_done"] == status["load"]["tables_total"]
    assert status["stream"]["transactions"] >= 21
    assert status["wal"]["retained_bytes"] is not None
    task.wait_ready()
    text = task.ok("status").out
    assert "streaming" in text and "ready" in text.lower()
    task.stop()
    stopped = task.status()
    assert stopped["engine"] == "stopped"
    # What nobody measures is unknown, not zero.
    assert stopped["lag"]["seconds"] is None or stopped["lag"]["seconds"] >= 0


def test_socket_is_private(app, target, make_task):
    task = make_task().start().wait_streaming()
    path = os.path.join(task.config["work_dir"], "control.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(task.config["work_dir"]).st_mode & 0o077 == 0
    task.stop()
    assert not os.path.exists(path)


def test_no_secret_and_no_row_is_told(source, target, make_task):
    """Log, reports, and the command line of every process of ours."""
    canary = "CANARY-4711-row"
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text CHECK (v <> 'forbidden'))")
    source.sql("INSERT INTO t VALUES (1, %s)", (canary,))
    dsn = source.conninfo("scram_user", tcp=True, sslmode="disable")
    task = make_task(source={"dsn": dsn, "password": SCRAM_PASSWORD}, log={"level": "trace"})
    task.start().wait_streaming()
    with open(f"/proc/{task.process.pid}/cmdline") as f:
        assert SCRAM_PASSWORD not in f.read()
    source.sql("UPDATE t SET v = %s || '2' WHERE id = 1", (canary,))
    task.wait_applied(source)
    reports = [task.cmd(*c.split()).text for c in ("status", "status --json", "plan", "check", "config")]
    target.sql("DELETE FROM t")
    source.sql("UPDATE t SET v = %s || '3' WHERE id = 1", (canary,))
    assert task.wait_exit() == 1
    for text in [task.tail(100000)] + reports:
        assert SCRAM_PASSWORD not in text
        assert canary not in text


def test_watch_wants_a_terminal(app, target, make_task):
    done = make_task().cmd("status", "--watch", timeout=30)
    assert done.code == 2 and "--json" in done.err, repr(done)


def test_environment_and_flags_override_the_file(source, target, make_task):
    workload.create(source)
    task = make_task(plugin="wal2json")
    by_env = task.cmd("config", env={"BASCULE_PLUGIN": "pgoutput"})
    by_flag = task.cmd("config", "--plugin", "auto", env={"BASCULE_PLUGIN": "pgoutput"})
    assert "pgoutput" in by_env.out and "wal2json" not in by_env.out, repr(by_env)
    assert "auto" in by_flag.out and "pgoutput" not in by_flag.out, repr(by_flag)
