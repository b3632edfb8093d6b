"""target.prepare: merge: the load into tables that hold rows already, by the policies of conflicts.rules."""
import pytest
from harness import oracle
from harness.flow import assert_error
from harness.waiting import wait_until

SCHEMA = """
CREATE TABLE org (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE item (id int PRIMARY KEY, org int NOT NULL REFERENCES org, name text, email text UNIQUE, changed timestamptz,
                   UNIQUE (org, name));
"""
# What the target has before: the seed 1, a row that is equal, two that differ (the first is later), one whose email the
# source gives to another row, and rows of its own.
SEED = """
INSERT INTO org VALUES (1, 'system'), (900, 'of the target');
INSERT INTO item VALUES (1, 1, 'same', 's@x', '2026-01-01 00:00+00'), (2, 1, 'late', NULL, '2026-03-01 00:00+00'),
  (3, 1, 'early', NULL, '2026-01-01 00:00+00'), (901, 900, 'mine', 'one@x', '2026-01-01 00:00+00'),
  (902, 900, 'my own', NULL, NULL);
"""
ROWS = """
INSERT INTO org VALUES (1, 'system'), (2, 'second');
INSERT INTO item VALUES (1, 1, 'same', 's@x', '2026-01-01 00:00+00'), (2, 1, 'two', NULL, '2026-02-01 00:00+00'),
  (3, 1, 'three', NULL, '2026-02-01 00:00+00'), (4, 2, 'four', 'one@x', '2026-02-01 00:00+00');
INSERT INTO item SELECT i, 2, 'row ' || i, 'mail' || i, now() FROM generate_series(10, 800) i;
"""
POLICIES = ["error", "keep-target", "take-source", "latest(changed)"]
TRIGGER = """
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'touched'; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON org FOR EACH ROW EXECUTE FUNCTION touched();
"""


def merging(make_task, source, target, policy, **config):
    source.sql(SCHEMA + ROWS)
    target.sql(SCHEMA + SEED + TRIGGER)
    return make_task(target={"prepare": "merge"}, target_writes="dual-write",
                     conflicts={"rules": ["public.org -> take-source", f"public.item -> {policy}"], "settle_time": "1s"},
                     **config)


def conflicts(task):
    found = task.ok("conflicts", "list", "--json").json()["conflicts"]
    return {int(c["key"]["id"]): c for c in found}


def names(target):
    with target.connect() as c:
        return dict(c.execute("SELECT id, name FROM item WHERE id < 10 OR id > 900 AND id < 910").fetchall())


def expected(policy):
    """Rows and decisions by id."""
    mine = {1: "same", 2: "late", 3: "early", 901: "mine", 902: "my own"}
    theirs = {1: "same", 2: "two", 3: "three", 4: "four", 902: "my own"}
    if policy == "take-source":
        return theirs, {2: "took-source", 3: "took-source", 901: "took-source"}
    if policy.startswith("latest"):
        return {**theirs, 2: "late"}, {2: "kept-target", 3: "took-source", 901: "took-source"}
    return mine, dict.fromkeys((2, 3, 4), "waits" if policy == "error" else "kept-target")


@pytest.mark.parametrize("policy", POLICIES)
def test_rows_that_are_there_follow_the_policy(policy, source, target, make_task):
    """Equal rows are none, those that differ or clash are recorded with what was done, those of the target stay."""
    task = merging(make_task, source, target, policy)
    task.start()
    if policy == "error":
        assert task.wait_exit() == 3 and "conflict" in task.tail(5), task.tail()
    else:
        task.wait_streaming()
    rows, decisions = expected(policy)
    found = conflicts(task)
    assert {k: c["decision"] for k, c in found.items()} == decisions, found
    assert {c["kind"] for c in found.values()} == {"insert-exists", "unique-clash"}
    assert names(target) == {**rows, **({901: "mine"} if 901 in rows else {})}
    assert target.value("SELECT string_agg(name, ',' ORDER BY id) FROM org") == "system,second,of the target"
    assert target.value("SELECT count(*) FROM item WHERE id BETWEEN 10 AND 800") == 791
    if policy == "error":
        ids = [str(c["id"]) for c in found.values() if c["kind"] == "insert-exists"]
        target.sql("DELETE FROM item WHERE id = 901")
        task.ok("conflicts", "resolve", *ids, "--take", "source")
        task.ok("conflicts", "replay", str(found[4]["id"]))
        task.start().wait_streaming()
    source.sql("UPDATE item SET name = name || '!' WHERE id IN (2, 3); DELETE FROM item WHERE id = 10;"
               "INSERT INTO item VALUES (5, 2, 'five', NULL, NULL)")
    task.wait_applied(source)
    after = names(target)
    assert (after[2], after[3], after[5], after[902]) == ("two!", "three!", "five", "my own")
    counts = task.status()["conflicts"]
    assert counts["recorded"] == 3 and counts["waiting"] == 0, counts


def test_rows_of_the_target_alone_are_told_until_they_are_decided(source, target, make_task):
    """They are never proved, and no cutover passes them in silence."""
    task = merging(make_task, source, target, "take-source").start().wait_streaming()
    done = task.cmd("verify", "--json", timeout=120)
    assert done.code == 4, repr(done)
    failures = done.json()["report"]["failures"]
    assert sorted((f["table"], f["kind"], int(f["key"]["id"])) for f in failures) == [
        ("public.item", "extra", 902), ("public.org", "extra", 900)], failures
    task.wait_ready()
    refused = task.cutover()
    assert refused.code == 4, repr(refused)
    target.sql("DELETE FROM item WHERE id = 902; DELETE FROM org WHERE id = 900")
    task.wait_applied(source)
    oracle.assert_equal(source, target, schema=False, sequences=False)


def test_what_merging_needs_is_checked(source, target, make_task):
    task = merging(make_task, source, target, "take-source")
    task.write_config(target_writes="refuse")
    done = task.cmd("check")
    assert done.code == 2 and "dual-write" in done.text, repr(done)
    task.write_config(target_writes="dual-write", conflicts={"rules": ["public.org -> take-source"]})
    done = task.cmd("check", "--json")
    said = {(f["subject"], f["result"]) for f in done.json()["findings"] if f["code"] == "target-not-empty"}
    assert done.code == 3 and said == {("public.item", "blocker")}, repr(done)
    refused = task.run_to_end()
    assert_error(refused, "target-not-empty", 3)
    assert not target.has_schema("bascule") and target.value("SELECT count(*) FROM item") == 5


@pytest.mark.parametrize("fault", ["COPY_BEFORE_COMMIT@1:kill", "COPY_BEFORE_COMMIT@2:kill", "COPY_AFTER_COMMIT@1:kill",
                                   "COPY_AFTER_COMMIT@1:lost", "COPY_BEFORE_COMMIT@2:lost"])
def test_an_interrupted_load_tells_nothing_twice(fault, source, target, make_task):
    task = merging(make_task, source, target, "keep-target", load={"jobs": 1})
    task.start(env={"BASCULE_FAULT": fault})
    if fault.endswith("kill"):
        assert task.wait_exit() == -9
        assert target.value("SELECT count(*) FROM item WHERE id > 900") == 2, "rows of the target stay whatever happens"
        source.sql("DELETE FROM item WHERE id = 799; UPDATE item SET name = 'later' WHERE id = 798")
        task.start()
    task.wait_streaming()
    task.wait_applied(source)
    found = conflicts(task)
    assert {k: c["decision"] for k, c in found.items()} == expected("keep-target")[1], found
    assert task.status()["conflicts"]["recorded"] == 3
    here = "SELECT count(*) || ' ' || sum(hashtext(i::text)::numeric) FROM item i WHERE id BETWEEN 10 AND 800"
    assert target.value(here) == source.value(here)


def test_a_table_with_merged_rows_is_not_emptied_to_be_copied_again(source, target, make_task):
    task = merging(make_task, source, target, "take-source").start().wait_streaming()
    for db in (source, target):
        db.sql("ALTER TABLE item ADD COLUMN more int DEFAULT 4")
    source.sql("UPDATE item SET more = 5 WHERE id = 1")
    wait_until(lambda: "TRUNCATE" in str(task.status()["tables"]), 60, "status says why it stays suspended", 0.2,
               dump=task.describe)
    assert target.value("SELECT count(*) FROM item WHERE id = 902") == 1
    target.sql("TRUNCATE item")
    wait_until(lambda: target.value("SELECT more FROM item WHERE id = 1") == 5, 90, "copied again", 0.2, dump=task.describe)
