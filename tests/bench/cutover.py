"""The pause that an application sees in a cutover and in a rollback, as its own writers measure it, and what bascule reports."""
import json
import os
import statistics

from harness import oracle, workload
from harness.daemon import Bascule
from harness.writers import Writers
from report import Table
from rig import Failed, Meter

COUNT = 4
ROUNDS = 10  # of one run: a cutover and a rollback each


def switch(rig, task, writers, name, side):
    """One switch; its Sample with the writers' pause and the report's."""
    if name == "cutover":
        task.wait_ready()
    else:
        task.wait_back()
    with Meter(rig) as meter:
        done = task.cmd(name, "--yes", "--json", timeout=120)
        sample = meter.sample()
    if done.code != 0:
        raise Failed(repr(done))
    writers.wait_on(side)
    before, after = writers.windows()[-2:]
    told = json.loads(done.out.splitlines()[-1])["report"]["downtime_ms"]
    pause = (after[1] - before[2]) * 1000
    sample.extra = {"pause_ms": pause, "told_ms": told, "apart_ms": abs(pause - told)}
    return sample


def rounds(rig, options, table, source, target, rate):
    task = Bascule(os.path.join(rig.dir, f"cut_{source.name}"), source, target, release=True, task="bench")
    writers = Writers(source, target, count=COUNT, kind="bank", after="continue", rate=rate)
    try:
        task.start().wait_streaming()
        writers.start()
        for number in range(options.runs * ROUNDS):
            for name, side in (("cutover", 1), ("rollback", 0)):
                writers.wait_more(200)
                try:
                    sample = switch(rig, task, writers, name, side)
                    table.add(f"bascule {name}", sample)
                    options.say(f"{table.name} {number + 1}: {name}: {sample.extra['pause_ms']:.0f} ms, told {sample.extra['told_ms']:.0f} ms")
                except Failed as why:
                    table.fail(f"bascule {name}", why)
                    return
        seen = writers.windows()
        speed = writers.acknowledged_count() / (seen[-1][2] - seen[0][1])
        writers.stop()
        task.wait_applied(source)
        oracle.assert_equal(source, target, schema=False, sequences=False)
        writers.assert_nothing_lost(source)
    finally:
        writers.stop(check=False)
        task.stop()
    return speed


def run(rig, options):
    full = None
    for share in (1.0, 0.7):
        source = rig.source.create_database(f"cut_{int(share * 100)}")
        target = rig.target.create_database(f"cut_{int(share * 100)}")
        workload.create(source)
        name = f"cutover.{int(share * 100)}"
        table = Table(name, f"pause of {COUNT} writers at {share:.0%} of the highest rate, ms", figure="pause_ms")
        rate = full * share / COUNT if full else None
        speed = rounds(rig, options, table, source, target, rate)
        full = full or speed
        pauses = sorted(s.extra["pause_ms"] for runs in table.runs.values() for s in runs)
        apart = [s.extra["apart_ms"] for runs in table.runs.values() for s in runs]
        if pauses:
            table.title += (f" ({len(pauses)} switches, {speed or 0:,.0f} transactions/s; median {statistics.median(pauses):.0f}, 99 %"
                            f" {pauses[min(len(pauses) - 1, int(len(pauses) * 0.99))]:.0f}; report and writers apart: median"
                            f" {statistics.median(apart):.0f}, most {max(apart):.0f})")
        for side, db in ((rig.source, source), (rig.target, target)):
            side.drop_database(db.name)
        yield table
