"""Unlogged tables leave no trace in the WAL: never called proved, never cut over with a difference, followed once they are logged."""
import pytest
from harness.flow import caught_up_and_equal, finish
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])


@PLUGINS
def test_an_unlogged_table_is_never_silently_behind(source, target, make_task, plugin):
    source.sql("CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY, v text); INSERT INTO fleeting SELECT i, 'v' FROM generate_series(1, 100) i;"
               "CREATE TABLE lasting (id int PRIMARY KEY); INSERT INTO lasting SELECT generate_series(1, 100)")
    task = make_task(plugin=plugin).start().wait_streaming()
    assert target.value("SELECT count(*) FROM fleeting") == 100
    found = task.cmd("check")
    assert "UNLOGGED" in found.out and "SET LOGGED" in found.out, repr(found)
    verified = task.cmd("verify")
    assert verified.code != 0 and "unlogged" in verified.text, repr(verified)
    source.sql("UPDATE fleeting SET v = 'changed' WHERE id = 7; INSERT INTO lasting VALUES (1000)")
    task.wait_applied(source)
    for how in ("full", "count", "keys", "auto"):  # as many rows on both sides
        task.wait_ready()
        refused = task.cutover("--verify", how)
        assert refused.code == 4 and "public.fleeting" in refused.text and "SET LOGGED" in refused.text, f"{how}: {refused!r}"
        source.sql("INSERT INTO lasting SELECT max(id) + 1 FROM lasting")  # the source is open
    source.sql("ALTER TABLE fleeting SET LOGGED")
    wait_until(lambda: task.must_live() and target.value("SELECT v FROM fleeting WHERE id = 7") == "changed", 60,
               "it is copied again", 0.1, dump=task.describe)
    wait_until(lambda: task.must_live() and not [t for t in task.status()["tables"] if t["message"] or t["state"] != "Table completed"], 60,
               "no table is suspended", 0.1, dump=task.describe)
    source.sql("UPDATE fleeting SET v = 'followed' WHERE id = 8; DELETE FROM fleeting WHERE id = 9")
    caught_up_and_equal(task, source, target)
    target.sql("ALTER TABLE fleeting SET LOGGED")
    finish(task, source, target)
