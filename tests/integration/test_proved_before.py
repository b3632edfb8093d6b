"""What is proved before the freeze: by a comparison right before it, and by the switch before, for the other direction."""
import shutil
import threading

import pytest
from harness import oracle, workload
from harness.flow import assert_error, cut_over
from harness.waiting import wait_until
from test_frozen_proof import NO_RECHECK, TABLES, proof_of, proved_by, report_of


def roll_back(task, *args):
    task.wait_back()
    done = task.rollback(*args)
    assert done.code == 0, f"{done!r}\n{task.tail(100)}"
    return done


def damage_what_was_left(source, where):
    """In `t`, past the fence that is on it."""
    fences = [row[0] for row in source.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname LIKE 'bascule%'")]
    assert fences
    source.sql(f"ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET w = 'damaged' WHERE {where};" +
               ";".join(f"ALTER TABLE t ENABLE ALWAYS TRIGGER {name}" for name in fences))


@pytest.fixture
def switched(source, target, make_task):
    """A task behind its cutover, with nothing verified in the other direction; then 20 rows of t are changed."""
    source.sql(TABLES)
    task = make_task(keys=NO_RECHECK).start().wait_streaming()
    cut_over(task)
    task.wait_back()
    assert proof_of(task)["proved"] and proof_of(task)["open_keys"] == 0, task.describe()
    target.sql("UPDATE t SET v = 1 WHERE id <= 20")
    task.wait_back()
    return task


def phases(done):
    return {p["name"] for p in report_of(done)["phases"]}


def test_what_auto_would_read_is_read_before_the_freeze(source, target, make_task, make_writers):
    """Never verified, 150 MB: under writers the freeze reads the changed keys of it; there and back."""
    workload.create(source)
    workload.add_bulk(source, 150)
    source.sql("CREATE TABLE bare (a int); INSERT INTO bare VALUES (1); ALTER TABLE bare REPLICA IDENTITY FULL")
    task = make_task(keys=NO_RECHECK).start().wait_streaming()
    writers = make_writers(count=2)
    writers.wait_more(50)
    plan = report_of(task.cmd("cutover", "--check", "--json"))
    assert plan["prediction"]["before_tables"] > 0 and plan["prediction"]["before_bytes"] > 140 << 20, plan
    done = cut_over(task, args=("--json", "--max-downtime", "5s"))
    by = proved_by(done)
    assert "verify" in phases(done) and by["bulk"]["method"] == "keys", by["bulk"]
    assert by["bare"]["method"] == "full-hash"  # no key: in the freeze
    writers.wait_on(1)
    writers.wait_more(50)
    done = roll_back(task, "--json", "--max-downtime", "5s")
    assert "verify" in phases(done) and proved_by(done)["bulk"]["method"] == "keys", done.out
    writers.stop()
    task.wait_applied(source)
    oracle.assert_equal(source, target, sequences=False)


def test_a_difference_is_found_before_writers_wait(source, target, make_task):
    workload.create(source)
    workload.add_bulk(source, 150)
    task = make_task(cutover={"max_downtime": "2s"}).start().wait_streaming()
    target.sql("SET session_replication_role = replica; UPDATE bulk SET pad = 'damaged' WHERE id = 17")
    done = task.cutover("--json")
    assert done.code == 4, repr(done)
    report = report_of(done)
    assert report["downtime_ms"] is None and "freeze" not in phases(done), report
    assert "public.bulk (1 rows)" in done.text and "damaged" not in done.text, repr(done)
    source.sql("UPDATE bulk SET pad = 'goes on' WHERE id = 17")
    task.wait_applied(source)
    assert proved_by(cut_over(task, args=("--json",)))["bulk"]["method"] == "keys"


def test_an_engine_that_ends_does_not_wait_for_the_comparison(source, target, make_task):
    workload.create(source)
    workload.add_bulk(source, 100)
    task = make_task(verify={"max_rate": "1MB"}).start().wait_streaming()
    task.wait_ready()
    done = []
    switch = threading.Thread(target=lambda: done.append(task.cutover()))
    switch.start()
    wait_until(lambda: target.value("SELECT to_regclass('bascule.verify_run') IS NOT NULL") and
               target.value("SELECT count(*) FROM bascule.verify_run"), 60, "the comparison has begun", dump=task.describe)
    assert task.stop(timeout=30) == 0, task.tail()
    switch.join()
    assert done[0].code == 7 and "aborted while tables were compared before the freeze" in done[0].err, repr(done[0])


def test_a_verification_that_was_interrupted_is_not_given_up(source, target, make_task):
    workload.create(source)
    workload.add_bulk(source, 60)
    task = make_task().start(env={"BASCULE_FAULT": "VERIFY_AFTER_SAVE@1:kill"}).wait_streaming()
    assert task.cmd("verify").code == 6
    wait_until(lambda: not task.alive(), 30, "the engine was killed")
    task.start().wait_ready()
    done = task.ok("cutover", "--rehearse", "--yes", "--json", timeout=120)
    assert "verify" in phases(done), done.out
    report = task.ok("verify", "--json", timeout=120).json()["report"]
    assert report["resumed"] and report["verdict"] == "proven", report


def test_a_switch_proves_for_the_way_back(source, target, switched):
    """Nothing is verified in the other direction: the keys changed since the switch are enough, and so again on the
    next way forward. A table that the switch did not prove by its rows is read in whole."""
    task = switched
    target.sql("INSERT INTO bare VALUES (1, 'new')")
    done = roll_back(task, "--json", "--verify", "keys")
    by = proved_by(done)
    assert {name: t["method"] for name, t in by.items()} == {"t": "keys", "two": "keys", "bare": "full-hash", "emptied": "keys"}
    assert (by["t"]["keys"], by["two"]["keys"]) == (20, 0), by
    task.wait_ready()
    source.sql("UPDATE t SET v = 2 WHERE id <= 7")
    task.wait_applied(source)
    task.kill()
    task.start().wait_ready()
    done = cut_over(task, args=("--json", "--verify", "keys"))
    assert (proved_by(done)["t"]["method"], proved_by(done)["t"]["keys"]) == ("keys", 7), done.out
    oracle.assert_equal(source, target)


def test_damage_behind_the_switch_is_found_on_the_way_back(source, target, switched):
    """In a row that changed since the switch, on the side that was left."""
    task = switched
    damage_what_was_left(source, "id = 11")
    assert_error(task.rollback("--verify", "keys"), "different", 4)


def test_the_proof_of_a_switch_goes_with_the_log_that_began_there(source, target, switched):
    task = switched
    task.kill()
    shutil.rmtree(f"{task.dir}/w/keys_reverse")
    task.start().wait_back()
    assert not proof_of(task)["proved"]
    done = roll_back(task, "--json", "--verify", "keys")
    assert proved_by(done)["t"]["method"] == "full-hash"
    oracle.assert_equal(source, target)


def test_reshaped_tables_are_not_handed_over(source, target, make_task):
    """What a rule makes of a column is equal in one direction only: there and back they are read in whole."""
    source.sql("CREATE TABLE made (id int PRIMARY KEY, v text); INSERT INTO made VALUES (1, '007');"
               "CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain VALUES (1, '007')")
    target.sql("CREATE TABLE made (id int PRIMARY KEY, v text, w text); CREATE TABLE plain (id int PRIMARY KEY, v text)")
    task = make_task(target={"prepare": "nothing"}, keys=NO_RECHECK,
                     rules={"add_columns": ["public.made.w = 'x' || $v"]}).start().wait_streaming()
    cut_over(task)
    task.wait_back()
    assert (proof_of(task, "public.made")["proved"], proof_of(task, "public.plain")["proved"]) == (False, True)
    target.sql("UPDATE made SET w = 'the application''s own'")
    by = proved_by(roll_back(task, "--json", "--verify", "keys"))
    assert (by["made"]["method"], by["plain"]["method"]) == ("full-hash", "keys")
    task.wait_ready()
    assert (proof_of(task, "public.made")["proved"], proof_of(task, "public.plain")["proved"]) == (False, True)
    assert_error(task.cutover("--verify", "keys"), "different", 4)


def test_a_difference_on_the_way_back_outlives_the_engine(source, target, switched):
    """`verify` while the stream goes back: what it finds takes the switch's proof away for good."""
    task = switched
    damage_what_was_left(source, "id = 3333")
    assert task.cmd("verify", timeout=120).code == 4
    task.kill()
    task.start().wait_back()
    assert not proof_of(task)["proved"] and proof_of(task, "public.two")["proved"]
    assert_error(task.rollback("--verify", "keys"), "different", 4)
