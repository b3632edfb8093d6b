"""Who wrote a row of the target that differs: surely somebody else, or unknown; never a false accusation."""
import pytest

SILENT = "SET session_replication_role = replica; "
TABLE = ("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, body text); ALTER TABLE t ALTER body SET STORAGE EXTERNAL;"
         "INSERT INTO t SELECT i, 0, repeat('x', 3000) FROM generate_series(1, 300) i; CREATE TABLE other (id int PRIMARY KEY)")


def written(task):
    """By key: what verify says of each row that differs."""
    done = task.cmd("verify", "--json", timeout=120)
    assert done.code == 4, repr(done)
    return {f["key"]["id"]: f["written"] for f in done.json()["report"]["failures"]}


def test_rows_of_others_are_told(source, target, make_task):
    source.sql(TABLE)
    task = make_task().start().wait_streaming()
    source.sql("UPDATE t SET n = 1")
    task.wait_applied(source)
    target.sql(SILENT + "UPDATE t SET body = 'damaged' WHERE id = 1; INSERT INTO t VALUES (1000, 0); DELETE FROM t WHERE id = 2")
    found = written(task)
    assert {k: v and v["by"] for k, v in found.items()} == {"1": "others", "1000": "others", "2": None}
    assert found["1"]["at"] is None and found["1"]["replication_origin"] is None
    text = task.cmd("verify").text
    assert "somebody else than bascule" in text and "2 of the rows named below were not written by bascule" in text, text
    checks = " ".join(task.cmd("cutover", "--check").text.split())
    assert "3 rows of 1 tables that differ" in checks and "somebody else than bascule wrote" in checks, checks
    # the stream goes on: what is written now is older than its last transaction when it is looked at
    target.sql(SILENT + "UPDATE t SET body = 'damaged too' WHERE id = 3")
    source.sql("INSERT INTO other VALUES (1)")
    task.wait_applied(source)
    assert written(task)["3"]["by"] == "unknown"
    # what was once told is not forgotten
    assert target.sql("SELECT key::json->>'id', writer FROM bascule.failures ORDER BY 1") == [
        ("1", "others"), ("1000", "others"), ("2", None), ("3", "unknown")]
    assert task.cmd("repair", "--apply").code == 0
    assert "differ" not in task.cmd("cutover", "--check").text


@pytest.mark.parametrize("parts", [False, True])
def test_bascule_is_not_accused(parts, source, target, make_task):
    """The row that differs was written last by the stream itself: the damage is in a column that it does not send. Also when
    its transaction came in parts, each with a number of its own."""
    source.sql(TABLE)
    task = make_task(stream={"batch_changes": 100} if parts else {}).start().wait_streaming()
    target.sql(SILENT + "UPDATE t SET body = 'damaged' WHERE id IN (1, 150, 300)")
    source.sql("UPDATE t SET n = n + 1")
    task.wait_applied(source)
    assert target.value("SELECT wrote_parts FROM bascule.resume") in (parts, False)
    assert {k: v["by"] for k, v in written(task).items()} == {"1": "unknown", "150": "unknown", "300": "unknown"}


def test_commit_times_and_replication_origins(source, make_cluster, make_database, make_task):
    server = make_cluster("tracking", settings={"track_commit_timestamp": "on"})
    target = make_database(server)
    source.sql(TABLE)
    task = make_task(dst=target).start().wait_streaming()
    target.sql("SELECT pg_replication_origin_create('elsewhere')")
    target.sql(SILENT + "UPDATE t SET body = 'damaged' WHERE id = 1")
    target.sql(SILENT + "SELECT pg_replication_origin_session_setup('elsewhere'); UPDATE t SET body = 'damaged' WHERE id = 2")
    source.sql("INSERT INTO other VALUES (1)")
    task.wait_applied(source)
    found = written(task)
    assert found["1"]["by"] == "unknown" and found["1"]["at"]
    assert (found["2"]["by"], found["2"]["replication_origin"]) == ("others", "elsewhere")
