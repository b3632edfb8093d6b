"""Peak memory of bascule against the size of one transaction and against the number of changed keys: it must not grow with
either."""
import json
import os

import check
from harness.daemon import Bascule
from harness.waiting import wait_until
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


def resident(rig, task, work):
    """The engine's highest resident size while this was done, from its start on."""
    with Meter(rig) as meter:
        work()
        sample = meter.sample()
    sample.extra = {"resident_mb": task.note_rss() / 1024}
    return sample


def changed_keys(rig, options):
    """Every row changed since it was verified: noted by the stream, proved at the frozen point, read again in the background."""
    rows = max(1000, int(10_000_000 * options.scale))
    source = rig.source.create_database("keys", owner="postgres")
    target = rig.target.create_database("keys", owner="postgres")
    source.sql("CREATE TABLE t (id bigint PRIMARY KEY, v int);"
               f" INSERT INTO t SELECT i, 0 FROM generate_series(1, {rows}) i")
    source.sql("VACUUM (ANALYZE) t")
    task = Bascule(os.path.join(rig.dir, "keys"), source, target, release=True, task="keys", plugin="pgoutput",
                   cutover={"reverse": "off"}, keys={"recheck_interval": "0s", "recheck_rate": 1000000})
    task.start().wait_streaming(timeout=600)
    table = Table("memory.keys", f"highest resident memory with {rows:,} changed keys, MB", figure="resident_mb")

    def stream():
        with source.connect() as c:
            for part in range(100):
                c.execute("UPDATE t SET v = v + 1 WHERE id %% 100 = %s", (part,))
        task.wait_applied(source, timeout=1200)

    def freeze():
        done = task.cutover("--rehearse", "--verify", "keys", "--max-downtime", "10min", "--max-lag", "60s", "--json", timeout=900)
        told = json.loads(done.out.splitlines()[-1])["report"]
        if done.code != 0 or told["tables"][0]["keys"] != rows:
            raise Failed(repr(done))

    def recheck():
        wait_until(lambda: task.must_live() and task.status()["proof"]["open_keys"] == 0, 900, "no key is open", 0.5,
                   dump=task.describe)

    def again(interval):
        task.peak_rss_kb = 0
        task.stop(timeout=120)
        task.write_config(keys={"recheck_interval": interval})
        task.start().wait_streaming()
        task.wait_ready()
    try:
        task.wait_applied(source, timeout=600)
        table.add("bascule verify", resident(rig, task, lambda: task.ok("verify", timeout=900)))
        again("0s")
        table.add("bascule, noted by the stream", resident(rig, task, stream))
        again("0s")
        table.add("bascule, read at the frozen point", resident(rig, task, freeze))
        again("1s")
        table.add("bascule, read again meanwhile", resident(rig, task, recheck))
    except (Failed, AssertionError) as why:
        table.fail("bascule", why)
    task.stop(timeout=120)
    rig.target.drop_database("keys")
    rig.source.drop_database("keys")
    return table


def one_transaction(rig, options):
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
    return table


def run(rig, options):
    if options.wants("transaction"):
        yield one_transaction(rig, options)
    if options.wants("keys"):
        yield changed_keys(rig, options)
