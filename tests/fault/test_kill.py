"""kill -9: at random moments ten times in a row with writers on, and once at each failpoint. Equal at the end, nothing
acknowledged lost, and the slot never ahead of the target."""
import random
import re
import subprocess

import pytest
from harness import oracle, place, workload
from harness.flow import cut_over, finish


FAULTS = re.findall(r"^F\((\w+),", (place.ROOT / "include/bascule/base/fault.def").read_text(), re.M)

# Which part of the way a failpoint belongs to, and what brings the engine there.
REVOKE = ["CUTOVER_REVOKED"]  # only `abort` comes there: integration/test_cutover_model.py
CUTOVER = [f for f in FAULTS if f.startswith("CUTOVER_") and f not in REVOKE]
SPILL = ["STREAM_SPILL"]
STREAM = [f for f in FAULTS if f.startswith(("STREAM_", "APPLY_", "FEEDBACK_", "KEYLOG_")) and f not in SPILL]
VERIFY = [f for f in FAULTS if f.startswith(("VERIFY_", "REPAIR_"))]  # integration/test_verify.py, test_repair.py go there
AUDIT = [f for f in FAULTS if f.startswith("AUDIT_")]  # fault/test_audit_kill.py goes there
DISCARD = [f for f in FAULTS if f.startswith("DISCARD_")]  # fault/test_discard_kill.py goes there
STEPS = [f for f in FAULTS if f.startswith("STEP_")]  # integration/test_schema_steps.py goes there
BACKUP = [f for f in FAULTS if f.startswith(("BACKUP_", "RESTORE_"))]  # integration/test_backup.py goes there
CONFLICT = [f for f in FAULTS if f.startswith("CONFLICT_")]  # fault/test_conflict_kill.py goes there
TABLES = [f for f in FAULTS if f.startswith("TABLES_")]  # fault/test_tables_kill.py goes there
SUSPEND = [f for f in FAULTS if f.startswith(("SUSPEND_", "REJOIN_"))]
LOAD = [f for f in FAULTS
        if f not in CUTOVER + REVOKE + SPILL + STREAM + VERIFY + SUSPEND + AUDIT + DISCARD + STEPS + BACKUP + CONFLICT
        + TABLES]
# After these the fence or the opening is durable: `cutover` again finishes it.
DECIDED = {"CUTOVER_COMMITTED", "CUTOVER_OPENED"}


@pytest.fixture
def killed(record_property):
    """killed(task): it died by the failpoint; the phase goes into the report that tests/run prints."""
    def check(task, timeout=60):
        code = task.wait_exit(timeout)
        assert code == -9, f"ended with {code} instead of being killed\n{task.tail()}"
        record_property("killed", f"{task.phase()}")
    return check


def test_ten_times_in_a_row_at_random_moments(app, target, make_task, make_writers, record_property):
    rng = random.Random()
    seed = rng.randrange(1 << 30)
    rng.seed(seed)
    print(f"seed {seed}")
    workload.add_bulk(app, 120)
    writers = make_writers(count=2, seed=seed % 1000, kind="random")
    task = make_task(load={"jobs": 2, "chunk_size": "8MB"}, stream={"memory": "16MB"})
    for number in range(10):
        task.start()
        # Half of the kills early, so that the load is hit too; not a sleep but a moment by chance.
        moment = rng.uniform(0.2, 1.2) if number < 5 else rng.uniform(0.2, 4.0)
        with pytest.raises(subprocess.TimeoutExpired):
            task.process.wait(moment)  # an end by itself would be a failure
        task.kill()
        record_property("killed", f"after {moment:.2f} s in {task.phase()}")
        if app.slots() and target.has_schema() and target.value("SELECT count(*) FROM bascule.resume"):
            oracle.assert_slot_behind_target(app, target, task.task)
    task.start().wait_streaming(90)
    finish(task, app, target, writers)


@pytest.mark.parametrize("fault", LOAD)
def test_kill_in_the_load(fault, app, target, make_task, make_writers, killed):
    workload.add_bulk(app, 16)
    writers = make_writers(count=2, kind="gentle")
    task = make_task(load={"jobs": 2, "chunk_size": "8MB"})
    task.start(env={"BASCULE_FAULT": f"{fault}@{2 if fault == 'COPY_AFTER_COMMIT' else 1}:kill"})
    killed(task)
    task.start().wait_streaming()
    finish(task, app, target, writers)


@pytest.mark.parametrize("fault", SUSPEND)
def test_kill_while_a_table_is_left_out_and_comes_back(fault, app, target, make_task, make_writers, killed):
    """The rows of the suspended table that nobody applied come back with its copy, whenever the engine dies."""
    writers = make_writers(count=2, kind="gentle")
    task = make_task().start(env={"BASCULE_FAULT": f"{fault}@1:kill"}).wait_streaming()
    app.sql("ALTER TABLE account ADD COLUMN extra int DEFAULT 4; UPDATE account SET extra = id WHERE id % 3 = 0")
    if fault != "SUSPEND_WRITTEN":
        target.sql('ALTER TABLE "public"."account" ADD COLUMN "extra" integer DEFAULT 4')
    killed(task)
    oracle.assert_slot_behind_target(app, target, task.task)
    task.start().wait_streaming()
    if fault == "SUSPEND_WRITTEN":
        target.sql('ALTER TABLE "public"."account" ADD COLUMN "extra" integer DEFAULT 4')
    finish(task, app, target, writers)


@pytest.mark.parametrize("prepare", ["create", "nothing"])
def test_a_killed_full_load_brings_no_row_twice(prepare, source, target, make_task, killed):
    """Without a stream the load starts over under a new snapshot: tables without a key would keep both copies."""
    ddl = "; ".join(f"CREATE TABLE t{i} (v int)" for i in range(4))
    source.sql(ddl)
    for i in range(4):
        source.sql(f"INSERT INTO t{i} SELECT generate_series(1, {100 * (i + 1)})")
    if prepare == "nothing":
        target.sql(ddl)
    task = make_task(mode="full-load", target={"prepare": prepare}, load={"jobs": 1})
    task.start(env={"BASCULE_FAULT": "COPY_AFTER_COMMIT@2:kill"})
    killed(task)
    done = task.run_to_end()
    assert done.code == 0, repr(done)
    assert [target.value(f"SELECT count(*) FROM t{i}") for i in range(4)] == [100, 200, 300, 400]


@pytest.mark.parametrize("hit", [1, 40])
@pytest.mark.parametrize("fault", STREAM)
def test_kill_in_the_stream(fault, hit, app, target, make_task, make_writers, killed):
    writers = make_writers(count=2, kind="random")
    task = make_task(stream={"status_interval": "1s"})
    if fault == "FEEDBACK_BEFORE" and hit > 1:
        hit = 5
    task.start(env={"BASCULE_FAULT": f"{fault}@{hit}:kill"})
    killed(task)
    task.start().wait_streaming()
    finish(task, app, target, writers)


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("fault", SPILL)
def test_kill_while_spilling(fault, hit, source, target, make_task, killed):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    task = make_task(stream={"memory": "8MB"})
    task.start(env={"BASCULE_FAULT": f"{fault}@{hit}:kill"}).wait_streaming()
    with target.connect() as blocker:  # a target that does not take it, so that it spills
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        source.sql("INSERT INTO t SELECT i, repeat('v', 300) FROM generate_series(1, 150000) i;"
                   "UPDATE t SET v = 'u' WHERE id % 2 = 0")
        killed(task)
    assert target.value("SELECT count(*) FROM t") == 0
    task.start().wait_streaming()
    finish(task, source, target)


@pytest.mark.parametrize("fault", CUTOVER)
def test_kill_in_the_cutover(fault, app, target, make_task, make_writers, killed):
    """Before the fence's COMMIT the writers go on at the source by themselves; after it the next `cutover` finishes
    what was decided. Never are both sides open."""
    writers = make_writers(count=2, kind="gentle", after="probe")
    task = make_task().start(env={"BASCULE_FAULT": f"{fault}@1:kill"}).wait_streaming()
    task.wait_ready()
    done = task.cutover()
    assert done.code != 0, repr(done)
    killed(task)
    decision = task.cmd("status", "--json").json()["cutover"]["decision"]
    print(f"decision after the kill at {fault}: {decision}")
    if fault not in DECIDED:
        assert decision in ("none", "revoked"), decision
        writers.wait_more(50)
        assert writers.downtime() is None, "a writer moved although nothing was decided"
        task.start().wait_streaming()
        finish(task, app, target, writers)
        return
    assert decision == {"CUTOVER_COMMITTED": "fenced", "CUTOVER_OPENED": "opened"}[fault]
    again = task.cutover()
    assert again.code == 0, repr(again)
    writers.wait_moved()
    writers.stop()
    writers.assert_never_both_open()
    oracle.assert_equal(app, target, where={"public.heartbeat": "via <> 'after'"})
    writers.assert_nothing_lost(target)


def test_revoke_after_a_kill_between_commit_and_opening(app, target, make_task, make_writers, killed):
    """The other way out of 'fenced': abort gives the source back, and the task can go on."""
    writers = make_writers(count=2, kind="gentle", after="continue")
    task = make_task().start(env={"BASCULE_FAULT": "CUTOVER_COMMITTED@1:kill"}).wait_streaming()
    task.wait_ready()
    task.cutover()
    killed(task)
    done = task.cmd("abort")
    assert done.code == 0, repr(done)
    writers.wait_more(50)
    writers.stop()
    assert task.cmd("status", "--json").json()["cutover"]["decision"] in ("none", "revoked")
    task.start().wait_streaming()
    finish(task, app, target)
    writers.assert_nothing_lost(target)


def test_kill_in_the_rollback(app, target, make_task, make_writers, killed):
    """At every failpoint of the switch, on the way back: before the fence's COMMIT the writers stay on the target and
    the stream goes on; after it the next `rollback` finishes what was decided. Never are both sides open."""
    writers = make_writers(count=2, kind="gentle", after="continue")
    task = make_task().start().wait_streaming()
    cut_over(task)
    writers.wait_on(1)
    sides = [0, 1]
    for fault in [f for f in CUTOVER if f not in DECIDED] + sorted(DECIDED):
        task.wait_back()
        task.stop()
        task.start(env={"BASCULE_FAULT": f"{fault}@1:kill"})
        task.wait_back()
        done = task.rollback()
        assert done.code != 0, f"{fault}: {done!r}"
        killed(task)
        state = task.status()
        if fault not in DECIDED:
            assert state["rollback"]["decision"] in ("none", "revoked"), (fault, state["rollback"])
            writers.wait_more(20)
            writers.assert_windows(sides)
            task.start()
            continue
        if fault == "CUTOVER_COMMITTED":
            assert state["rollback"]["decision"] == "fenced", state
            assert task.cutover().code == 3, "a half done rollback is no cutover"
        done = task.rollback()
        assert done.code == 0, f"{fault}: {done!r}"
        writers.wait_on(0)
        task.start().wait_streaming()
        sides += [0]
        if fault != sorted(DECIDED)[-1]:
            cut_over(task)
            writers.wait_on(1)
            sides += [1]
    writers.stop()
    writers.assert_windows(sides)
    task.wait_applied(app)
    oracle.assert_equal(app, target, schema=False, sequences=False)
    writers.assert_nothing_lost(app)


def test_abort_of_a_rollback_killed_between_commit_and_opening(app, target, make_task, make_writers, killed):
    """The other way out: the target takes writes again, and they stream back as before."""
    writers = make_writers(count=2, kind="gentle", after="continue")
    task = make_task().start().wait_streaming()
    cut_over(task)
    task.wait_back()
    task.stop()
    task.start(env={"BASCULE_FAULT": "CUTOVER_COMMITTED@1:kill"})
    task.wait_back()
    task.rollback()
    killed(task)
    done = task.cmd("abort")
    assert done.code == 0, repr(done)
    writers.wait_more(50)
    task.start().wait_back()
    done = task.rollback()
    assert done.code == 0, repr(done)
    writers.wait_on(0)
    writers.stop()
    writers.assert_windows([0, 1, 0])
    writers.assert_nothing_lost(app)


def test_both_servers_crash_while_it_streams_back(make_cluster, make_database, make_task, make_writers):
    source, target = (make_database(make_cluster(name)) for name in ("source", "target"))
    app = workload.create(source)
    writers = make_writers(src=app, dst=target, count=2, kind="gentle", after="continue")
    task = make_task(src=app, dst=target).start().wait_streaming()
    cut_over(task)
    for db in (target, app):
        task.wait_back()
        db.cluster.crash()
        db.cluster.start()
        writers.wait_more(50)
    task.wait_back()
    done = task.rollback()
    assert done.code == 0, repr(done)
    writers.wait_on(0)
    writers.stop()
    writers.assert_windows([0, 1, 0])
    writers.assert_nothing_lost(app)
    task.wait_applied(app)
    oracle.assert_equal(app, target, schema=False, sequences=False)


@pytest.mark.parametrize("fault,action", [("APPLY_BEFORE_COMMIT", "lost"), ("APPLY_MID", "lost"), ("COPY_MID", "lost"),
                                          ("STREAM_RECEIVED", "lost"), ("APPLY_AFTER_COMMIT", "lost")])
def test_lost_connections_are_mended_without_a_restart(fault, action, app, target, make_task, make_writers):
    writers = make_writers(count=2, kind="random")
    task = make_task().start(env={"BASCULE_FAULT": f"{fault}@3:{action}"})
    task.wait_streaming()
    writers.wait_more(200)
    finish(task, app, target, writers)


def test_every_failpoint_is_in_one_of_the_lists():
    lists = LOAD + STREAM + SPILL + CUTOVER + REVOKE + VERIFY + SUSPEND + AUDIT + DISCARD + STEPS + BACKUP + CONFLICT + TABLES
    assert sorted(lists) == sorted(FAULTS) and len(FAULTS) > 20


def test_unknown_failpoint_is_refused(app, target, make_task):
    done = make_task().cmd("check", env={"BASCULE_FAULT": "NO_SUCH_POINT:kill"})
    assert done.code != 0 and "NO_SUCH_POINT" in done.text, repr(done)

