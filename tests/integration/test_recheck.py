"""Changed rows are read again while the stream runs: equal ones are done with, different ones are told, and nothing that
is only in motion is called different."""
import threading

from harness.flow import finish
from harness.waiting import wait_until

OFTEN = {"recheck_interval": "300ms", "recheck_rate": 100000}


def damage_as_applied(target, where="NEW.id = 7"):
    """A trigger that makes every change of some rows arrive wrong, as a defect of the apply would."""
    target.sql(f"""CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF {where} THEN NEW.w := 'damaged'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER spoil BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION spoil();
        ALTER TABLE t ENABLE ALWAYS TRIGGER spoil""")


def proof_of(task, table="public.t"):
    return next(t for t in task.status()["tables"] if t["table"] == table)["proof"]


def all_done(task):
    wait_until(lambda: task.status()["proof"]["open_keys"] == 0, 60, "no key is open", dump=task.describe)


def test_equal_rows_are_done_with(app, target, make_task, make_writers):
    writers = make_writers(count=2, kind="random")
    task = make_task(keys=OFTEN).start().wait_streaming()
    for _ in range(4):
        writers.wait_more(300)
        assert task.status()["proof"]["differing_rows"] == 0, task.describe()
    writers.stop()
    task.wait_applied(app)
    all_done(task)
    assert task.status()["proof"]["differing_rows"] == 0, task.describe()
    finish(task, app, target)


def test_a_changed_row_that_differs_is_told(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v int, w text);"
               "INSERT INTO t SELECT i, 0, 'w' FROM generate_series(1, 3000) i")
    task = make_task(keys=OFTEN).start().wait_streaming()
    source.sql("UPDATE t SET v = 1 WHERE id <= 20")
    task.wait_applied(source)
    all_done(task)
    damage_as_applied(target)
    source.sql("UPDATE t SET v = 2 WHERE id BETWEEN 5 AND 9")
    task.wait_applied(source)
    wait_until(lambda: proof_of(task)["differing_rows"] == 1 and proof_of(task)["open_keys"] == 1, 60,
               "the damaged row is told, the others are done with", dump=task.describe)
    assert proof_of(task)["first_difference"] == "different: id=*** (1 bytes) in column w"
    text = " ".join(task.ok("status").out.split())
    assert "1 CHANGED ROWS DIFFER, the first in public.t: different: id=*** (1 bytes)" in text, text
    # Mended by hand and changed once more: told no longer.
    target.sql("DROP FUNCTION spoil CASCADE")
    source.sql("UPDATE t SET w = 'x' WHERE id = 7")
    task.wait_applied(source)
    all_done(task)
    assert proof_of(task)["differing_rows"] == 0
    finish(task, source, target)


def test_a_verified_table_is_told_no_longer(source, target, make_task):
    """Mended by hand, and verified before the next pass: nothing changed since that a pass would look at."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v int, w text);"
               "INSERT INTO t SELECT i, 0, 'w' FROM generate_series(1, 3000) i")
    task = make_task(keys={"recheck_interval": "6s"}).start().wait_streaming()
    damage_as_applied(target)
    source.sql("UPDATE t SET v = 2 WHERE id BETWEEN 5 AND 9")
    wait_until(lambda: proof_of(task)["differing_rows"] == 1, 60, "the damaged row is told", dump=task.describe)
    target.sql("DROP FUNCTION spoil CASCADE; UPDATE t SET w = 'w' WHERE id = 7")
    task.ok("verify", timeout=60)
    wait_until(lambda: proof_of(task)["differing_rows"] == 0 and proof_of(task)["proved"], 60, "the table is proved",
               dump=task.describe)
    finish(task, source, target)


def test_a_commit_that_waits_for_a_standby_of_the_source(make_cluster, target, make_task):
    """It is decoded and applied before anybody on the source sees it: a difference that is none. Told are rows that differ
    when nothing is under way that could have changed them; an open transaction that does not commit delays nothing."""
    cluster = make_cluster("waits", settings={"synchronous_standby_names": "'nobody'", "synchronous_commit": "local"})
    source = cluster.create_database("waits")
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v int, w text); INSERT INTO t SELECT i, 0, 'w' FROM generate_series(1, 3000) i",
               user="app")
    task = make_task(src=source, keys=OFTEN, log={"level": "debug"}).start().wait_streaming()
    task.ok("verify", timeout=60)

    def commit():
        with source.connect(user="app") as c:
            c.execute("SET synchronous_commit = on; UPDATE t SET v = 1 WHERE id = 7; DELETE FROM t WHERE id = 8")
    waiting = threading.Thread(target=commit)
    waiting.start()
    try:
        wait_until(lambda: target.value("SELECT v FROM t WHERE id = 7") == 1, 60, "it is applied", dump=task.describe)
        assert source.value("SELECT v FROM t WHERE id = 7") == 0
        task.wait_log("under way rows=2", timeout=60)
        assert proof_of(task)["differing_rows"] == 0 and proof_of(task)["open_keys"] >= 2, task.describe()
    finally:
        source.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        waiting.join()
    assert source.value("SELECT v FROM t WHERE id = 7") == 1
    all_done(task)
    assert proof_of(task)["differing_rows"] == 0
    with source.connect(user="app") as idle:
        idle.execute("BEGIN; UPDATE t SET v = 5 WHERE id = 100")
        damage_as_applied(target)
        source.sql("UPDATE t SET v = 2 WHERE id BETWEEN 5 AND 9")
        wait_until(lambda: proof_of(task)["differing_rows"] == 1, 60, "the damaged row is told", dump=task.describe)
        idle.execute("ROLLBACK")
