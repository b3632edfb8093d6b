"""Resident memory stays under 200 MB (plus four times the largest value) whatever passes through. Measured with the
release build, from the kernel's high-water mark."""
import pytest
from harness import oracle, workload
from harness.flow import caught_up_and_equal

LIMIT_KB = 200 * 1024


def test_one_million_rows_in_one_transaction(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, a text, b bigint, c timestamptz DEFAULT now())")
    task = make_task(release=True).start().wait_streaming()
    source.sql("INSERT INTO t SELECT i, md5(i::text) || md5(i::text), i FROM generate_series(1, 1000000) i")
    caught_up_and_equal(task, source, target)
    peak = task.note_rss()
    print(f"peak {peak} kB, spilled {task.status()['stream']['spilled_bytes']}")
    assert 1024 < peak < LIMIT_KB
    assert task.stop() == 0


@pytest.mark.parametrize("megabytes", [400, pytest.param(1000, marks=pytest.mark.long)])
def test_a_large_load(megabytes, source, target, make_task):
    workload.add_bulk(source, megabytes, owner="postgres")
    task = make_task(release=True).start().wait_streaming(240)
    peak = task.note_rss()
    print(f"peak {peak} kB")
    assert 1024 < peak < LIMIT_KB
    assert task.stop() == 0
    oracle.assert_equal(source, target)


def test_large_values(source, target, make_task):
    """Four times the largest value on top: 30 MB each, loaded and streamed."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text, b bytea); ALTER TABLE t ALTER v SET STORAGE EXTERNAL;"
               "INSERT INTO t SELECT i, repeat('x', 30000000), NULL FROM generate_series(1, 3) i")
    task = make_task(release=True, plugin="pgoutput").start().wait_streaming()
    source.sql("INSERT INTO t SELECT i, repeat('y', 30000000), NULL FROM generate_series(4, 7) i;"
               "UPDATE t SET b = '\\x01' WHERE id < 5")
    caught_up_and_equal(task, source, target)
    peak = task.note_rss()
    print(f"peak {peak} kB")
    assert 1024 < peak < LIMIT_KB + 4 * 30_000
