"""Sources and targets of 15 to 18: the whole life of a task to and from each, with either decoder where the server has
it; what an older pg_dump or a missing plugin cannot do is refused with the remedy."""
import pytest
from harness import anything, oracle, strange, workload
from harness.flow import cut_over, finish
from harness.witness import Untouched

pytestmark = pytest.mark.other_major
MAJORS = pytest.mark.parametrize("major", [16, 17, 18])
long = pytest.mark.long
# The engine of these tests ends with the cutover; the way back has tests of its own.
ONE_WAY = {"reverse": "off"}


@pytest.fixture
def other(make_cluster, make_database, server_bin):
    """other(17): an empty database of that major; several of one major share a server."""
    clusters = {}

    def make(major, **kw):
        if major not in clusters:
            clusters[major] = make_cluster(f"pg{major}", bindir=server_bin(major), plugins=None)
        return make_database(clusters[major], **kw)
    return make


def clean_up(task, source, target):
    """After the cutover, by the new server's own hands: nothing of the task stays behind."""
    assert task.wait_exit(60) == 0, task.tail()
    status = task.status()
    assert status["phase"] == "cut-over" and status["engine"] == "stopped", status
    task.ok("cleanup", "--yes")
    for db in (source, target):
        assert not db.has_schema(), f"{db} still has schema bascule"
        assert db.slots() == []
        assert db.value("SELECT count(*) FROM pg_publication WHERE pubname LIKE 'bascule%'") == 0
        assert db.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%bascule%'") == 0
        assert db.value("SELECT count(*) FROM pg_replication_origin WHERE roname LIKE '%bascule%'") == 0


def check_status(task, plugin):
    status = task.status()
    assert status["plugin"] == plugin and status["engine"] == "running"
    assert status["load"]["tables_done"] == status["load"]["tables_total"] > 0
    assert status["lag"]["bytes"] is not None and status["wal"]["status"] == "reserved", status
    assert all(t["state"] == "Table completed" for t in status["tables"]), status["tables"]


@pytest.mark.parametrize("major,plugin", [
    (16, "wal2json"), (18, "pgoutput"), pytest.param(16, "pgoutput", marks=long), pytest.param(17, "wal2json", marks=long),
    pytest.param(17, "pgoutput", marks=long), pytest.param(18, "wal2json", marks=long)])
def test_whole_life_to(major, plugin, other, source, make_task, make_writers):
    """Schema, load, stream, a stop and a start, cutover, cleanup; the application's database and odd tables beside it."""
    target = other(major)
    if plugin == "pgoutput":
        source.sql(strange.Strange(major, 12).text())
        anything.fill(source, major, rounds=3, user="postgres")
    workload.create(source, numeric="bigint" if plugin == "wal2json" else "numeric")
    writers = make_writers(dst=target, kind="gentle", count=2)
    task = make_task(dst=target, plugin=plugin, cutover=ONE_WAY).start().wait_streaming(timeout=120)
    check_status(task, plugin)
    task.ok("stop")
    assert task.wait_exit() == 0, task.tail()
    writers.wait_more(50)
    task.start().wait_streaming()
    finish(task, source, target, writers)
    clean_up(task, source, target)


@MAJORS
def test_whole_life_from(major, other, target, make_task, make_writers):
    """pg_dump 15 refuses newer servers: refused with the remedy before anything is changed, then along the remedy."""
    source = other(major)
    workload.create(source)
    with Untouched(source, target):
        refused = make_task(src=source, task="refused").run_to_end()
    assert refused.code == 3, repr(refused)
    assert f"postgresql-client-{major}" in refused.err and "target.prepare: nothing" in refused.err, refused.err
    target.sql(workload.SCHEMA.format(numeric="numeric(14,4)"), user="app")
    writers = make_writers(src=source, kind="gentle", count=2)
    task = make_task(src=source, target={"prepare": "nothing"}, cutover=ONE_WAY).start().wait_streaming(timeout=120)
    check_status(task, "pgoutput")  # what auto took
    finish(task, source, target, writers)
    clean_up(task, source, target)


@pytest.mark.parametrize("major", [17, pytest.param(16, marks=long), pytest.param(18, marks=long)])
def test_between_databases_of_one_new_major(major, other, make_task):
    """Generated tables, their schema made by SQL on both sides. Triggers would write twice without bascule's silence."""
    source, target = other(major), other(major)
    text = strange.Strange(100 + major, 15).text()
    source.sql(text)
    target.sql(text)
    anything.fill(source, major, rounds=3, user="postgres")
    task = make_task(src=source, dst=target, target={"prepare": "nothing"}, cutover=ONE_WAY).start().wait_streaming(timeout=120)
    anything.fill(source, major + 1, rounds=3, user="postgres")
    cut_over(task)
    oracle.assert_equal(source, target)
    clean_up(task, source, target)


@pytest.mark.parametrize("major", [18, pytest.param(16, marks=long), pytest.param(17, marks=long)])
def test_a_plugin_that_is_not_there(major, other, target, make_task):
    """Found by asking the server for a slot, not by its version."""
    source = other(major)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    target.sql("CREATE TABLE t (id int PRIMARY KEY)")
    task = make_task(src=source, plugin="wal2json", target={"prepare": "nothing"})
    report = task.cmd("check", "--json").json()
    blockers = [f for f in report["findings"] if f["result"] == "blocker"]
    assert len(blockers) == 1 and "wal2json" in blockers[0]["what"] and blockers[0]["remedy"], blockers
    with Untouched(source, target):
        assert task.run_to_end().code == 3
    task.write_config(plugin="auto")
    report = task.cmd("check", "--json").json()
    assert report["plugin"] == "pgoutput" and report["blockers"] == 0


def test_a_compression_that_is_not_there(other, source, make_task):
    """The servers from npm are built without lz4; Debian's knows it."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, \"A v\" text COMPRESSION lz4, w text COMPRESSION pglz);"
               "INSERT INTO t VALUES (1, repeat('x', 10000), 'y')")
    target = other(18)
    if "lz4" in target.value("SELECT enumvals::text FROM pg_settings WHERE name = 'default_toast_compression'"):
        pytest.skip("this server has lz4")

    def blockers():
        return [f for f in task.cmd("check", "--json").json()["findings"] if f["result"] == "blocker"]
    task = make_task(dst=target)
    found, = blockers()
    assert found["code"] == "compression" and "public.t.A v" in found["what"], found
    source.sql(found["remedy"].split("  --")[0])
    assert blockers() == []
    task.start().wait_streaming()
    finish(task, source, target)
