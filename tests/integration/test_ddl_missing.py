"""A table that the target lacks waits for its operator; others that are suspended come back meanwhile."""
import pytest
from harness.flow import caught_up_and_equal, finish
from harness.waiting import wait_until


def table_of(task, name):
    return {t["table"]: t for t in task.status()["tables"]}.get(f"public.{name}") or {}


def statement_for(task, name):
    return wait_until(lambda: task.must_live() and table_of(task, name).get("statement"), 60, f"a statement for {name}",
                      0.1, dump=task.describe)


def wait_back(task, name):
    wait_until(lambda: task.must_live() and table_of(task, name).get("message") == "", 60, f"{name} is back", 0.1,
               dump=task.describe)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_a_table_comes_back_while_another_is_still_missing(source, target, make_task, plugin):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 300) i")
    task = make_task(plugin=plugin).start().wait_streaming()
    source.sql("CREATE TABLE missing (id int PRIMARY KEY); INSERT INTO missing VALUES (1);"
               "ALTER TABLE t ADD COLUMN extra int DEFAULT 7")
    create = statement_for(task, "missing")
    target.sql(statement_for(task, "t"))
    wait_back(task, "t")
    assert table_of(task, "missing")["message"].startswith("suspended")
    target.sql(create)
    wait_back(task, "missing")
    caught_up_and_equal(task, source, target)
    assert target.value("SELECT count(*) FROM pg_trigger WHERE tgname = 'bascule_fence' AND tgenabled = 'A'") == 2
    finish(task, source, target)
