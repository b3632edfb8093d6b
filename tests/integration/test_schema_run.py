"""Schema scripts as a part of `run`: before the load, between load and stream, by themselves or not; and `status`."""
import os

import pytest
from harness import oracle, workload
from harness.flow import assert_error
from harness.scripts import Folder, applied, state
from harness.witness import Untouched


@pytest.fixture
def folder(directory):
    return Folder(os.path.join(directory, "sql"))


@pytest.fixture
def plain(source):
    source.sql("CREATE TABLE users (id int PRIMARY KEY, mail text); INSERT INTO users SELECT i, 'm' || i FROM"
               " generate_series(1, 50) i", user="app")
    return source


USERS = "CREATE TABLE users (id int PRIMARY KEY, mail text);\n"


def test_tables_are_made_before_the_load(plain, target, make_task, folder):
    folder.put("1_users.sql", USERS).put("2_more.sql", "ALTER TABLE users ADD COLUMN org int NOT NULL DEFAULT 7;")
    task = make_task(schema={"scripts": folder.path, "auto": True}, target={"prepare": "nothing"})
    task.start().wait_streaming()
    schema = task.status()["schema"]
    assert schema["state"] == "up_to_date" and schema["revision"] == "2" and schema["last_success"]
    assert schema["applied"] == 2 and schema["pending"] == 0 and schema["last_seconds"] >= 0
    assert "Schema     up_to_date, revision 2, 2 applied, 0 pending" in task.ok("status").out
    plain.sql("INSERT INTO users VALUES (51, 'late')")
    task.wait_applied(plain)
    assert target.sql("SELECT count(*), min(org) FROM users") == [(51, 7)]
    task.stop()
    # a younger script is not run under the stream's feet
    folder.put("3_late.sql", "CREATE TABLE late ();")
    task.start().wait_streaming()
    task.wait_log("their moment has passed: 3_late.sql")
    assert task.status()["schema"]["pending"] == 1
    task.stop()
    assert task.status()["schema"]["pending"] == 1
    # what scripts made of the target outlives the task
    task.ok("cleanup", "--yes")
    assert [a[0] for a in applied(target)] == ["1_users.sql", "2_more.sql"]
    assert state(task, "pending_migrations")
    task.ok("cleanup", "--yes")
    assert "nothing is left" in task.cmd("cleanup").out


def test_pending_scripts_are_named_and_nothing_begins(plain, target, make_task, folder):
    folder.put("1_users.sql", USERS).put("2_more.sql", "CREATE TABLE more ();")
    task = make_task(schema={"scripts": folder.path}, target={"prepare": "nothing"})
    with Untouched(plain, target):
        done = task.run_to_end()
        assert_error(done, "schema-pending", 3)
        assert "1_users.sql, 2_more.sql" in done.text
    task.ok("schema", "migrate")
    task.start("--until", "caught-up")
    assert task.wait_exit() == 0, task.tail()
    oracle.assert_equal(plain, target, schema=False)


def test_a_broken_script_ends_the_run_before_the_load(plain, target, make_task, folder):
    folder.put("1_users.sql", USERS + "SELECT nope();\n")
    task = make_task(schema={"scripts": folder.path, "auto": True}, target={"prepare": "nothing"})
    with Untouched(plain, target):
        done = task.run_to_end()
        assert_error(done, "schema-script", 1)
        assert "1_users.sql:2: " in done.text
    target.sql("CREATE TABLE somebodys ()")
    folder.put("1_users.sql", USERS)
    with Untouched(plain, target):
        assert_error(task.run_to_end(), "schema-history", 3)


@pytest.mark.parametrize("mode", ["full-load-and-cdc", "full-load"])
def test_between_load_and_stream(app, target, make_task, folder, make_writers, mode):
    """They find the rows, the indexes and foreign keys of the source; what they add stays out of the stream's way."""
    writers = make_writers(count=1, kind="gentle") if mode == "full-load-and-cdc" else None
    folder.put("1_extra.sql", "CREATE INDEX account_extra ON account (balance);\n"
                              "CREATE TABLE seen AS SELECT count(*) AS rows FROM account;\n"
                              "ALTER TABLE account ADD COLUMN tenant int NOT NULL DEFAULT 3;\n")
    task = make_task(mode=mode, schema={"scripts": folder.path, "auto": True, "when": "after-load"})
    if mode == "full-load":
        assert task.run_to_end().code == 0, task.tail()
    else:
        task.start().wait_streaming()
        task.wait_applied(app)
        writers.stop()
        task.wait_applied(app)
    assert applied(target) == [("1_extra.sql", True)]
    assert target.value("SELECT rows FROM seen") > 0
    assert target.sql("SELECT DISTINCT tenant FROM account") == [(3,)]
    assert app.value("SELECT count(*) FROM account") == target.value("SELECT count(*) FROM account")


def test_between_load_and_stream_it_asks(app, target, make_task, folder):
    folder.put("1_extra.sql", "CREATE INDEX account_extra ON account (balance);\nSELECT nope();")
    task = make_task(schema={"scripts": folder.path, "when": "after-load"})
    done = task.run_to_end()
    assert_error(done, "schema-pending", 3)
    assert "between load and stream: 1_extra.sql" in done.text and task.phase() == "indexing"
    state(task, "pending_migrations")
    assert_error(task.cmd("schema", "migrate"), "schema-script", 1)
    folder.put("1_extra.sql", "CREATE INDEX account_extra ON account (balance);")
    task.ok("schema", "migrate")
    task.start().wait_streaming()
    task.wait_applied(app)
    assert task.status()["schema"]["state"] == "up_to_date"


def test_a_script_that_does_not_fit_the_stream(app, target, make_task, folder):
    folder.put("1_extra.sql", "ALTER TABLE account ADD COLUMN tenant int CHECK (tenant > 0);\n"
                              "UPDATE account SET tenant = 1; ALTER TABLE account ALTER tenant SET NOT NULL;")
    task = make_task(schema={"scripts": folder.path, "auto": True, "when": "after-load"})
    done = task.run_to_end()
    assert_error(done, "schema-differs", 3)
    assert "tenant" in done.text
    target.sql("ALTER TABLE account ALTER tenant DROP NOT NULL")
    task.start().wait_streaming()


def test_a_broken_folder_does_not_stand_in_the_way_of_a_running_task(app, target, make_task, folder):
    folder.put("1_a.sql", "CREATE EXTENSION IF NOT EXISTS pgcrypto;")
    task = make_task(schema={"scripts": folder.path, "auto": True})
    task.start().wait_streaming()
    task.stop()
    folder.put("oops.sql", "")
    task.start().wait_streaming()
    assert task.status()["schema"]["state"] is None
    task.wait_ready()
    assert task.cutover().code == 0
