"""bascule verify and tables that are copied again: what was read of an earlier copy says nothing of this one."""
import json
import subprocess

import pytest
from harness import workload
from harness.waiting import wait_until

TABLE = "CREATE TABLE {0} (id int PRIMARY KEY, v text); INSERT INTO {0} SELECT i, 'v' || i FROM generate_series(1, 500) i"


def copied_at(target, name):
    return target.value("SELECT CASE WHEN suspended_lsn IS NULL THEN start_lsn END::text FROM bascule.table_state "
                        "WHERE table_name = %s", (name,))


def copy_again(task, source, target, name):
    """A column more, and the engine copies the table again."""
    before = copied_at(target, name)
    source.sql(f"ALTER TABLE {name} ADD COLUMN extra int DEFAULT 7")
    wait_until(lambda: task.must_live() and copied_at(target, name) not in (None, before), 60,
               f"{name} is copied again", dump=task.describe)
    task.wait_streaming()


def test_a_run_that_goes_on_reads_a_new_copy_anew(source, target, make_task):
    for name in ("one", "two"):
        source.sql(TABLE.format(name))
    task = make_task(ddl="apply").start(env={"BASCULE_FAULT": "VERIFY_AFTER_SAVE@1:kill"}).wait_streaming()
    assert task.cmd("verify", "--json").code == 6
    wait_until(lambda: not task.alive(), 30, "the engine was killed")
    done = target.value("SELECT table_name FROM bascule.verify_table WHERE verdict = 'proven'")
    task.start().wait_streaming()
    copy_again(task, source, target, done)
    target.sql(f"UPDATE {done} SET extra = 8 WHERE id = 7")
    report = task.cmd("verify", "--json", timeout=120)
    assert report.code == 4, repr(report)
    assert report.json()["report"]["resumed"]
    assert [f["key"] for f in report.json()["report"]["failures"]] == [{"id": "7"}]


def reading(task, target, *args):
    """A comparison of `bulk` that has decided a part of it, and goes slowly."""
    client = subprocess.Popen([task.binary, "--config", task.file, "verify", "--json", "--max-rate", "8MB", "--jobs", "1",
                               "--max-snapshot-age", "1s", "--tables", "public.bulk", *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=task._environment({}), cwd=task.dir)
    wait_until(lambda: target.has_schema() and
               target.value("SELECT to_regclass('bascule.verify_table') IS NOT NULL") and
               target.value("SELECT count(*) FROM bascule.verify_table WHERE next_key IS NOT NULL"), 60,
               "a part of the table is decided", dump=task.describe)
    return client


def ended(client):
    out, _ = client.communicate(timeout=120)
    return client.returncode, json.loads(out)["report"]


def compared(task):
    """Of `bulk`, as soon as it is back: while it is suspended the answer is that it cannot be told."""
    seen = []

    def can_be_told():
        done = task.cmd("verify", "--json", "--tables", "public.bulk", timeout=120)
        seen[:] = [done]
        return done.code in (0, 4)
    wait_until(can_be_told, 60, "bulk can be compared", 0.5, dump=lambda: f"{seen[0]!r}\n{task.describe()}")
    return seen[0].code, seen[0].json()["report"]


def filled_anew(source, rows):
    source.sql(f"CREATE TEMP TABLE kept AS SELECT * FROM bulk ORDER BY id LIMIT {rows}; BEGIN; TRUNCATE bulk;"
               "INSERT INTO bulk SELECT * FROM kept; COMMIT", user="app")


def test_a_table_copied_again_while_it_is_read(source, target, make_task):
    """The parts that were decided say nothing of the new copy, nor do the columns that it had."""
    workload.create(source)
    workload.add_bulk(source, 40)
    task = make_task(ddl="apply").start().wait_streaming()
    client = reading(task, target)
    copy_again(task, source, target, "bulk")
    target.sql("UPDATE bulk SET extra = 8 WHERE id = 1")
    code, report = ended(client)
    table = report["tables"][0]
    assert table["verdict"] != "proven"
    if code == 6:  # it saw the table before the copy was there
        assert "suspended" in table["why"] or "not loaded" in table["why"], report
        code, report = compared(task)
    assert code == 4 and [(f["key"], f["columns"][0]["column"]) for f in report["failures"]] == [({"id": "1"}, "extra")]
    assert report["tables"][0]["source"]["rows"] == source.value("SELECT count(*) FROM bulk")


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_table_that_gets_a_new_file_while_it_is_read(side, source, target, make_task):
    """TRUNCATE and new rows on the source, VACUUM FULL on the target: the table is read from its beginning, and what was
    decided and found before is neither counted nor told."""
    workload.create(source)
    rows = workload.add_bulk(source, 40)
    task = make_task().start().wait_streaming()
    target.sql("UPDATE bulk SET pad = 'damaged' WHERE id IN (2, 3)")
    client = reading(task, target)
    wait_until(lambda: target.value("SELECT count(*) FROM bascule.failures") == 2, 60, "the damage is found")
    if side == "source":
        rows = 20000
        filled_anew(source, rows)
    else:
        target.sql("UPDATE bulk SET pad = (SELECT pad FROM bulk WHERE id = 4) WHERE id IN (2, 3)")
        source.sql("UPDATE bulk SET pad = (SELECT pad FROM bulk WHERE id = 4) WHERE id IN (2, 3)")
        task.wait_applied(source)
        target.sql("VACUUM FULL bulk")
    code, report = ended(client)
    assert code == 0 and report["verdict"] == "proven" and report["failures"] == [], report
    assert target.value("SELECT count(*) FROM bascule.failures") == 0
    table = report["tables"][0]
    assert (table["source"]["rows"], table["target"]["rows"]) == (rows, rows)
    assert table["outside"] is None  # it has no filter: nobody counted
    task.wait_log("read from its beginning")


def test_a_run_that_goes_on_reads_a_truncated_table_anew(source, target, make_task):
    workload.create(source)
    workload.add_bulk(source, 60)
    task = make_task().start(env={"BASCULE_FAULT": "VERIFY_AFTER_SAVE@1:kill"}).wait_streaming()
    target.sql("UPDATE bulk SET pad = 'damaged' WHERE id = 2")
    assert task.cmd("verify", "--tables", "public.bulk", "--max-rate", "16MB").code == 6
    wait_until(lambda: not task.alive(), 30, "the engine was killed")
    assert target.sql("SELECT verdict, chunks > 0, file_source <> '' FROM bascule.verify_table") == [("undecided", True, True)]
    filled_anew(source, 20000)
    task.start().wait_streaming()
    task.wait_applied(source)
    target.sql("UPDATE bulk SET pad = 'damaged' WHERE id = 1")
    done = task.cmd("verify", "--json", "--tables", "public.bulk", timeout=120)
    report = done.json()["report"]
    assert done.code == 4 and report["resumed"], repr(done)
    assert [f["key"] for f in report["failures"]] == [{"id": "1"}]
    assert report["tables"][0]["source"]["rows"] == report["tables"][0]["target"]["rows"] == 20000
