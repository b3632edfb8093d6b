"""The log of changed keys: what changed is in it after every kill, and losing it is seen."""
import shutil

import pytest
from harness.flow import finish
from harness.waiting import wait_until

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 20000) i"


def proof_of(task, table="public.t"):
    """None while an engine that was just started does not know its log yet: waited for."""
    return wait_until(lambda: next((t["proof"] for t in task.status()["tables"] if t["table"] == table), None), 60,
                      "the engine tells of proofs", dump=task.describe)


def wait_noting(task, table="public.t"):
    """Caught up since the start: keys of tables that were never verified are noted too."""
    wait_until(lambda: task.phase() == "streaming" and proof_of(task, table)["open_keys"] is not None, 60,
               "keys are noted", dump=task.describe)


@pytest.mark.parametrize("fault", ["KEYLOG_WRITE@4", "KEYLOG_FLUSHED@3", "APPLY_BEFORE_COMMIT@6", "APPLY_AFTER_COMMIT@5"])
def test_no_key_is_lost_by_a_kill(fault, source, target, make_task):
    """Each transaction changes rows of its own, until the engine is dead: every one of them is open afterwards."""
    source.sql(TABLE)
    task = make_task().start().wait_streaming()
    task.ok("verify")  # from here on nothing may be lost, whatever the phase
    task.stop()
    task.start(env={"BASCULE_FAULT": f"{fault}:kill"}).wait_streaming()
    changed = 0
    with source.connect() as c:
        while task.alive() and changed < 20000:
            c.execute("UPDATE t SET v = v + 1 WHERE id BETWEEN %s AND %s", (changed + 1, changed + 10))
            changed += 10
    assert task.wait_exit() == -9, task.tail()
    task.start().wait_streaming()
    # What the target has already is behind what the stream sends again, and notes again.
    proof = wait_until(lambda: (found := proof_of(task))["open_keys"] >= changed and found, 60, "every key is open",
                       dump=lambda: f"{changed} {proof_of(task)}\n{task.describe()}")
    assert not proof["needs_whole_proof"], proof
    assert proof["open_keys"] <= 2 * changed + 20, (changed, proof)
    assert "begins anew" not in task.tail(200)
    finish(task, source, target)


def test_a_lost_log_is_noticed(source, target, make_task):
    source.sql(TABLE)
    task = make_task().start().wait_streaming()
    source.sql("UPDATE t SET v = 1 WHERE id <= 100; CREATE TABLE other (a int)")
    task.wait_applied(source)
    assert proof_of(task)["open_keys"] == 100
    task.stop()
    shutil.rmtree(f"{task.dir}/w/keys")
    source.sql("DROP TABLE other")
    task.start()
    wait_noting(task)
    source.sql("UPDATE t SET v = 2 WHERE id <= 7")
    task.wait_applied(source)
    assert proof_of(task)["open_keys"] == 7
    finish(task, source, target)


def test_a_backlog_is_noted_for_verified_tables_only(source, target, make_task):
    """What was never verified is read in whole at the cutover anyhow; once it is, its keys are noted whatever the phase."""
    source.sql(TABLE + "; CREATE TABLE u AS SELECT * FROM t; ALTER TABLE u ADD PRIMARY KEY (id);"
               "CREATE TABLE bare (a int); ALTER TABLE bare REPLICA IDENTITY FULL")
    task = make_task(keys={"recheck_interval": "0s"}).start().wait_streaming()
    task.ok("verify", "--tables", "public.t")
    task.stop()
    source.sql("UPDATE t SET v = 1 WHERE id <= 100; UPDATE u SET v = 1 WHERE id <= 100; INSERT INTO bare VALUES (1)")
    task.start().wait_streaming()
    task.wait_applied(source)
    assert proof_of(task)["proved"] and proof_of(task)["open_keys"] == 100, proof_of(task)
    task.wait_log("of tables that were never verified tables=2")
    wait_noting(task, "public.u")
    before = proof_of(task, "public.u")["open_keys"]
    assert before <= 100 and proof_of(task, "public.bare")["needs_whole_proof"]
    source.sql("UPDATE u SET v = 2 WHERE id BETWEEN 1001 AND 1010")
    task.wait_applied(source)
    assert proof_of(task, "public.u")["open_keys"] == before + 10
    task.ok("verify")
    task.stop()
    source.sql("UPDATE u SET v = 3 WHERE id <= 20")
    task.start().wait_streaming()
    task.wait_applied(source)
    assert proof_of(task, "public.u")["proved"] and proof_of(task, "public.u")["open_keys"] == 20
    finish(task, source, target)


def test_what_has_no_key_needs_a_whole_proof(source, target, make_task):
    source.sql(TABLE + "; CREATE TABLE bare (a int, b text); ALTER TABLE bare REPLICA IDENTITY FULL;"
               "CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone SELECT generate_series(1, 10)")
    task = make_task().start().wait_streaming()
    source.sql("UPDATE t SET id = -id WHERE id <= 5; DELETE FROM t WHERE id = 6")
    assert not proof_of(task, "public.bare")["needs_whole_proof"]
    source.sql("INSERT INTO bare VALUES (1, 'x')")
    source.sql("TRUNCATE gone")
    task.wait_applied(source)
    assert proof_of(task)["open_keys"] == 11  # five old keys, five new ones, one deleted
    assert proof_of(task, "public.bare")["why"] == "changed, and it has no key"
    assert proof_of(task, "public.gone")["why"] == "truncated"
    text = task.ok("status").out
    assert "2 need a whole proof" in text and "11 changed keys open" in text, text
    task.kill()
    task.start().wait_streaming()
    task.wait_applied(source)
    assert proof_of(task, "public.bare")["needs_whole_proof"] and proof_of(task, "public.gone")["needs_whole_proof"]
    finish(task, source, target)
