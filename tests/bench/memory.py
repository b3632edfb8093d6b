"""Peak memory of bascule against the size of one transaction and of one row: it must not grow with either."""
import os

import check
from harness.daemon import Bascule
from report import Table
from rig import Failed, Meter
from consumers import await_mark


def transactions(source, rows):
    source.sql("UPDATE big SET v = v + 1 WHERE id <= %s", (rows,))


def one(rig, source, target, rows, mark):
    task = Bascule(os.path.join(rig.dir, "memory"), source, target, release=True, task="memory", plugin="pgoutput")
    transactions(source, rows)
    source.sql("INSERT INTO bench_mark VALUES (%s)", (mark,))
    with Meter(rig) as meter:
        task.start()
        meter.watch(task.process.pid)
        await_mark(target, mark, task.alive)
        sample = meter.sample()
    task.stop(timeout=60)
    check.same_rows(source, target)
    return sample


def run(rig, options):
    rows = max(1000, int(3_000_000 * options.scale))
    source = rig.source.create_database("memory", owner="postgres")
    target = rig.target.create_database("memory", owner="postgres")
    source.sql("CREATE TABLE big (id bigint PRIMARY KEY, v int, b text); CREATE TABLE bench_mark (id int PRIMARY KEY);"
               f" INSERT INTO big SELECT i, 0, repeat(md5(i::text), 4) FROM generate_series(1, {rows}) i")
    source.sql("VACUUM big")
    task = Bascule(os.path.join(rig.dir, "memory"), source, target, release=True, task="memory", plugin="pgoutput")
    task.start().wait_streaming(timeout=300)
    task.stop()
    table = Table("memory.transaction", "peak memory by size of one transaction, MB", figure="peak_mb")
    mark = 0
    for number in range(options.runs):
        for part in (100, 10, 1):
            mark += 1
            name = f"bascule, {rows // part:,} changes"
            try:
                table.add(name, one(rig, source, target, rows // part, mark))
                options.say(f"memory run {number + 1}: {name}: {table.runs[name][-1].peak_mb:.0f} MB")
            except Failed as why:
                table.fail(name, why)
    rig.target.drop_database("memory")
    rig.source.drop_database("memory")
    yield table
