"""bascule repair: rows that differ come back to what the source has, between two transactions of the stream."""
import json
import threading

import pytest
from harness import oracle, workload
from harness.damage import DAMAGE, QUIET
from harness.flow import assert_error, caught_up_and_equal, cut_over, finish
from harness.waiting import wait_until

SILENT = "SET session_replication_role = replica; "


def repair(task, *args, expect=0, timeout=120, **kw):
    done = task.cmd("repair", "--json", *args, timeout=timeout, **kw)
    assert done.code == expect, f"{done!r}\n{task.tail(80)}"
    return done.json()["report"]


def verify(task, *args, expect=0):
    done = task.cmd("verify", "--json", *args, timeout=120)
    assert done.code == expect, f"{done!r}\n{task.tail(80)}"
    return done.json()["report"]


def actions(report):
    return sorted((r["table"].removeprefix("public."), r["action"], r["copies"]) for r in report["rows"])


def open_failures(target):
    return target.value("SELECT count(*) FROM bascule.failures WHERE repaired_at IS NULL")


@pytest.mark.parametrize("when", ["at rest", "streaming"])
def test_every_damage_is_repaired_while_writers_run(when, source, target, make_task, make_writers):
    """The judged list of damage; found, planned, repaired, equal by a foreign comparison. A plan changes nothing."""
    workload.create(source)
    source.sql(QUIET, user="app")
    workload.add_bulk(source, 10)
    task = make_task().start().wait_streaming()
    writers = make_writers(count=2) if when == "streaming" else None
    for statement, _ in DAMAGE:
        target.sql(statement)
    target.sql("DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE a = 1 AND b IS NULL);"
               "DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE a = 2);"
               "INSERT INTO keyless VALUES (1000, 'NULL'), (1000, NULL), (1000, NULL)")
    verify(task, expect=4)
    names = [t for _, found in DAMAGE for t, *_ in found or [("public.bulk",)]]
    assert open_failures(target) == len(names) + 4
    plan = repair(task, "--plan", expect=4)
    assert not plan["applied"] and plan["lsn"] and open_failures(target) == len(names) + 4
    done = repair(task, "--apply")
    assert actions(done) == actions(plan)
    assert done["applied"] and done["verdict"] == "proven" and not done["refused"]
    assert done["counts"] == {"inserted": 3, "replaced": 8, "deleted": 4, "equal_already": 0, "kept": 0}
    assert ("keyless", "delete", 2) in actions(done) and ("missing_row", "insert", 1) in actions(done)
    # what was done is recorded, and nothing is open
    assert open_failures(target) == 0
    assert target.sql("SELECT key::json->>'id', repair, repaired_lsn IS NOT NULL AND repaired_at >= failure_time"
                      " FROM bascule.failures WHERE table_name = 'missing_row'") == [("3000", "insert", True)]
    assert target.value("SELECT count(*) FROM bascule.journal WHERE step = 'repair'") == 1
    if writers:
        writers.wait_more(20)
    assert verify(task)["verdict"] == "proven"
    finish(task, source, target, writers)


def test_a_row_that_changes_all_the_time_is_never_set_back(source, target, make_task):
    """The row that is repaired is updated without a pause: what comes later stays on top. The damage stands in a TOASTed
    column, which the stream does not send unless it changes; everything else of the row it would mend by itself."""
    source.sql("CREATE TABLE hot (id int PRIMARY KEY, n bigint, body text); ALTER TABLE hot ALTER body SET STORAGE EXTERNAL;"
               "INSERT INTO hot SELECT i, 0, repeat('x', 5000) FROM generate_series(1, 5) i", user="app")
    task = make_task().start().wait_streaming()
    over = threading.Event()
    failed = []

    def write():
        try:
            with source.connect(user="app") as c:
                while not over.is_set():
                    c.execute("UPDATE hot SET n = n + 1 WHERE id <= 4")
                    c.execute("BEGIN; DELETE FROM hot WHERE id = 5; INSERT INTO hot VALUES (5, 0, 'y'); COMMIT")
        except Exception as e:  # noqa: BLE001 - told below
            failed.append(e)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(4):
            target.sql(SILENT + f"UPDATE hot SET body = repeat('d', 6000) WHERE id = {n + 1}")
            report = repair(task, "--apply", "--fresh")
            assert report["verdict"] == "proven" and report["counts"]["replaced"] == 1, report
        assert task.alive()
    finally:
        over.set()
        writer.join()
    assert not failed, failed
    caught_up_and_equal(task, source, target)


def test_order_of_keys_and_unique_columns(source, target, make_task):
    """Parents and children, cycles, unique values that stand in each other's rows; foreign keys live and not."""
    source.sql("CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, child int);"
               "CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent ON DELETE CASCADE);"
               "INSERT INTO parent SELECT i, 'c' || i FROM generate_series(1, 50) i;"
               "INSERT INTO child SELECT i, i FROM generate_series(1, 50) i;"
               "ALTER TABLE parent ADD FOREIGN KEY (child) REFERENCES child;"
               "UPDATE parent SET child = id WHERE id > 40", user="app")
    task = make_task().start().wait_streaming()
    target.sql(SILENT + "DELETE FROM child WHERE id IN (3, 4, 45); DELETE FROM parent WHERE id IN (3, 45);"
               "INSERT INTO parent VALUES (100, 'c3'); INSERT INTO child VALUES (200, 100);"
               "UPDATE parent SET code = 'x' WHERE id = 7; UPDATE parent SET code = 'c7' WHERE id = 8;"
               "UPDATE parent SET code = 'c8' WHERE id = 7")
    report = repair(task, "--apply", "--fresh")
    assert report["verdict"] == "proven"
    assert report["counts"] == {"inserted": 5, "replaced": 2, "deleted": 2, "equal_already": 0, "kept": 0}
    caught_up_and_equal(task, source, target)


@pytest.mark.parametrize("point", ["REPAIR_HELD", "REPAIR_BEFORE_COMMIT", "REPAIR_AFTER_COMMIT"])
def test_killed_and_run_again(point, app, target, make_task, make_writers):
    """kill -9: all rows or none, the same command again ends it."""
    app.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) i")
    task = make_task().start(env={"BASCULE_FAULT": f"{point}:kill"}).wait_streaming()
    writers = make_writers(count=1)
    target.sql(SILENT + "UPDATE t SET v = 'damaged' WHERE id <= 3; DELETE FROM t WHERE id = 9")
    damaged = "SELECT count(*) FROM t WHERE v = 'damaged'"
    verify(task, expect=4)
    assert task.cmd("repair", "--apply", timeout=120).code == 6
    wait_until(lambda: not task.alive(), 30, "the engine was killed")
    assert target.value(damaged) == (0 if point == "REPAIR_AFTER_COMMIT" else 3)
    assert open_failures(target) == (0 if point == "REPAIR_AFTER_COMMIT" else 4)
    task.start().wait_streaming()
    repair(task, "--apply")
    assert open_failures(target) == 0 and verify(task)["verdict"] == "proven"
    finish(task, app, target, writers)


def test_what_is_refused(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) i;"
               "CREATE TABLE other (id int PRIMARY KEY)", user="app")
    task = make_task()
    assert_error(task.cmd("repair", "--plan"), "not-running", 3)
    task.start().wait_streaming()
    done = task.cmd("repair", "--apply")
    assert done.code == 3 and "verify" in done.text, repr(done)
    for args in (["--apply", "--plan"], ["--max-rows", "0"], ["--max-rows", "many"], ["--tables", "public.none"]):
        assert task.cmd("repair", *args).code == 2, args
    target.sql(SILENT + "UPDATE t SET v = 'secret' WHERE id <= 20")
    verify(task, expect=4)
    done = task.cmd("repair", "--apply", "--max-rows", "19")
    assert done.code == 3 and "20 rows differ" in done.text, repr(done)
    assert target.value("SELECT count(*) FROM t WHERE v = 'secret'") == 20
    assert repair(task, "--apply", "--tables", "public.other")["rows"] == []
    # a trigger of the target that has its own will: nothing is changed, and it is told
    target.sql("CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.v := 'own'; RETURN NEW; END$$;"
               "CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION spoil();"
               "ALTER TABLE t ENABLE ALWAYS TRIGGER spoil")
    assert_error(task.cmd("repair", "--apply"), "different", 4)
    assert target.value("SELECT count(*) FROM t WHERE v = 'secret'") == 20
    target.sql("DROP FUNCTION spoil CASCADE")
    # values and keys are shown only when they are asked for
    text = task.cmd("repair", "--plan", "--mask-keys").text
    assert "secret" not in text and '"id":"*** (' in text and "PLAN" in text, text
    assert "secret" in task.cmd("repair", "--plan", "--show-values").text
    done = task.cmd("repair", "--apply", "--keys-only")
    assert done.code == 0 and "REPAIRED" in done.out and "20 replaced" in done.out, repr(done)
    task.wait_ready()
    cut_over(task)
    done = task.cmd("repair", "--apply")
    assert done.code == 3, repr(done)
    oracle.assert_equal(source, target)


def test_just_before_the_freeze(source, target, make_task):
    """The cutover finds the damage, gives the writes back; verify names it, repair mends it, the cutover proves it."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 500) i;"
               "CREATE TABLE bare (a int, b text); ALTER TABLE bare REPLICA IDENTITY FULL;"
               "INSERT INTO bare SELECT i % 10, NULL FROM generate_series(1, 50) i", user="app")
    task = make_task().start().wait_streaming()
    target.sql(SILENT + "UPDATE t SET v = NULL WHERE id = 500; UPDATE bare SET b = '' WHERE a = 3")
    assert_error(task.cutover(), "different", 4)
    source.sql("UPDATE t SET v = 'later' WHERE id = 1")
    task.wait_streaming()
    found = verify(task, expect=4)
    assert {f["table"] for f in found["failures"]} == {"public.t", "public.bare"}
    assert all(f["first_lsn"] and f["first_seen_at"] for f in found["failures"])
    assert repair(task, "--apply")["counts"] == {"inserted": 5, "replaced": 1, "deleted": 5, "equal_already": 0, "kept": 0}
    task.wait_ready()
    cut_over(task)
    oracle.assert_equal(source, target)


def test_first_seen_stays_and_repaired_rows_are_kept(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i")
    task = make_task().start().wait_streaming()
    target.sql(SILENT + "UPDATE t SET v = '' WHERE id = 1")
    first = verify(task, expect=4)["failures"][0]
    source.sql("INSERT INTO t VALUES (11)")
    task.wait_applied(source)
    again = verify(task, expect=4)["failures"][0]
    assert again["first_lsn"] == first["first_lsn"] == first["lsn"] and again["lsn"] != first["lsn"]
    repair(task, "--apply")
    assert verify(task)["verdict"] == "proven"
    assert target.value("SELECT count(*) FROM bascule.failures WHERE repair = 'replace'") == 1
    target.sql(SILENT + "UPDATE t SET v = '' WHERE id = 1")
    third = verify(task, expect=4)["failures"][0]
    assert third["first_lsn"] == third["lsn"] and open_failures(target) == 1
    columns = [c[0] for c in target.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'bascule.failures'::regclass"
                                        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum")]
    assert columns[:8] == ["task_name", "table_owner", "table_name", "failure_time", "key_type", "key",
                           "failure_type", "details"]
    assert json.loads(target.value("SELECT details FROM bascule.failures"))[0]["column"] == "v"
