"""bascule verify and tables that are copied again: what was read of an earlier copy says nothing of this one."""
import subprocess

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


def test_a_table_copied_again_while_it_is_read_is_not_proven(source, target, make_task):
    workload.create(source)
    workload.add_bulk(source, 40)
    task = make_task(ddl="apply").start().wait_streaming()
    client = subprocess.Popen([task.binary, "--config", task.file, "verify", "--json", "--max-rate", "8MB", "--jobs", "1",
                               "--max-snapshot-age", "1s", "--tables", "public.bulk"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=task._environment({}), cwd=task.dir)
    wait_until(lambda: target.has_schema() and
               target.value("SELECT to_regclass('bascule.verify_table') IS NOT NULL") and
               target.value("SELECT count(*) FROM bascule.verify_table WHERE next_key IS NOT NULL"), 60,
               "a part of the table is decided", dump=task.describe)
    copy_again(task, source, target, "bulk")
    out, _ = client.communicate(timeout=120)
    assert client.returncode != 0 and b'"proven"' not in out, out
    assert b"copied again" in out or b"suspended" in out, out
    again = task.cmd("verify", "--json", "--tables", "public.bulk", timeout=120)
    assert again.code == 0, repr(again)
