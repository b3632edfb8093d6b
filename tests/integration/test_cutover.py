"""The cutover: what it refuses, what it gives back, what it proves, and who may write afterwards."""
import threading

import psycopg
import pytest
from harness import oracle, workload
from harness.flow import assert_error, caught_up_and_equal, cut_over, finish
from harness.waiting import wait_until
from harness.witness import Untouched


def test_dry_run_changes_nothing(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    task.wait_applied(app)
    with Untouched(app):
        done = task.cutover("--dry-run")
        assert done.code == 0, repr(done)
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    task.wait_streaming()
    finish(task, app, target)


def test_report_as_json(app, target, make_task, make_writers):
    writers = make_writers(count=2, kind="gentle")
    task = make_task().start().wait_streaming()
    task.wait_ready()
    done = task.cutover("--json")
    assert done.code == 0, repr(done)
    writers.wait_moved()
    writers.stop()
    last = [line for line in done.out.splitlines() if line.startswith("{")][-1] if "\n{" in done.out else done.out
    text = str(last)
    assert "cut-over" in text and "downtime" in text, done.out
    oracle.assert_equal(app, target, where={"public.heartbeat": "via <> 'after'"})


def test_needs_yes_without_a_terminal(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    done = task.cmd("cutover")
    assert done.code in (2, 3), repr(done)
    assert "--yes" in done.text
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")


def test_refused_with_lag(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    with target.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        app.sql("UPDATE account SET v = v + 1")
        wait_until(lambda: not task.status()["ready_for_cutover"], 20, "lag is seen", dump=task.describe)
        assert task.status()["not_ready_because"]
        assert_error(task.cutover(timeout=30), "lag", 3)
        blocker.execute("ROLLBACK")
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    finish(task, app, target)


def test_refused_during_the_load(app, target, make_task):
    workload.add_bulk(app, 20)
    task = make_task().start(env={"BASCULE_FAULT": "COPY_MID@2:stop=4000"})
    task.wait_phase("loading")
    assert_error(task.cutover(timeout=30), "wrong-state", 3)
    task.wait_streaming()


def test_refused_before_the_task_exists(app, target, make_task):
    done = make_task().cutover(timeout=30)
    assert done.code == 3, repr(done)
    assert app.slots() == [] and not target.has_schema()


def test_again_says_already_done(app, target, make_task):
    task = make_task(cutover={"reverse": "off"}).start().wait_streaming()
    cut_over(task)
    assert task.wait_exit() == 0, task.tail()
    again = task.cutover()
    assert again.code == 0, repr(again)
    back = task.rollback()
    assert_error(back, "wrong-state", 3)
    assert "without a stream back" in back.text, repr(back)


def test_starts_the_engine_itself(app, target, make_task, make_writers):
    task = make_task().start().wait_streaming()
    task.stop()
    writers = make_writers(count=2, kind="gentle")
    writers.wait_more(200)
    done = task.cutover("--max-lag", "30s", timeout=60)
    assert done.code == 0, repr(done)
    writers.wait_moved()
    writers.stop()
    oracle.assert_equal(app, target, where={"public.heartbeat": "via <> 'after'"})
    writers.assert_nothing_lost(target)


def test_a_long_transaction_cannot_freeze_the_application(app, target, make_task):
    """Somebody holds a row: the locks are not had, the budget runs out, writes were never gone for long."""
    task = make_task(cutover={"lock_tries": 3, "lock_timeout": "300ms"}).start().wait_streaming()
    task.wait_ready()
    with app.connect("app") as holder:
        holder.execute("BEGIN")
        holder.execute("UPDATE account SET v = v + 1 WHERE id = 1")
        done = task.cutover("--max-downtime", "3s", timeout=40)
        assert done.code in (1, 3, 7), repr(done)
        assert "hint" in done.text.lower()
        app.sql("SET statement_timeout = '2s'; UPDATE account SET v = v + 1 WHERE id = 2", user="app")
        holder.execute("COMMIT")
    finish(task, app, target)


def test_writes_come_back_when_the_budget_runs_out(app, target, make_task, make_writers):
    """The target hangs in the freeze, so nothing drains: un-frozen by the deadline, nothing lost, and it works later."""
    writers = make_writers(count=2, kind="bank", after="continue")
    task = make_task().start().wait_streaming()
    task.wait_ready()
    with target.connect() as blocker:
        blocker.execute("BEGIN")
        outcome = []
        # Hold the target only once the source is locked, so that the preflight passes.
        thread = threading.Thread(target=lambda: outcome.append(
            task.cutover("--max-downtime", "3s", "--max-lag", "60s", timeout=60)))
        blocker.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        thread.start()
        thread.join()
        done = outcome[0]
        assert done.code in (3, 7), repr(done)
        blocker.execute("ROLLBACK")
    writers.wait_more(100)
    assert writers.longest_gap() < 6, "writes were gone for longer than the budget"
    assert task.status()["cutover"]["decision"] in ("none", "revoked")
    writers.stop()
    caught_up_and_equal(task, app, target)
    finish(task, app, target)


def test_budget_with_a_failpoint(app, target, make_task, make_writers):
    """A pause inside the freeze: the watchdog or the server gives the writes back."""
    writers = make_writers(count=2, kind="bank", after="continue")
    task = make_task().start(env={"BASCULE_FAULT": "CUTOVER_BARRIER:stop=6000"}).wait_streaming()
    task.wait_ready()
    done = task.cutover("--max-downtime", "2s", timeout=60)
    assert done.code in (6, 7), repr(done)
    writers.wait_more(100)
    print(f"longest gap {writers.longest_gap():.2f} s")
    assert writers.longest_gap() < 4
    writers.stop()
    task.wait_streaming()
    finish(task, app, target)


def test_truncate_waits_behind_the_freeze(app, target, make_task):
    """An application's TRUNCATE queues behind the freeze's locks; the comparison must not queue behind it."""
    app.sql("CREATE TABLE emptied (id int PRIMARY KEY, v int); INSERT INTO emptied SELECT i, i FROM generate_series(1, 100) i")
    task = make_task().start(env={"BASCULE_FAULT": "CUTOVER_FENCED:stop=1500"}).wait_streaming()
    task.wait_ready()
    outcome, refused = [], []

    def truncate():
        with app.connect() as conn:
            try:
                conn.execute("TRUNCATE emptied")
            except psycopg.Error as error:
                refused.append(error.sqlstate)

    cutover = threading.Thread(target=lambda: outcome.append(task.cutover(timeout=60)))
    cutover.start()
    wait_until(lambda: app.value("SELECT count(*) FROM pg_locks WHERE granted AND mode = 'ShareRowExclusiveLock'"
                                 " AND relation = 'emptied'::regclass"), timeout=30)
    rude = threading.Thread(target=truncate)
    rude.start()
    wait_until(lambda: app.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
                                 " AND relation = 'emptied'::regclass"), timeout=30)
    cutover.join()
    rude.join()
    assert outcome[0].code == 0, repr(outcome[0])
    assert refused == ["25006"], refused
    oracle.assert_equal(app, target)


def test_abort_gives_writes_back(app, target, make_task, make_writers):
    """While somebody's open transaction keeps the freeze from its locks, the operator thinks better of it."""
    writers = make_writers(count=2, kind="bank", after="continue")
    task = make_task().start().wait_streaming()
    task.wait_ready()
    outcome = []
    with app.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("UPDATE account SET v = v + 1 WHERE id = 1")
        thread = threading.Thread(target=lambda: outcome.append(task.cutover(timeout=60)))
        thread.start()
        task.wait_log("attempt 2 of")
        aborted = task.cmd("abort")
        assert aborted.code == 0, repr(aborted)
        thread.join()
        holder.execute("ROLLBACK")
    assert outcome[0].code == 7, repr(outcome[0])
    assert "aborted" in outcome[0].text
    writers.wait_more(100)
    writers.stop()
    task.wait_streaming()
    finish(task, app, target)


def test_abort_without_a_cutover(app, target, make_task):
    task = make_task().start().wait_streaming()
    done = task.cmd("abort")
    assert done.code in (0, 3), repr(done)
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    task.wait_streaming()


def test_differences_stop_it(app, target, make_task):
    """The proof compares every row: one changed value on the target and the source stays the primary."""
    task = make_task().start().wait_streaming()
    task.wait_ready()
    target.sql("UPDATE account SET note = 'tampered' WHERE id = 77")
    done = task.cutover()
    assert done.code == 4, repr(done)
    assert "public.account" in done.text
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    target.sql("UPDATE account SET note = NULL WHERE id = 77")
    task.wait_streaming()
    finish(task, app, target)


def test_missing_row_is_found_by_count(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    target.sql("DELETE FROM twins WHERE ctid = (SELECT min(ctid) FROM twins)")
    assert task.cutover("--verify", "count").code == 4


def test_sequences_are_ahead(source, target, make_task):
    """Of every kind: by step, descending, cycling, identity, near its end, never used."""
    source.sql("CREATE SEQUENCE up; CREATE SEQUENCE big INCREMENT 10; CREATE SEQUENCE down INCREMENT -1;"
               "CREATE SEQUENCE used_up MAXVALUE 105; CREATE SEQUENCE small AS smallint CYCLE; CREATE SEQUENCE fresh;"
               "CREATE SEQUENCE cached CACHE 50; CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int);"
               "SELECT nextval('up') FROM generate_series(1, 500); SELECT nextval('big') FROM generate_series(1, 50);"
               "SELECT nextval('down') FROM generate_series(1, 50); SELECT nextval('used_up') FROM generate_series(1, 100);"
               "SELECT setval('small', 32000); SELECT nextval('cached');"
               "INSERT INTO t (v) SELECT generate_series(1, 100)")
    task = make_task().start().wait_streaming()
    source.sql("SELECT nextval('up') FROM generate_series(1, 77); INSERT INTO t (v) VALUES (1)")
    finish(task, source, target)
    taken = {r[0] for r in source.sql("SELECT id FROM t")}
    new = {r[0] for r in target.sql("INSERT INTO t (v) SELECT generate_series(1, 2000) RETURNING id")}
    assert not taken & new
    assert target.value("SELECT nextval('up')") > 577
    assert target.value("SELECT nextval('down')") < -50


RUDE = {
    "insert": ("INSERT INTO scratch (v) VALUES ('rude')", "app"),
    "update": ("UPDATE account SET v = v + 1", "app"),
    "delete": ("DELETE FROM document", "app"),
    "truncate": ("TRUNCATE scratch CASCADE", "app"),
    "merge": ("MERGE INTO counted USING (VALUES (1)) n (k) ON counted.k = n.k WHEN MATCHED THEN UPDATE SET n = 0"
              " WHEN NOT MATCHED THEN INSERT VALUES (1, 1, '')", "app"),
    "cte": ("WITH d AS (DELETE FROM keyed RETURNING k) SELECT count(*) FROM d", "app"),
    "superuser": ("UPDATE account SET v = v + 1", "postgres"),
    "replica role": ("SET session_replication_role = replica; UPDATE account SET v = v + 1", "postgres"),
    "read write transaction": ("BEGIN READ WRITE; UPDATE account SET v = v + 1; COMMIT", "app"),
    "partition": ("INSERT INTO event_early VALUES (-5, '2026-01-01', 'rude')", "app"),
    "do block": ("DO $$ BEGIN UPDATE account SET v = 0; END $$", "app"),
    "copy to": ("COPY scratch (v) FROM PROGRAM 'echo rude'", "postgres"),
}


def test_the_source_refuses_everybody_afterwards(app, target, make_task):
    """Also who was connected, in a transaction, or had a statement prepared before."""
    # An old snapshot, prepared statements, an open transaction: from before the fence.
    old = app.connect("app")
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    old.execute("SELECT count(*) FROM heartbeat")
    prepared = app.connect("app")
    prepared.execute("PREPARE p AS UPDATE account SET v = v + 1 WHERE id = $1")
    for _ in range(6):
        prepared.execute("EXECUTE p(1)")
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_back()
    with Untouched(app):
        for name, (statements, user) in RUDE.items():
            with pytest.raises(psycopg.Error) as caught:
                app.sql(statements, user=user)
            assert caught.value.sqlstate == "25006", f"{name}: {caught.value!r}"
        for connection, statement in ((old, "UPDATE account SET v = v + 1"), (prepared, "EXECUTE p(1)")):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            assert caught.value.sqlstate == "25006", repr(caught.value)
            connection.close()
    hint = caught.value.diag.message_hint or ""
    assert str(target.cluster.port) in (hint + str(caught.value)), "the refusal does not name the new primary"
    app.sql("SELECT count(*) FROM account", user="app")
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")


def test_the_target_refuses_others_before(app, target, make_task):
    """Until it opens only bascule writes there; an application that comes too early is told so."""
    task = make_task().start().wait_streaming()
    task.wait_ready()
    with pytest.raises(psycopg.Error):
        target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    cut_over(task)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")


def test_prepared_transaction_blocks_it(app, target, make_task):
    task = make_task(cutover={"lock_tries": 2, "lock_timeout": "200ms"}).start().wait_streaming()
    with app.connect("app") as c:
        c.execute("BEGIN")
        c.execute("UPDATE account SET v = v + 1 WHERE id = 3")
        c.execute("PREPARE TRANSACTION 'forgotten'")
    done = task.cutover(timeout=60)
    assert done.code in (3, 7), repr(done)
    app.sql("COMMIT PREPARED 'forgotten'")
    finish(task, app, target)


def test_many_tables(source, target, make_task):
    """Lock, fence and proof of 300 tables within the budget."""
    source.sql("DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, v text)', i);"
               "EXECUTE format('INSERT INTO t%s SELECT g, g FROM generate_series(1, 20) g', i); END LOOP; END $$")
    task = make_task().start().wait_streaming(90)
    source.sql("UPDATE t17 SET v = 'x'; DELETE FROM t299")
    finish(task, source, target)
