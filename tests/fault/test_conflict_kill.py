"""kill -9 while rows that both sides wrote are recorded and decided: the table of conflicts, the counters and the rows
always agree, and nothing is done or told twice."""
from collections import Counter

import pytest
from harness import oracle
from harness.both import SCHEMA
from harness.waiting import wait_until

KINDS = {"insert-exists": 3, "unique-clash": 1, "update-missing": 1, "delete-missing": 1}
PLACES = ["CONFLICT_RECORDED@1", "CONFLICT_RECORDED@5", "APPLY_AFTER_COMMIT@1"]
MINE, THEIRS = ["of the target"] * 3, ["of the source"] * 3


def begin(make_task, source, target, policy):
    """One transaction of the source meets every kind of conflict; the engine is not running yet."""
    source.sql(SCHEMA)
    task = make_task(target_writes="dual-write",
                     conflicts={"rules": [f"public.% -> {policy}"], "settle_time": "10min"})
    task.start().wait_streaming()
    assert task.stop() == 0
    target.sql("INSERT INTO item (id, name) SELECT i, 'of the target' FROM generate_series(901, 903) i;"
               "INSERT INTO item (id, name, email) VALUES (910, 'of the target', 'one@x');"
               "DELETE FROM item WHERE id IN (5, 6)")
    source.sql("INSERT INTO item (id, name) SELECT i, 'of the source' FROM generate_series(901, 903) i;"
               "INSERT INTO item (id, name, email) VALUES (911, 'of the source', 'one@x');"
               "UPDATE item SET name = 'changed' WHERE id = 5; DELETE FROM item WHERE id = 6")
    return task


def kinds(task):
    return Counter(c["kind"] for c in task.ok("conflicts", "list", "--json").json()["conflicts"])


def rows(target):
    with target.connect() as c:
        names = [r[0] for r in c.execute("SELECT name FROM item WHERE id BETWEEN 901 AND 903 ORDER BY id")]
        others = {r[0] for r in c.execute("SELECT id FROM item WHERE id IN (5, 6, 910, 911)")}
    return names, others


def killed(task):
    code = task.wait_exit()
    assert code == -9, f"ended with {code} instead of being killed\n{task.tail()}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("policy", ["error", "keep-target", "take-source"])
def test_kill_while_conflicts_are_recorded(policy, place, source, target, make_task):
    task = begin(make_task, source, target, policy)
    before, after = (MINE, {910}), (THEIRS, {5, 911}) if policy == "take-source" else (MINE, {910})
    task.start(env={"BASCULE_FAULT": f"{place}:kill"})
    killed(task)
    committed = place.startswith("APPLY_AFTER")
    assert kinds(task) == (KINDS if committed else {})
    assert rows(target) == (after if committed else before)
    oracle.assert_slot_behind_target(source, target, task.task)
    task.start().wait_streaming()
    task.wait_applied(source)
    assert kinds(task) == KINDS
    assert rows(target) == after
    expected = {"recorded": 5, "already_gone": 1, "waiting": 5 if policy == "error" else 0}
    wait_until(lambda: {k: task.status()["conflicts"][k] for k in expected} == expected, 30, f"the status says {expected}",
               dump=task.describe)


@pytest.mark.parametrize("verb", [["resolve", "--take", "source"], ["resolve", "--take", "target"], ["replay"]],
                         ids=["source", "target", "replay"])
def test_kill_while_a_person_decides(verb, source, target, make_task):
    task = begin(make_task, source, target, "error" if verb[0] == "resolve" else "keep-target")
    task.start().wait_streaming()
    task.wait_applied(source)
    assert task.stop() == 0
    found = [c for c in task.ok("conflicts", "list", "--json").json()["conflicts"] if c["kind"] == "insert-exists"]
    ids = [str(c["id"]) for c in found]
    before = {c["id"]: c["decision"] for c in found}
    takes = verb[-1] == "target"
    done = task.cmd("conflicts", verb[0], *ids, *verb[1:], env={"BASCULE_FAULT": "CONFLICT_DECIDED@2:kill"})
    assert done.code == -9, repr(done)

    def decisions():
        return {c["id"]: c["decision"] for c in task.ok("conflicts", "list", "--json").json()["conflicts"]
                if c["kind"] == "insert-exists"}
    now = decisions()
    first, second, third = found
    assert now[first["id"]] == ("took-target" if takes else "took-source")
    assert (now[second["id"]], now[third["id"]]) == (before[second["id"]], before[third["id"]]), now

    def name(db, conflict):
        return db.value("SELECT name FROM item WHERE id = %s", (int(conflict["key"]["id"]),))
    assert name(target, second) == "of the target"  # rolled back with the decision
    task.ok("conflicts", verb[0], *ids[1:], *verb[1:])
    assert set(decisions().values()) == {"took-target" if takes else "took-source"}
    task.start().wait_streaming()
    task.wait_applied(source)
    assert kinds(task) == KINDS, "a decision is no new conflict"
    assert rows(target)[0] == (MINE if takes else THEIRS)
    assert [name(source, c) for c in found] == (MINE if takes else THEIRS)
