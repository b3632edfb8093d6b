"""The proof in the freeze: by the rows changed since `verify`, and never called more than it is."""
import json
import shutil

import pytest
from harness import oracle
from harness.flow import assert_error, cut_over
from harness.waiting import wait_until

TABLES = """
CREATE TABLE t (id int PRIMARY KEY, v int, w text);
INSERT INTO t SELECT i, 0, md5(i::text) FROM generate_series(1, 5000) i;
CREATE TABLE two (a text, b date, v numeric(9,2), PRIMARY KEY (a, b));
INSERT INTO two SELECT 'a''\\ "' || i, date '2026-01-01' + i, i FROM generate_series(1, 500) i;
CREATE TABLE bare (a int, b text);
INSERT INTO bare SELECT i, 'x' FROM generate_series(1, 100) i;
ALTER TABLE bare REPLICA IDENTITY FULL;
CREATE TABLE emptied (id int PRIMARY KEY);
INSERT INTO emptied SELECT generate_series(1, 50)"""

NO_RECHECK = {"recheck_interval": "0s"}


def proof_of(task, table="public.t"):
    return next(t for t in task.status()["tables"] if t["table"] == table)["proof"]


def report_of(done):
    last = [line for line in done.out.splitlines() if '"report"' in line or '"outcome"' in line]
    report = json.loads(last[-1]) if last else done.json()
    return report.get("report", report)


def proved_by(done):
    return {t["table"].removeprefix("public."): t for t in report_of(done)["tables"]}


@pytest.fixture
def verified(source, target, make_task):
    """A task whose tables are all verified, and some rows changed since: 30 keys of t, 2 of two."""
    source.sql(TABLES)
    task = make_task(keys=NO_RECHECK).start().wait_streaming()
    source.sql("UPDATE t SET v = -1 WHERE id > 4000")
    task.wait_applied(source)  # what is on its way when the verification begins stays open
    done = task.cmd("verify", timeout=120)
    assert done.code == 0, repr(done)
    assert task.status()["proof"]["tables_proved"] == 4, task.describe()
    assert proof_of(task)["open_keys"] == 0
    source.sql("UPDATE t SET v = 1 WHERE id <= 20; INSERT INTO t SELECT i, 1, '' FROM generate_series(6001, 6010) i;"
               "UPDATE two SET b = b + 10000 WHERE v = 7")
    task.wait_applied(source)
    assert (proof_of(task)["open_keys"], proof_of(task, "public.two")["open_keys"]) == (30, 2)
    return task


def test_only_changed_rows_are_read(source, target, verified):
    task = verified
    assert proof_of(task)["proved"] and proof_of(task)["lsn"] and proof_of(task)["age_seconds"] is not None
    source.sql("TRUNCATE emptied; INSERT INTO emptied VALUES (7); INSERT INTO bare VALUES (1, 'new')")
    task.wait_applied(source)
    done = cut_over(task, args=("--verify", "keys", "--json"))
    by = proved_by(done)
    assert {name: t["method"] for name, t in by.items()} == {"t": "keys", "two": "keys", "bare": "full-hash",
                                                              "emptied": "full-hash"}
    assert (by["t"]["keys"], by["two"]["keys"]) == (30, 2)
    assert by["t"]["proof"].startswith(f"verified at {by['t']['base_lsn']} + 30 keys to ")
    assert by["bare"]["proof"].startswith("full hash at ")
    oracle.assert_equal(source, target)


def test_a_changed_row_that_is_damaged_is_found(source, target, verified):
    """Just before the freeze, in a row that changed since the verification; the writes come back."""
    task = verified
    target.sql("SET session_replication_role = replica; UPDATE t SET w = 'damaged' WHERE id = 11;"
               "DELETE FROM two WHERE v = 7")
    done = task.cutover("--verify", "keys")
    assert_error(done, "different", 4)
    assert "id=11" in done.text and "public.t" in done.text and "public.two" in done.text, repr(done)
    assert "damaged" not in done.text
    source.sql("UPDATE t SET v = v + 1 WHERE id = 4999")
    task.wait_streaming()
    target.sql("SET session_replication_role = replica; UPDATE t SET w = md5('11') WHERE id = 11")
    assert_error(task.cutover("--verify", "auto"), "different", 4)  # the other one


def test_a_damaged_row_that_did_not_change(source, target, verified):
    """Every row read in whole finds it. By keys it cannot be found: then nothing may say that all was read, and an
    extra row shows by the count."""
    task = verified
    target.sql("SET session_replication_role = replica; UPDATE t SET w = 'damaged' WHERE id = 3333")
    for mode in ("full", "auto"):
        assert_error(task.cutover("--verify", mode), "different", 4)
    target.sql("SET session_replication_role = replica; INSERT INTO t VALUES (-5, 0, 'extra')")
    assert_error(task.cutover("--verify", "keys"), "different", 4)
    target.sql("SET session_replication_role = replica; DELETE FROM t WHERE id = -5")
    done = cut_over(task, args=("--verify", "keys", "--json"))
    t = proved_by(done)["t"]
    assert t["method"] == "keys" and "full hash" not in t["proof"] and t["source"]["hash"] is None, t
    assert target.value("SELECT w FROM t WHERE id = 3333") == "damaged"


@pytest.mark.parametrize("lost", [False, True])
def test_a_proof_outlives_a_kill_but_not_its_log(lost, source, target, verified):
    task = verified
    task.kill()
    source.sql("UPDATE t SET v = 2 WHERE id BETWEEN 100 AND 104")
    if lost:
        shutil.rmtree(f"{task.dir}/w/keys")
    task.start().wait_streaming()
    task.wait_applied(source)
    wait_until(lambda: task.status()["proof"], 20, "the engine tells of proofs", dump=task.describe)
    assert proof_of(task)["proved"] is not lost
    done = cut_over(task, args=("--verify", "keys", "--json"))
    t = proved_by(done)["t"]
    if lost:
        assert t["method"] == "full-hash"
    else:
        assert t["method"] == "keys" and t["keys"] >= 35, t
    oracle.assert_equal(source, target)


def test_a_verification_that_finds_a_difference_proves_nothing(source, target, verified):
    task = verified
    target.sql("SET session_replication_role = replica; UPDATE t SET w = 'damaged' WHERE id = 3333")
    done = task.cmd("verify", timeout=120)
    assert done.code == 4, repr(done)
    assert not proof_of(task)["proved"] and proof_of(task, "public.two")["proved"]
    assert_error(task.cutover("--verify", "keys"), "different", 4)


@pytest.mark.long
def test_the_time_grows_with_the_keys_not_with_the_table(source, target, make_task):
    """100,000 keys open, at 1, 10 and 100 times the table's size."""
    took = {}
    source.sql("CREATE TABLE t (id bigint PRIMARY KEY, v int, pad text);"
               "INSERT INTO t SELECT i, 0, md5(i::text) FROM generate_series(1, 100000) i")
    task = make_task(keys=NO_RECHECK, release=True).start().wait_streaming()
    for times in (1, 10, 100):
        source.sql("SET synchronous_commit = off; INSERT INTO t SELECT i, 0, md5(i::text) FROM generate_series("
                   f"(SELECT max(id) + 1 FROM t), {times * 100000}) i; ANALYZE t")
        task.wait_applied(source, timeout=600)
        target.sql("ANALYZE t")
        assert task.cmd("verify", timeout=600).code == 0
        source.sql(f"UPDATE t SET v = v + 1 WHERE id % {times} = 0")
        task.wait_applied(source, timeout=300)
        assert proof_of(task)["open_keys"] == 100000
        # One row is damaged, so that the cutover reads all keys and then gives the writes back.
        target.sql(f"SET session_replication_role = replica; UPDATE t SET pad = '' WHERE id = {times * 100000}")
        task.wait_ready()
        done = task.cutover("--verify", "keys", "--max-downtime", "60s", "--max-lag", "60s", "--json", timeout=200)
        assert done.code == 4 and f"id={times * 100000}" in done.text, repr(done)
        took[times] = report_of(done)
        target.sql(f"SET session_replication_role = replica; UPDATE t SET pad = md5(id::text) WHERE id = {times * 100000}")
        print(times, {p["name"]: p["elapsed_ms"] for p in took[times]["phases"]}, took[times]["downtime_ms"])
