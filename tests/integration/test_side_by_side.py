"""Several tasks on one source at once, into one target database and into two: each goes its own way."""
import os
import subprocess

import psycopg
import pytest
from harness.flow import assert_error
from harness.suspended import TABLE, Writer
from harness.waiting import wait_until

CHILD = """CREATE TABLE {0}.child (id serial PRIMARY KEY, parent int NOT NULL REFERENCES {0}.t ON DELETE CASCADE, m public.mood);
INSERT INTO {0}.child (parent, m) SELECT i, 'good' FROM generate_series(1, 100) i;"""


def fill(source, *schemas):
    source.sql("CREATE TYPE public.mood AS ENUM ('good', 'bad')")
    for schema in schemas:
        source.sql(f"CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO app;" + TABLE.format(f"{schema}.t")
                   + CHILD.format(schema) + f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO app;")


def make_schema(source, target):
    """What several tasks into one database need: types and functions are made once, for all of them."""
    dump = subprocess.run(["pg_dump", "--schema-only", "--dbname", source.dsn], capture_output=True, text=True, check=True)
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "--dbname", target.dsn], input=dump.stdout, text=True,
                   capture_output=True, check=True)


def equal(source, target, schema, timeout=60):
    """Row by row, once what was committed has come."""
    def same():
        return all(source.sql(f"SELECT * FROM {schema}.{t} ORDER BY 1") == target.sql(f"SELECT * FROM {schema}.{t} ORDER BY 1")
                   for t in ("t", "child"))
    wait_until(same, timeout, f"schema {schema} is equal", 0.2)


def write(db, schema, value):
    db.sql(f"UPDATE {schema}.t SET n = {value} WHERE id = 7", user="app")  # what the writer leaves alone


def refused(db, schema):
    with pytest.raises(psycopg.Error) as caught:
        write(db, schema, -1)
    assert caught.value.sqlstate == "25006", repr(caught.value)


def arrives(source, target, task, schema, value):
    write(source, schema, value)
    wait_until(lambda: task.must_live() and target.value(f"SELECT n FROM {schema}.t WHERE id = 7") == value, 60,
               f"{schema} goes on", 0.1, dump=task.describe)


def test_one_table_into_two_targets_is_cut_over_once(source, target, make_database, clusters, make_task):
    """A source table has one fence; the way back of whoever made it must stay true."""
    fill(source, "a")
    second = make_database(clusters[1])
    one = make_task(source, target, task="twice_one").start().wait_streaming()
    two = make_task(source, second, task="twice_two").start().wait_streaming()
    for task, db in ((one, target), (two, second)):
        arrives(source, db, task, "a", 11)
        task.wait_ready()
    assert one.cutover().code == 0
    two.wait_ready()
    refusal = two.cutover()
    assert_error(refusal, "blocked", 3)
    assert "was cut over by task 'twice_one'" in refusal.text, repr(refusal)
    write(target, "a", 12)
    one.wait_back()
    assert one.rollback().code == 0
    arrives(source, second, two, "a", 13)
    two.wait_ready()
    assert two.cutover().code == 0
    equal(source, second, "a")


def test_two_cutovers_of_one_table_at_once(source, target, make_database, clusters, make_task):
    """The other's whole cutover comes between the preflight of ours and our freeze: its fence stays."""
    fill(source, "a")
    second = make_database(clusters[1])
    one = make_task(source, target, task="race_one").start().wait_streaming()
    two = make_task(source, second, task="race_two")
    script = os.path.join(two.dir, "other.sh")
    with open(script, "w") as f:
        f.write(f"#!/bin/sh\nexec {one.binary} --config {one.file} cutover --yes\n")
    os.chmod(script, 0o700)
    two.write_config(hooks={"commands": [f"before-freeze 60s abort {script}"]})
    two.start().wait_streaming()
    one.wait_ready()
    two.wait_ready()
    refusal = two.cutover()
    assert_error(refusal, "blocked", 3)
    assert "was cut over by task 'race_one'" in refusal.text, repr(refusal)
    refused(source, "a")
    write(target, "a", 3)
    with pytest.raises(psycopg.Error) as caught:
        write(second, "a", 3)
    assert caught.value.sqlstate == "25006"
    one.wait_back()
    assert one.rollback().code == 0
    two.write_config(hooks={"commands": []})
    arrives(source, second, two, "a", 4)


def test_one_place_on_the_target_for_two_tasks(source, target, make_database, clusters, make_task):
    """By another name, from another source, or by the partitioned table above: one fence, one task."""
    fill(source, "a", "b")
    parted = ("CREATE TABLE public.whole (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE public.part1 PARTITION OF public.whole"
              " FOR VALUES IN (1); CREATE TABLE public.part2 PARTITION OF public.whole FOR VALUES IN (2)")
    source.sql(parted)
    make_schema(source, target)
    one = make_task(source, target, task="place_one", tables={"include": ["a.t", "public.part1"]}, target={"prepare": "nothing"})
    one.start().wait_streaming()
    elsewhere = make_database(clusters[1])
    fill(elsewhere, "a")
    foreign = {"tables": {"include": ["a.t"]}, "target": {"prepare": "nothing"}, "mode": "cdc"}
    renamed = {"tables": {"include": ["b.t"]}, "rules": {"names": ["b.t -> a.t"]}, "target": {"prepare": "nothing"}, "mode": "cdc"}
    for name, src, config, place in (
            ("foreign", elsewhere, foreign, "a.t"), ("renamed", source, renamed, "a.t"),
            ("partition", source, foreign | {"tables": {"include": ["public.part2"]}}, "public.whole")):
        other = make_task(src, target, task=f"place_{name}", **config)
        said = f"table '{place}' is moved into this target by task 'place_one' already"
        found = other.cmd("check")
        assert found.code == 3 and said in found.text, repr(found)
        ended = other.run_to_end()
        assert_error(ended, "blocked", 3)
        assert said in ended.text, repr(ended)
    assert target.value("SELECT count(*) FROM bascule.task") == 1
    two = make_task(source, target, task="place_two", tables={"include": ["b.child"]}, rules={"names": ["b.* -> a.*"]},
                    target={"prepare": "truncate"}).start().wait_streaming()
    refusal = two.cmd("tables", "add", "b.t")
    assert_error(refusal, "blocked", 3)
    assert "moved into this target by task 'place_one'" in refusal.text, repr(refusal)
    # What is in force is not replaced, whatever the control rows say.
    target.sql("DELETE FROM bascule.table_state WHERE task = 'place_one' AND table_name = 'part1'")
    three = make_task(source, target, task="place_three", **(foreign | {"tables": {"include": ["public.part2"]}}))
    ended = three.run_to_end()
    assert_error(ended, "blocked", 3)
    assert "is written by task 'place_one'" in ended.text, repr(ended)
    arrives(source, target, one, "a", 5)


def test_cleanup_leaves_the_event_triggers_of_others(source, target, make_task):
    """The target of one task is the source of another, which notes its DDL there."""
    fill(source, "a")
    one = make_task(source, target, task="events_one").start().wait_streaming()
    target.sql("CREATE FUNCTION bascule.other() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
               "CREATE EVENT TRIGGER other ON ddl_command_end EXECUTE FUNCTION bascule.other()")
    one.stop()
    one.ok("cleanup", "--yes")
    assert target.value("SELECT count(*) FROM pg_event_trigger WHERE evtname = 'other'") == 1
    found = make_task(target, source, task="events_two", tables={"include": ["a.t"]}).cmd("check")
    assert "DROP SCHEMA bascule" not in found.text, repr(found)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_three_tasks_each_go_their_own_way(plugin, source, target, make_database, clusters, make_task):
    fill(source, "a", "b", "c")
    second = make_database(clusters[1])
    make_schema(source, target)
    make = {s: make_task(source, db, task=f"side_{s}_{plugin}", plugin=plugin, tables={"include": [f"{s}.%"]},
                         target={"prepare": "create" if s == "c" else "truncate"})
            for s, db in (("a", target), ("b", target), ("c", second))}
    a, b, c = make["a"], make["b"], make["c"]
    with Writer(source, "a.t", "b.t", "c.t"):
        for task in (a, b, c):
            task.start()
        for task in (a, b, c):
            task.wait_streaming()
        # What one task moves is nobody else's, and neither is its name.
        thief = make_task(source, target, task=f"side_thief_{plugin}", tables={"include": ["a.%"]}, target={"prepare": "truncate"})
        assert thief.cmd("check").code == 3
        ended = thief.run_to_end()
        assert ended.code == 3, repr(ended)
        twin = make_task(source, second, task=a.task, tables={"include": ["b.%"]})
        ended = twin.run_to_end()
        assert ended.code == 3, repr(ended)
        mixed = make_task(source, target, task=f"side_mixed_{plugin}", tables={"include": ["b.t"]}, mode="cdc",
                          target={"prepare": "nothing"})
        assert_error(mixed.run_to_end(), "blocked", 3)
        assert target.value("SELECT count(*) FROM bascule.task") == 2, "a refused task left a row"
        assert_error(a.cmd("tables", "add", "b.t"), "blocked", 3)
        for task, db, schema in ((a, target, "a"), (b, target, "b"), (c, second, "c")):
            arrives(source, db, task, schema, 1001)
        a.wait_ready()
    done = a.cutover()
    assert done.code == 0, f"{done!r}\n{a.tail(60)}"
    equal(source, target, "a")
    refused(source, "a")
    refused(target, "b")
    write(target, "a", 5)
    also = make_task(source, make_database(clusters[1]), task=f"side_also_{plugin}", tables={"include": ["a.%"]})
    assert_error(also.run_to_end(), "blocked", 3)  # it is fenced
    with Writer(source, "b.t", "c.t"):
        arrives(source, target, b, "b", 1002)
        b.kill()
        b.start().wait_streaming()
        arrives(source, second, c, "c", 1003)
        a.wait_back()
        back = a.rollback()
        assert back.code == 0, f"{back!r}\n{a.tail(60)}"
        assert source.value("SELECT n FROM a.t WHERE id = 7") == 5
        refused(target, "a")
        arrives(source, target, b, "b", 1004)
        a.wait_streaming()
        arrives(source, target, a, "a", 1005)
        a.wait_ready()
        done = a.cutover()
        assert done.code == 0, f"{done!r}\n{a.tail(60)}"
        b.wait_ready()
    done = b.cutover()
    assert done.code == 0, f"{done!r}\n{b.tail(60)}"
    equal(source, target, "b")
    # Both have a way back into the same source; one ends, the other is still whole.
    a.wait_back()
    a.ok("complete", "--yes")
    a.stop()
    a.ok("cleanup", "--yes")
    write(target, "b", 6)
    refused(source, "b")
    b.wait_back()
    back = b.rollback()
    assert back.code == 0, f"{back!r}\n{b.tail(60)}"
    assert source.value("SELECT n FROM b.t WHERE id = 7") == 6
    arrives(source, second, c, "c", 1006)
    equal(source, second, "c")
    for task, db in ((b, target), (c, second)):
        task.stop()
        task.ok("cleanup", "--yes")
        assert not db.has_schema(), f"{task.task} left its schema"
    assert not source.has_schema()
    assert source.slots() == [] and target.slots() == []
    assert source.value("SELECT count(*) FROM pg_publication") == 0
