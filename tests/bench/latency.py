"""Latency when caught up: from the commit on the source to the row being visible on the target, under TPC-B at a fixed rate."""
import os
import statistics
import subprocess
import time

import data
from consumers import Native, Ours, await_mark
from report import Table
from rig import Failed, Meter
from stream import copy_of

RATE = 500
PROBES = 400


def probe(source, target, count, first):
    """Milliseconds of each probe. One session commits, another asks without a pause until it sees the row."""
    found = []
    with source.connect() as writer, target.connect() as reader:
        reader.prepare_threshold = writer.prepare_threshold = 0
        for number in range(first, first + count):
            writer.execute("INSERT INTO bench_mark VALUES (%s)", (number,))
            committed = time.monotonic()
            while not reader.execute("SELECT 1 FROM bench_mark WHERE id = %s", (number,)).fetchone():
                if time.monotonic() - committed > 30:
                    raise Failed("a row was not visible after 30 s")
            found.append((time.monotonic() - committed) * 1000)
            time.sleep(0.02)
    return found


def measure(rig, source, consumer, first):
    """The consumer runs and has caught up; load; probes."""
    load = subprocess.Popen([f"{rig.source.bindir}/pgbench", "-n", "-c", "2", "-R", str(RATE), "-T", str(PROBES // 25 + 5), source.dsn],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    try:
        time.sleep(1)
        with Meter(rig) as meter:
            values = probe(source, consumer.target, PROBES, first)
            sample = meter.sample()
    finally:
        load.terminate()
        load.wait()
    cuts = statistics.quantiles(values, n=100)
    sample.extra = {"p50_ms": statistics.median(values), "p99_ms": cuts[98], "max_ms": max(values)}
    return sample


def start(consumer):
    if isinstance(consumer, Ours):
        consumer.task.start().wait_streaming()
    else:
        consumer.target.sql(f"ALTER SUBSCRIPTION {consumer.slot} ENABLE")


def stop(consumer):
    if isinstance(consumer, Ours):
        consumer.task.stop()
    else:
        consumer.target.sql(f"ALTER SUBSCRIPTION {consumer.slot} DISABLE")


def run(rig, options):
    source = rig.source.create_database("latency", owner="postgres")
    data.create_pgbench(source, max(1, int(20 * options.scale)))
    source.sql("ALTER TABLE pgbench_history REPLICA IDENTITY FULL; CREATE TABLE bench_mark (id int PRIMARY KEY);"
               " CREATE PUBLICATION bench FOR TABLES IN SCHEMA public")
    base = copy_of(rig, source, "base_latency")
    made = [Ours(rig, source, f"bascule, {p}", p) for p in ("pgoutput", "wal2json")]
    made += [Native(rig, source, name) for name in ("native, text", "native, binary")]
    running = {c.name: c for c in made if c.name in options.order([m.name for m in made], 0)}
    for consumer in running.values():
        consumer.prepare(base.name)
    tables = {f: Table(f"latency.{f}", f"latency at {RATE} TPC-B transactions/s, {f[:-3]} in ms", figure=f)
              for f in ("p50_ms", "p99_ms")}
    mark = 1
    for number in range(options.runs):
        for name in options.order(running, number):
            consumer = running[name]
            try:
                start(consumer)
                source.sql("INSERT INTO bench_mark VALUES (%s)", (mark,))
                await_mark(consumer.target, mark)
                sample = measure(rig, source, consumer, mark + 1)
                for table in tables.values():
                    table.add(name, sample)
                options.say(f"latency run {number + 1}: {name}: p50 {sample.extra['p50_ms']:.1f} ms, p99 {sample.extra['p99_ms']:.1f} ms")
            except Failed as why:
                tables["p50_ms"].fail(name, why)
            finally:
                stop(consumer)
                mark += PROBES + 2
    for consumer in running.values():
        consumer.end()
    rig.renew()
    yield from tables.values()
