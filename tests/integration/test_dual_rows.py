"""target_writes: dual-write, row by row: what is in the way by whatever index, what explains a record, what is held."""
import threading

import psycopg
import pytest
from harness import oracle
from harness.suspended import statement_for
from harness.waiting import wait_until

SCHEMA = """
CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE EXTENSION IF NOT EXISTS citext;
CREATE DOMAIN mood AS citext;
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, big text, gone timestamptz, code varchar(8), pair mood,
                   span int4range, num int UNIQUE NULLS NOT DISTINCT);
ALTER TABLE item ALTER big SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX lowered ON item (lower(name), code) WHERE gone IS NULL;
CREATE UNIQUE INDEX moods ON item (pair);
ALTER TABLE item ADD CONSTRAINT spans EXCLUDE USING gist (code WITH =, span WITH &&);
"""


def begin(make_task, source, target, policy, **config):
    source.sql(SCHEMA)
    task = make_task(target_writes="dual-write", conflicts={"rules": [f"public.% -> {policy}"], "settle_time": "1s"}, **config)
    return task.start().wait_streaming()


def conflicts(task):
    found = task.ok("conflicts", "list", "--json").json()["conflicts"]
    return [c for c in found if c["kind"] != "delete-missing"]


def wait_settled(task, count):
    def settled():
        found = conflicts(task)
        return found if len(found) == count and all(c["settled"] for c in found) else None
    return wait_until(settled, 60, f"{count} conflicts settled", 0.2, dump=task.describe)


def test_a_new_table_that_a_policy_does_not_fit(source, target, make_task):
    """It alone is left out, and says why; the others go on, also over a restart."""
    task = begin(make_task, source, target, "latest(gone)")
    source.sql("CREATE TABLE bare (id int PRIMARY KEY)")
    for number in range(2):
        assert "no column 'gone'" in statement_for(task, "bare")
        source.sql("INSERT INTO item (id, name, num) VALUES (%s, 'goes on', %s)", [number, number])
        task.wait_applied(source)
        task.kill()
        task.start().wait_streaming()
    assert target.value("SELECT count(*) FROM item") == 2


CLASHES = [  # what the target has, what the source inserts: another key, and what one index does not allow beside it
    ("name, code, num", "('Ab', 'x', 1)", "('aB', 'x', 2)"),
    ("name, pair, num", "('a', 'Good', 1)", "('b', 'gOOD', 2)"),
    ("name, code, span, num", "('a', 'x', int4range(1, 10), 1)", "('b', 'x', int4range(9, 12), 2)"),
    ("name", "('a')", "('b')"),
]


@pytest.mark.parametrize("policy", ["take-source", "keep-target"])
def test_rows_in_the_way_are_found_by_every_kind_of_index(policy, source, target, make_task):
    task = begin(make_task, source, target, policy)
    for i, (columns, theirs, ours) in enumerate(CLASHES):
        target.sql(f"INSERT INTO item (id, {columns}) SELECT {100 + i}, v.* FROM (VALUES {theirs}) v")
        source.sql(f"INSERT INTO item (id, {columns}) SELECT {200 + i}, v.* FROM (VALUES {ours}) v")
        found = wait_settled(task, i + 1)[0]
        assert found["kind"] == "unique-clash" and found["target_row"]["id"] == 100 + i, found
        assert found["source_row"]["id"] == 200 + i, found
        kept = target.value(f"SELECT string_agg(id::text, ' ') FROM item WHERE id IN ({100 + i}, {200 + i})")
        assert kept == str((200 if policy == "take-source" else 100) + i), kept
        for db in (source, target):
            db.sql("DELETE FROM item")
        task.wait_applied(source)
    # Beside a row that the predicate leaves out there is room.
    target.sql("INSERT INTO item (id, name, code, gone, num) VALUES (300, 'Ab', 'z', now(), 1)")
    source.sql("INSERT INTO item (id, name, code, num) VALUES (301, 'ab', 'z', 2)")
    task.wait_applied(source)
    assert target.value("SELECT count(*) FROM item") == 2


def test_a_row_that_came_and_went_in_one_batch_goes_on_the_target_as_well(source, target, make_task):
    task = begin(make_task, source, target, "take-source")
    target.sql("INSERT INTO item (id, name, num) VALUES (1, 'a', 1), (2, 'of the target', 2)")
    source.sql("BEGIN; INSERT INTO item (id, name, num) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);"
               "DELETE FROM item WHERE id <= 2; COMMIT")
    task.wait_applied(source)
    oracle.assert_equal(source, target, schema=False, sequences=False)


def test_a_record_is_explained_only_by_the_columns_that_differed(source, target, make_task):
    """A later change of other columns, which holds what the target had in them anyway, says nothing of it."""
    task = begin(make_task, source, target, "keep-target")
    target.sql("INSERT INTO item (id, name, big) VALUES (1, 'same', repeat('t', 9000))")
    with source.connect() as c:
        c.execute("INSERT INTO item (id, name, big) VALUES (1, 'same', repeat('s', 9000))")
        c.commit()
        c.execute("UPDATE item SET name = 'same' WHERE id = 1")
    found = wait_settled(task, 1)
    assert found[0]["columns"] == ["big"] and found[0]["decision"] == "kept-target", found
    assert task.status()["conflicts"]["ahead"] == 0


def test_what_waits_is_held_after_it_has_settled(source, target, make_task):
    """The row that nobody has in whole waits for a person; what the source does with it afterwards stands in the record."""
    source.sql(SCHEMA + "INSERT INTO item (id, name, big) VALUES (1, 'one', repeat('s', 9000))")
    task = make_task(target_writes="dual-write", conflicts={"rules": ["public.% -> take-source"], "settle_time": "1s"})
    task.start().wait_streaming()
    target.sql("DELETE FROM item")
    source.sql("UPDATE item SET name = 'two' WHERE id = 1")
    assert wait_settled(task, 1)[0]["decision"] == "waits"
    source.sql("UPDATE item SET name = 'three', big = 'whole' WHERE id = 1")
    task.wait_applied(source)
    found = conflicts(task)
    assert len(found) == 1 and found[0]["source_row"]["name"] == "three" and found[0]["resolved_at"] is None, found
    assert target.value("SELECT count(*) FROM item") == 0
    task.stop()
    task.start().wait_streaming()  # it is known again
    source.sql("UPDATE item SET name = 'four' WHERE id = 1")
    task.wait_applied(source)
    assert conflicts(task)[0]["source_row"]["name"] == "four"
    task.ok("conflicts", "resolve", str(found[0]["id"]), "--take", "source")
    source.sql("UPDATE item SET name = 'five' WHERE id = 1")
    task.wait_applied(source)
    oracle.assert_equal(source, target, schema=False, sequences=False)
    assert len(conflicts(task)) == 1


def test_deferrable_constraints_are_refused_before_anything_is_written(source, target, make_task):
    source.sql("CREATE TABLE late (id int PRIMARY KEY, a int CONSTRAINT later UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    config = dict(target_writes="dual-write", conflicts={"rules": ["public.% -> take-source"]})
    task = make_task(**config)
    done = task.cmd("check")
    assert done.code == 3 and "DROP CONSTRAINT later, ADD CONSTRAINT later UNIQUE (a);" in done.text, repr(done)
    target.sql("CREATE TABLE late (id int PRIMARY KEY, a int CONSTRAINT later UNIQUE DEFERRABLE)")
    task.write_config(target={"prepare": "merge"}, **config)
    assert task.run_to_end().code == 3 and not target.has_schema("bascule")
    target.sql("ALTER TABLE late DROP CONSTRAINT later, ADD CONSTRAINT later UNIQUE (a)")
    assert task.cmd("check").code == 0


def test_the_row_that_gave_way_is_not_taken_for_the_sources(source, target, make_task):
    task = begin(make_task, source, target, "take-source")
    target.sql("INSERT INTO item (id, name, num) VALUES (1, 'of the target', 1), (2, 'of the target', 7)")
    source.sql("INSERT INTO item (id, name, num) VALUES (2, 'of the source', 8), (3, 'of the source', 1)")
    found = wait_settled(task, 2)
    for c in found:
        refused = task.cmd("conflicts", "resolve", str(c["id"]), "--take", "target")
        assert refused.code == 3 and "gave way" in refused.text, repr(refused)
    oracle.assert_equal(source, target, schema=False, sequences=False)
    clash = [c for c in found if c["kind"] == "insert-exists"][0]
    target.sql("CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'loud'; RETURN NEW; END $$;"
               "CREATE TRIGGER loud BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION shout()")
    task.ok("conflicts", "replay", str(clash["id"]))
    assert target.value("SELECT name FROM item WHERE id = 2") == "of the source", "triggers are quiet, as for the stream"
    target.sql("DROP TRIGGER loud ON item; UPDATE item SET name = 'mended' WHERE id = 2")
    task.ok("conflicts", "resolve", str(clash["id"]), "--take", "target")
    assert source.value("SELECT name FROM item WHERE id = 2") == "mended"
    few = task.ok("conflicts", "list", "--json", "--limit", "1", "--tables", "public.nothing").json()["conflicts"]
    one = task.ok("conflicts", "list", "--json", "--limit", "1", "--tables", "public.item").json()["conflicts"]
    assert few == [] and len(one) == 1


@pytest.fixture
def restless(target):
    """The target's row 1 is another one whenever somebody looks."""
    end = threading.Event()

    def write():
        with psycopg.connect(target.dsn, autocommit=True) as c:
            while not end.is_set():
                c.execute("UPDATE item SET num = COALESCE(num, 0) + 1 WHERE id = 1")
    thread = threading.Thread(target=write, daemon=True)
    yield thread
    end.set()
    if thread.ident:
        thread.join(60)


def test_a_row_that_never_stands_still_is_not_called_equal(source, target, make_task, restless):
    source.sql(SCHEMA + "INSERT INTO item (id, name) VALUES (1, 'one')")
    task = make_task(target_writes="dual-write", conflicts={"rules": ["public.% -> take-source"], "settle_time": "1s"})
    task.start().wait_streaming()
    restless.start()
    done = task.cmd("verify", "--json", timeout=120)
    assert done.code == 6 and "in motion" in done.text, repr(done)
    target.sql("UPDATE item SET name = 'drift' WHERE id = 1")  # one column stands still, and differs
    done = task.cmd("verify", "--json", timeout=120)
    assert done.code == 4 and [f["key"] for f in done.json()["report"]["failures"]] == [{"id": "1"}], repr(done)


def test_numbers_of_rows_prove_nothing_after_dual_writes(source, target, make_task):
    task = begin(make_task, source, target, "take-source")
    task.wait_ready()
    refused = task.cmd("cutover", "--dry-run", "--verify", "count")
    assert refused.code == 3 and "numbers of rows" in refused.text, repr(refused)


def test_a_row_that_others_refer_to_does_not_give_way(source, target, make_task):
    """Its children would point nowhere: nobody but a person decides that."""
    task = begin(make_task, source, target, "take-source")
    target.sql("CREATE TABLE \"a child\" (id int PRIMARY KEY, \"item's\" int REFERENCES item);"
               "INSERT INTO item (id, name, num) VALUES (1, 'has a child', 1), (2, 'has none', 2);"
               "INSERT INTO \"a child\" VALUES (1, 1), (2, NULL)")
    source.sql("INSERT INTO item (id, name, num) VALUES (11, 'of the source', 1), (12, 'of the source', 2)")
    task.wait_applied(source)
    found = {c["target_row"]["id"]: c for c in wait_settled(task, 2)}
    assert (found[1]["kind"], found[1]["decision"]) == ("unique-clash", "waits"), found
    assert (found[2]["kind"], found[2]["decision"]) == ("unique-clash", "took-source"), found
    assert target.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM item") == "1 12"
    wait_until(lambda: task.status()["conflicts"]["waiting"] == 1, 30, "one waits", dump=task.describe)
    target.sql("DELETE FROM \"a child\" WHERE id = 1; DELETE FROM item WHERE id = 1")
    task.ok("conflicts", "replay", str(found[1]["id"]))
    oracle.assert_equal(source, target, schema=False, sequences=False, skip={"public.a child"})
