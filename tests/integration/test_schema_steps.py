"""Numbered SQL scripts on the target: five states, each script once and whole or not at all, one run at a time."""
import hashlib
import os
import signal
import subprocess

import pytest
from harness.flow import assert_error
from harness.scripts import Folder, applied, state
from harness.waiting import wait_until
from harness.witness import Untouched


@pytest.fixture
def folder(directory):
    return Folder(os.path.join(directory, "sql"))


@pytest.fixture
def task(make_task, folder):
    return make_task(schema={"scripts": folder.path})


def tables(db):
    return [r[0] for r in db.sql("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                                 " WHERE nspname = 'public' AND relkind = 'r' ORDER BY 1")]


def test_from_empty_to_up_to_date(task, folder, target):
    folder.accounts()
    with Untouched(target):
        report = state(task, "empty")
        assert [s["name"] for s in report["pending"]] == ["001_accounts.sql", "002_orders.sql", "003_index.sql"]
        assert task.cmd("schema").code == 5
        dry = task.ok("schema", "migrate", "--dry-run")
        assert dry.out.index("001_") < dry.out.index("002_") < dry.out.index("003_")
    task.ok("schema", "migrate")
    assert tables(target) == ["accounts", "orders"]
    assert target.value("SELECT name FROM accounts") == "a;b"
    assert applied(target) == [("001_accounts.sql", True), ("002_orders.sql", True), ("003_index.sql", True)]
    report = state(task, "up_to_date")
    row = report["applied"][1]
    with open(os.path.join(folder.path, row["name"]), "rb") as f:
        assert row["sha256"] == hashlib.sha256(f.read()).hexdigest()
    assert row["how"] == "run" and row["applied_by"] == "postgres" and row["duration_ms"] >= 0
    with Untouched(target):
        task.ok("schema", "migrate")
    folder.put("V4.1__more.sql", "CREATE TABLE more ();").put("V4__less.sql", "CREATE TABLE less ();")
    report = state(task, "pending_migrations")
    assert [s["revision"] for s in report["pending"]] == ["4", "4.1"]
    task.ok("schema", "migrate", "--target-revision", "4")
    assert tables(target) == ["accounts", "less", "orders"]
    assert state(task, "pending_migrations")["revision"] == "4"
    done = task.cmd("schema", "migrate", "--target-revision", "2")
    assert_error(done, "wrong-state", 3)
    recorded = task.ok("audit", "show").out
    assert "V4__less.sql applied" in recorded and "schema migrate" in recorded


def test_settings_are_those_of_the_role_and_database(task, folder, target):
    """As psql would have them, not those with which rows are copied; and none is left for the next script."""
    target.sql(f"ALTER DATABASE {target.name} SET timezone = 'Europe/Berlin'; ALTER DATABASE {target.name} SET datestyle = 'ISO, DMY'")
    folder.put("001_a.sql", "CREATE TABLE moment (at timestamptz, day date); INSERT INTO moment VALUES ('2024-01-01 00:00', '02/01/2024');"
               " SET timezone = 'Asia/Tokyo'; SET search_path = pg_catalog;")
    folder.put("002_b.sql", "INSERT INTO moment VALUES ('2024-01-01 00:00', '02/01/2024');")
    task.ok("schema", "migrate")
    assert target.sql("SELECT DISTINCT extract(epoch FROM at)::bigint, day::text FROM moment") == [(1704063600, "2024-01-02")]


def test_a_failing_script_leaves_nothing_and_names_its_line(task, folder, target):
    folder.accounts().put("002_orders.sql", "-- ü\nCREATE TABLE orders ();\n\nINSERT INTO accounts VALUES\n"
                                            "  (1, 'ü'),\n  (2, nowhere);\n")
    done = task.cmd("schema", "migrate")
    assert_error(done, "schema-script", 1)
    assert "002_orders.sql:6: " in done.err and 'column "nowhere" does not exist' in done.err, repr(done)
    assert tables(target) == ["accounts"]
    assert applied(target) == [("001_accounts.sql", True)]
    # what the server finds only at the end of the statement, and at the end of the script
    folder.put("002_orders.sql", "CREATE TABLE orders ();\nSELECT 1;\nSELECT 1 / (1 - id)\nFROM generate_series(0, 3) id;\n")
    assert "002_orders.sql:3: " in task.cmd("schema", "migrate").err
    folder.put("002_orders.sql", "CREATE TABLE orders (a int REFERENCES accounts DEFERRABLE INITIALLY DEFERRED);\n"
                                 "INSERT INTO orders VALUES (7);\n")
    done = task.cmd("schema", "migrate")
    assert "002_orders.sql: at its end" in done.err and "foreign key" in done.err, repr(done)
    assert tables(target) == ["accounts"]
    folder.accounts()
    task.ok("schema", "migrate")
    assert tables(target) == ["accounts", "orders"]


def test_the_first_script_fails(task, folder, target):
    folder.put("1_bad.sql", "CREATE TABLE t (); SELECT nope();")
    with Untouched(target):
        assert_error(task.cmd("schema", "migrate"), "schema-script", 1)


@pytest.mark.parametrize("damage, says", [
    (lambda f: f.put("002_orders.sql", "SELECT 2"), "002_orders.sql: the file was changed"),
    (lambda f: f.remove("002_orders.sql"), "002_orders.sql: it was applied at"),
    (lambda f: f.put("002.1_late.sql", "CREATE TABLE late ();"), "002.1_late.sql: it is out of order"),
])
def test_inconsistent_changes_nothing(task, folder, target, damage, says):
    folder.accounts()
    task.ok("schema", "migrate")
    damage(folder)
    folder.put("004_new.sql", "CREATE TABLE fresh ();")
    with Untouched(target):
        report = state(task, "inconsistent")
        assert len(report["problems"]) == 1
        assert says in task.cmd("schema").out
        for args in (["migrate"], ["migrate", "--dry-run"]):
            done = task.cmd("schema", *args)
            assert_error(done, "schema-history", 3)
            assert says in done.err


def test_tables_without_a_history_are_recorded_first(task, folder, target):
    folder.accounts()
    target.sql("CREATE TABLE accounts (id int PRIMARY KEY, name text)")
    target.sql("CREATE TABLE flyway_schema_history (installed_rank int, version text, description text, success bool)")
    target.sql("INSERT INTO flyway_schema_history VALUES (1, '1', 'accounts', true)")
    target.sql("CREATE SCHEMA other; CREATE TABLE other.alembic_version (version_num text)")
    target.sql("INSERT INTO other.alembic_version VALUES ('ae1027a6acf')")
    with Untouched(target):
        report = state(task, "tables_without_migration_history")
        assert [(f["tool"], f["version"]) for f in report["other_histories"]] == [
            ("Alembic", "ae1027a6acf"), ("Flyway", "1")]
        done = task.cmd("schema", "migrate")
        assert_error(done, "schema-history", 3)
        assert "Flyway (public.flyway_schema_history) is at 1" in done.err
        assert_error(task.cmd("schema", "fix-history"), "usage", 2)
        listed = task.cmd("schema", "fix-history", "--target-revision", "1")
        assert_error(listed, "wrong-state", 3)
        assert "001_accounts.sql: recorded as applied" in listed.out and "002" not in listed.out
        task.ok("schema", "fix-history", "--target-revision", "1", "--dry-run")
    task.ok("schema", "fix-history", "--target-revision", "001", "--yes")
    assert state(task, "pending_migrations")["applied"][0]["how"] == "recorded"
    task.ok("schema", "migrate")
    assert tables(target) == ["accounts", "flyway_schema_history", "orders"]
    # back to the beginning, by hand and in the history
    target.sql("DROP TABLE orders, accounts")
    task.ok("schema", "fix-history", "--target-revision", "0", "--yes")
    assert applied(target) == []
    task.ok("schema", "migrate")
    assert state(task, "up_to_date")


def test_only_another_tools_history_is_still_empty(task, folder, target):
    folder.accounts()
    target.sql("CREATE TABLE alembic_version (other text)")
    report = state(task, "empty")
    assert report["other_histories"][0]["version"] is None and report["other_histories"][0]["unknown_because"]


def test_without_a_transaction(task, folder, target):
    folder.accounts().put("004_concurrently.sql", "-- bascule: no-transaction\r\n"
                          "CREATE INDEX CONCURRENTLY accounts_name ON accounts (name);\n"
                          "VACUUM accounts;\n")
    task.ok("schema", "migrate")
    assert target.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'accounts_name'::regclass")
    folder.put("005_broken.sql", "-- bascule: no-transaction\nCREATE TABLE half ();\nSELECT nope();\n")
    done = task.cmd("schema", "migrate")
    assert_error(done, "schema-script", 1)
    assert "005_broken.sql:3: " in done.err and "not in a transaction" in done.err
    assert applied(target)[-1] == ("005_broken.sql", False)
    assert "did not end" in state(task, "inconsistent")["problems"][0]["what"]
    assert_error(task.cmd("schema", "migrate"), "schema-history", 3)
    target.sql("DROP TABLE half")
    folder.put("005_broken.sql", "-- bascule: no-transaction\nCREATE TABLE whole ();\n")
    task.ok("schema", "fix-history", "--target-revision", "4", "--yes")
    task.ok("schema", "migrate")
    assert "whole" in tables(target)


def test_what_a_script_sets_is_not_the_next_ones(task, folder, target):
    target.sql("CREATE ROLE steps_owner; GRANT ALL ON SCHEMA public TO steps_owner")
    try:
        target.sql(f'CREATE SCHEMA place; ALTER DATABASE "{target.name}" SET search_path = place, public')
        folder.put("1_a.sql", "SET ROLE steps_owner; SET search_path = public; CREATE TEMP TABLE t ();"
                              "CREATE TABLE a (); SET default_transaction_read_only = on;")
        folder.put("2_b.sql", "CREATE TABLE b (); CREATE TEMP TABLE t ();")
        task.ok("schema", "migrate")
        assert target.sql("SELECT relname, nspname, rolname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                          " JOIN pg_roles r ON r.oid = relowner WHERE relname IN ('a', 'b') ORDER BY 1") == [
            ("a", "public", "steps_owner"), ("b", "place", "postgres")]
    finally:
        target.sql("DROP OWNED BY steps_owner CASCADE; DROP ROLE steps_owner")


def begun(folder, target, task, script="SELECT pg_sleep(60);"):
    """A migrate that is inside of its second script."""
    folder.put("1_a.sql", "CREATE TABLE a ();").put("2_slow.sql", "CREATE TABLE slow ();\n" + script)
    process = subprocess.Popen([task.binary, "--config", task.file, "schema", "migrate"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=task._environment(None))
    wait_until(lambda: target.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                                    " AND query LIKE 'SELECT pg_sleep%'"), 30, "the slow script runs")
    return process


def test_two_at_once(task, folder, target):
    first = begun(folder, target, task)
    try:
        pid = target.value("SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
        done = task.cmd("schema", "migrate")
        assert_error(done, "already-running", 3)
        assert f"pid {pid}" in done.err
        assert_error(task.cmd("schema", "fix-history", "--target-revision", "0", "--yes"), "already-running", 3)
    finally:
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=30)
    assert first.returncode == 7 and "aborted" in err, err
    assert tables(target) == ["a"]


def test_killed_in_the_middle(task, folder, target):
    process = begun(folder, target, task)
    process.kill()
    process.communicate()
    # The server notices by itself, in the middle of the statement.
    wait_until(lambda: task.cmd("schema", "migrate", "--target-revision", "1").code == 0, 30, "the lock is free")
    assert tables(target) == ["a"]
    folder.put("2_slow.sql", "CREATE TABLE slow ();")
    task.ok("schema", "migrate")
    assert tables(target) == ["a", "slow"]


@pytest.mark.parametrize("point, there", [("STEP_BEFORE_COMMIT", []), ("STEP_AFTER_COMMIT", ["accounts"])])
def test_killed_around_the_commit(task, folder, target, point, there):
    folder.accounts()
    done = task.cmd("schema", "migrate", env={"BASCULE_FAULT": f"{point}@1:kill"})
    assert done.code == -9, repr(done)
    wait_until(lambda: task.cmd("schema", "migrate", "--dry-run").code == 0, 30)
    assert tables(target) == there
    wait_until(lambda: task.cmd("schema", "migrate").code == 0, 30, "the rest")
    assert [a[0] for a in applied(target)] == ["001_accounts.sql", "002_orders.sql", "003_index.sql"]


def test_killed_without_a_transaction(task, folder, target):
    folder.put("1_a.sql", "-- bascule: no-transaction\nCREATE TABLE a ();\nCREATE TABLE b ();")
    assert task.cmd("schema", "migrate", env={"BASCULE_FAULT": "STEP_OPEN@1:kill"}).code == -9
    state(task, "inconsistent")
    assert tables(target) == ["a"]
    target.sql("DROP TABLE a")
    wait_until(lambda: task.cmd("schema", "fix-history", "--target-revision", "0", "--yes").code == 0, 30)
    task.ok("schema", "migrate")
    assert tables(target) == ["a", "b"]


def test_a_time_limit(task, folder, target):
    folder.put("1_a.sql", "CREATE TABLE a ();").put("2_slow.sql", "CREATE TABLE slow ();\nSELECT pg_sleep(60);")
    done = task.cmd("schema", "migrate", "--timeout", "1s")
    assert_error(done, "deadline", 7)
    assert "2_slow.sql:2" in done.err
    assert tables(target) == ["a"]


@pytest.mark.parametrize("name, text, says", [
    ("notes.sql", "SELECT 1", "is not named like a step"),
    ("001_again.sql", "SELECT 1", "two scripts have revision 1"),
    ("2_x.sql", "SELECT 1;\nCOMMIT;", "2_x.sql: line 2: COMMIT"),
    ("2_x.sql", "COPY a FROM stdin;\n1\n\\.", "line 1: COPY"),
    ("2_x.sql", "SELECT 'a", "line 1: a string does not end"),
    ("2_x.sql", "-- bascule: no-transactions\nSELECT 1", "'no-transactions' is not known"),
    ("2_x.sql", "SELECT 1\0;", "zero byte"),
])
def test_wrong_scripts_are_refused_before_anything_runs(task, folder, target, name, text, says):
    folder.put("1_a.sql", "CREATE TABLE a ();").put(name, text)
    with Untouched(target):
        done = task.cmd("schema", "migrate")
        assert_error(done, "config", 2)
        assert says in done.err, repr(done)


def test_wrong_calls(task, folder, make_task, target):
    with Untouched(target):
        assert_error(task.cmd("schema", "migrate"), "config", 2)  # an empty folder
        folder.put("1_a.sql", "SELECT 1")
        assert_error(task.cmd("schema", "up"), "usage", 2)
        assert_error(task.cmd("schema", "migrate", "--target-revision", "7"), "usage", 2)
        assert_error(task.cmd("schema", "migrate", "--target-revision", "x"), "usage", 2)
        assert_error(make_task().cmd("schema"), "config", 2)
        assert_error(make_task(schema={"scripts": folder.path + "/no"}).cmd("schema"), "config", 2)
