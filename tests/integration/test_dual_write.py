"""target_writes: dual-write: what is a conflict, what is none, and what becomes of each."""
import pytest
from harness import oracle
from harness.both import SCHEMA, Both
from harness.flow import assert_error, cut_over
from harness.waiting import wait_until

POLICIES = ["error", "keep-target", "take-source", "latest(changed)"]


def begin(make_task, source, target, policy, settle="1s", **config):
    source.sql(SCHEMA)
    task = make_task(target_writes="dual-write",
                     conflicts={"rules": [f"public.item -> {policy}", "public.% -> take-source"], "settle_time": settle},
                     **config)
    return task.start().wait_streaming()


def conflicts(task, *args):
    return task.ok("conflicts", "list", "--json", "--limit", "100000", *args).json()["conflicts"]


def true_ones(task):
    """By key; deletes of rows that were gone are no conflict that anybody has to look at."""
    return {int(c["key"]["id"]): c for c in conflicts(task) if c["kind"] != "delete-missing"}


def wait_settled(task):
    wait_until(lambda: all(c["settled"] for c in conflicts(task)), 60, "every conflict settled", 0.2, dump=task.describe)


def decide_all(task, source, target):
    """The operator goes through them, and starts the stream again where the policy stopped it."""
    def none_left():
        waiting = [c for c in conflicts(task, "--unresolved") if c["settled"]]
        for c in waiting:
            if c["kind"] == "unique-clash":
                target.sql("DELETE FROM item WHERE id = %s", (c["target_row"]["id"],))
        if waiting:
            task.ok("conflicts", "resolve", *[str(c["id"]) for c in waiting], "--take", "source")
        if not task.alive():
            task.start()
            wait_until(lambda: task.phase() in ("catching-up", "streaming") or not task.alive(), 60, "it goes on")
            return False
        return not conflicts(task, "--unresolved")
    wait_until(none_left, 120, "all conflicts are decided", 0.3, dump=task.describe)
    task.wait_streaming()
    task.wait_applied(source)


def equal(task, source, target):
    task.wait_applied(source)
    oracle.assert_equal(source, target, schema=False, sequences=False)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_application_writes_both_sides(policy, source, target, make_task):
    task = begin(make_task, source, target, policy, stream={"batch_changes": 20}, settle="4s")
    both = Both(source, target).start()
    for i in range(6):
        before = both.done
        both.plant_insert(target_later=i % 2 == 0)
        both.plant_missing(i + 1)
        both.plant_clash(target_later=i % 2 == 0)
        wait_until(lambda: both.done >= before + 60, 60, "the writers go on", 0.05)
    both.stop()
    kept = {}
    if policy == "error":
        code = task.wait_exit()
        assert code == 3 and "conflict" in task.tail(5), task.tail()
        decide_all(task, source, target)
    task.wait_applied(source)
    wait_settled(task)
    found = true_ones(task)
    expected = both.expected(policy)
    assert {k: c["kind"] for k, c in found.items()} == {k: kind for k, (kind, _) in expected.items()}, found
    for key, (kind, keeps) in expected.items():
        c = found[key]
        assert c["decision"] == ("kept-target" if keeps else "took-source"), c
        assert c["resolved_by"] == ("policy" if policy != "error" else c["resolved_by"]) and c["resolved_at"], c
        assert c["lsn"] and c["xid"] and c["commit_time"], c
        assert (c["target_row"] is None) == (kind == "update-missing"), c
        if kind == "insert-exists":
            assert set(c["columns"]) == {"name", "changed"}, c
        if kind != "update-missing":
            assert (c["source_row"]["name"], c["target_row"]["name"]) == ("of the source", "of the target"), c
        if keeps:
            kept[key] = c
            on_target = both.row(target, c["target_row"]["id"] if c["target_row"] else key)
            assert (on_target[0] if on_target else None) == (c["target_row"] or {}).get("name"), c
    gone = {int(c["key"]["id"]) for c in conflicts(task) if c["kind"] == "delete-missing"}
    assert gone <= both.deleted, gone - both.deleted
    counts = task.status()["conflicts"]
    assert counts["recorded"] == len(found) and counts["waiting"] == 0 and counts["already_there"] is not None, counts
    if kept:
        task.ok("conflicts", "resolve", *[str(c["id"]) for c in kept.values()], "--take", "target")
    for c in kept.values():
        if c["kind"] == "unique-clash":  # that row was never the source's
            row = c["target_row"]
            source.sql("INSERT INTO item (id, name, email, changed) VALUES (%s, %s, %s, %s)",
                       (row["id"], row["name"], row["email"], row["changed"]))
    equal(task, source, target)


@pytest.mark.parametrize("policy", POLICIES[:3])
def test_motion_is_no_conflict(policy, source, target, make_task):
    """The target is ahead of the stream by whole histories of its rows, each change in a batch of its own."""
    task = begin(make_task, source, target, policy, stream={"batch_changes": 1})
    task.stop()
    for db in (target, source):
        for statement in ("INSERT INTO item (id, name) VALUES (1001, 'v1')", "UPDATE item SET name = 'v2' WHERE id = 1001",
                          "INSERT INTO item (id, name) VALUES (1002, 'v1')", "DELETE FROM item WHERE id = 1002",
                          "INSERT INTO item (id, name) VALUES (1002, 'again')",
                          "UPDATE item SET name = 'w' WHERE id = 7", "DELETE FROM item WHERE id = 7",
                          "UPDATE item SET id = 1010 WHERE id = 10", "INSERT INTO item (id, name) VALUES (1003, 'same')",
                          "INSERT INTO item (id, name, email) VALUES (1004, 'x', 'mail')",
                          "UPDATE item SET email = NULL WHERE id = 1004",
                          "INSERT INTO item (id, name, email) VALUES (1005, 'y', 'mail')",
                          "INSERT INTO item (id, name) VALUES (1006, 'm')", "UPDATE item SET id = 1016 WHERE id = 1006",
                          "INSERT INTO item (id, name, email) VALUES (1007, 'n', 'moves')",
                          "UPDATE item SET id = 1017 WHERE id = 1007",
                          "UPDATE item SET name = 'g' WHERE id = 11", "UPDATE item SET name = 'h' WHERE id = 11",
                          "UPDATE item SET id = 1011 WHERE id = 11", "DELETE FROM item WHERE id = 1011"):
            db.sql(statement)
    task.start().wait_streaming()
    equal(task, source, target)
    wait_settled(task)
    assert true_ones(task) == {}
    counts = task.status()["conflicts"]
    assert counts["ahead"] >= 1 and counts["already_there"] >= 1 and counts["waiting"] == 0, counts


@pytest.mark.parametrize("policy", ["take-source", "keep-target"])
def test_a_clash_on_another_unique_key(policy, source, target, make_task):
    task = begin(make_task, source, target, policy)
    target.sql("INSERT INTO item (id, name, email) VALUES (2001, 'of the target', 'one@x')")
    source.sql("INSERT INTO item (id, name, email) VALUES (2002, 'of the source', 'one@x')")
    target.sql("UPDATE item SET email = 'two@x' WHERE id = 5")
    source.sql("UPDATE item SET email = 'two@x' WHERE id = 6")
    task.wait_applied(source)
    wait_settled(task)
    found = [c for c in conflicts(task) if c["kind"] == "unique-clash"]
    assert len(found) == 2, found
    first = [c for c in found if c["source_row"]["email"] == "one@x"][0]
    assert first["source_row"]["id"] == 2002 and first["target_row"]["id"] == 2001, first
    if policy == "take-source":
        assert first["decision"] == "took-source" and int(first["key"]["id"]) == 2001, first
        source.sql("UPDATE item SET name = 'touched' WHERE id = 5")  # its row gave way on the target
        equal(task, source, target)
    else:
        assert first["decision"] == "kept-target" and int(first["key"]["id"]) == 2002, first
        assert target.value("SELECT count(*) FROM item WHERE id IN (2001, 2002)") == 1


def test_the_stream_waits_for_a_decision_and_so_does_the_cutover(source, target, make_task):
    task = begin(make_task, source, target, "error")
    both = Both(source, target, writers=0)
    key = both.plant_insert(target_later=True)
    source.sql("UPDATE item SET qty = 77 WHERE id = %s", (key,))
    assert task.wait_exit() == 3
    found = true_ones(task)[key]
    assert found["decision"] == "waits" and found["resolved_at"] is None, found
    assert float(found["source_row"]["qty"]) == 77 and both.row(target, key)[0] == "of the target"
    again = task.run_to_end()
    assert_error(again, "conflict", 3)
    shown = task.ok("conflicts", "show", str(found["id"])).out
    assert "of the source" in shown and "of the target" in shown and "waits" in shown, shown
    refused = task.cmd("conflicts", "resolve", str(found["id"]))
    assert refused.code == 2 and "--take" in refused.text, repr(refused)
    task.ok("conflicts", "resolve", str(found["id"]), "--take", "source")
    task.start().wait_streaming()
    assert both.row(target, key)[:2] == ("of the source", 77)
    equal(task, source, target)
    twice = task.cmd("conflicts", "resolve", str(found["id"]), "--take", "nothing")
    assert twice.code == 3, repr(twice)
    task.ok("conflicts", "replay", str(found["id"]))
    assert true_ones(task)[key]["decision"] == "took-source"


def test_verification_tells_drift_from_motion(source, target, make_task):
    """Rows that are written while they are compared are no differences; one that only the target changed is."""
    task = begin(make_task, source, target, "take-source")
    both = Both(source, target).start()
    target.sql("UPDATE item SET name = 'drift' WHERE id = 300")
    target.sql("DELETE FROM item WHERE id = 301")
    wait_until(lambda: both.done >= 60, 60, "the writers write", 0.05)
    done = task.cmd("verify", "--json", timeout=120)
    both.stop()
    assert done.code == 4, repr(done)
    failures = done.json()["report"]["failures"]
    assert sorted((f["kind"], int(f["key"]["id"])) for f in failures) == [("different", 300), ("missing", 301)], failures


def test_cutover_ends_the_dual_writes(source, target, make_task):
    task = begin(make_task, source, target, "take-source")
    both = Both(source, target).start()
    wait_until(lambda: both.done > 100, 60, "the writers write")
    both.stop()
    task.wait_applied(source)
    target.sql("INSERT INTO item (id, name) VALUES (3000, 'only here')")
    task.wait_ready()
    refused = task.cutover()
    assert refused.code == 4 and "item" in refused.text, repr(refused)
    target.sql("DELETE FROM item WHERE id = 3000")  # the fence is down again
    cut_over(task)
    target.sql("INSERT INTO item (id, name) VALUES (3001, 'after')")
    task.wait_back()
    wait_until(lambda: source.value("SELECT count(*) FROM item WHERE id = 3001") == 1, 60, "it streams back")


def test_without_dual_writes_the_target_is_fenced_as_ever(source, target, make_task):
    source.sql(SCHEMA, user="app")
    task = make_task().start().wait_streaming()
    with pytest.raises(Exception, match="not open yet"):
        target.sql("DELETE FROM item WHERE id = 1", user="app")
    assert task.status()["conflicts"]["recorded"] is None


def test_what_dual_writes_need_is_checked(source, target, make_task):
    source.sql("CREATE TABLE keyless (a int); ALTER TABLE keyless REPLICA IDENTITY FULL;"
               "CREATE TABLE drawn (id serial PRIMARY KEY)")
    task = make_task(target_writes="dual-write", conflicts={"rules": ["public.drawn -> latest(nothing)"]})
    done = task.cmd("check")
    assert done.code == 3 and "nothing" in done.text, repr(done)
    task.write_config(conflicts={"rules": ["public.gone -> keep-target"]})
    done = task.cmd("check", "--json")
    said = {(f["subject"], f["result"]) for f in done.json()["findings"] if f["code"] == "dual-write"}
    assert done.code == 3 and {("public.keyless", "blocker"), ("public.drawn", "blocker")} <= said, repr(done)
    for rules, message in ((["public.drawn -> later"], "no policy"), (["drawn -> error"], "schema.table"),
                           (["public.drawn"], "TABLES -> POLICY"), (["a.b -> latest()"], "no policy"),
                           (["a.b -> error, keep-all"], "behind the policy")):
        task.write_config(conflicts={"rules": rules})
        done = task.cmd("check")
        assert done.code == 2 and message in done.text, repr(done)
    task.write_config(conflicts={"rules": ["public.% -> error", "%.drawn -> keep-target"]})
    done = task.cmd("check")
    assert done.code == 3 and "contradicts" in done.text, repr(done)
    task.write_config(target_writes="refuse", conflicts={"rules": ["public.% -> error"]})
    done = task.cmd("check")
    assert "conflicts.rules do nothing" in done.text, repr(done)


def test_columns_that_rules_change(source, target, make_task):
    """Left out, made of others, of another type: rows that agree in what moves are there already, others differ by name."""
    source.sql("CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, secret text, qty int);"
               "INSERT INTO item SELECT i, 'seed ' || i, 's', i FROM generate_series(1, 20) i")
    target.sql("CREATE TABLE item (id bigint PRIMARY KEY, label text NOT NULL, qty text, loud text, mine int DEFAULT 5)")
    task = make_task(target={"prepare": "nothing"}, target_writes="dual-write", conflicts={"rules": ["public.item -> take-source"], "settle_time": "1s"},
                     rules={"names": ["public.item.name -> label"], "omit_columns": ["public.item.secret"],
                            "add_columns": ["public.item.loud = upper($name)"],
                            "types": ["public.item.id -> bigint", "public.item.qty -> text"]})
    task.start().wait_streaming()
    target.sql("INSERT INTO item VALUES (100, 'a', '1', 'A', 7), (101, 'b', '2', 'not B', 7)")
    source.sql("INSERT INTO item VALUES (100, 'a', 'x', 1), (101, 'b', 'x', 2)")
    target.sql("DELETE FROM item WHERE id = 3")
    source.sql("UPDATE item SET qty = 33 WHERE id = 3")
    task.wait_applied(source)
    wait_settled(task)
    found = true_ones(task)
    assert {k: c["kind"] for k, c in found.items()} == {3: "update-missing", 101: "insert-exists"}, found
    assert found[101]["columns"] == ["loud"] and found[101]["source_row"]["loud"] == "B", found
    assert target.value("SELECT string_agg(i::text, ' ' ORDER BY id) FROM item i WHERE id IN (3, 100, 101)") == (
        '(3,"seed 3",33,"SEED 3",5) (100,a,1,A,7) (101,b,2,B,7)')
    task.ok("conflicts", "replay", str(found[101]["id"]))
    target.sql("UPDATE item SET qty = '77' WHERE id = 101")
    task.ok("conflicts", "resolve", str(found[101]["id"]), "--take", "target")
    assert source.value("SELECT qty FROM item WHERE id = 101") == 77
