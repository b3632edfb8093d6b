"""The pause that an application sees in a cutover and in a rollback, as its own writers measure it, and what bascule reports.

Probe writers keep a ledger and measure; beside them pgbench writes as fast as the machine lets it with a lag under a second."""
import json
import os
import statistics
import subprocess
import threading
import time

import data
from harness import oracle, workload
from harness.daemon import Bascule
from harness.writers import Writers
from report import Table
from rig import Failed, Meter

PROBES, PROBE_RATE = 4, 100  # writers, and transactions/s of each
CLIENTS = 8
ROUNDS = 10  # of one run: a cutover and a rollback each
LAG_S = 1.0
PHASES = ("freeze", "barrier", "drain", "export", "sequences", "prove", "commit", "opening")  # of the freeze


class Load:
    """pgbench TPC-B on whichever side is open. Its clients end when they are refused; it then begins on the other side."""

    def __init__(self, sides, rate=None):
        self.argv = [[f"{db.cluster.bindir}/pgbench", "-n", "-c", str(CLIENTS), "-T", "100000", "-M", "prepared",
                      *(["-R", f"{rate:.0f}"] if rate else []), db.dsn] for db in sides]
        self.sides, self.ended, self.process = sides, threading.Event(), None
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        side = 0
        while not self.ended.is_set():
            self.process = subprocess.Popen(self.argv[side], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.process.wait()
            side = 1 - side
            self.ended.wait(0.05)

    def stop(self):
        self.ended.set()
        while self.thread.is_alive():
            self.process.terminate()
            self.thread.join(0.1)


def transactions(db):
    return db.value("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")


def sustained(options, task, source, target):
    """pgbench's highest rate with which the target stays less than a second behind, and the transactions/s that it makes."""
    rate = None
    while True:
        load = Load((source, target), rate)
        try:
            time.sleep(2)
            before, start, lags = transactions(source), time.monotonic(), []
            while time.monotonic() - start < 8:
                lags.append(task.status()["lag"]["seconds"] or 0)
                time.sleep(0.2)
            seen = (transactions(source) - before) / (time.monotonic() - start)
        finally:
            load.stop()
        options.say(f"cutover: pgbench with {'no limit' if rate is None else f'{rate:.0f}/s'}: {seen:,.0f} transactions/s, lag at most {max(lags):.2f} s")
        if max(lags) < LAG_S:
            return rate or seen
        rate = seen * 0.85


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
    report = json.loads(done.out.splitlines()[-1])["report"]
    told = report["downtime_ms"]
    pause = (after[1] - before[2]) * 1000
    sample.extra = {"pause_ms": pause, "told_ms": told, "apart_ms": abs(pause - told),
                    **{f"{p['name']}_ms": p["elapsed_ms"] for p in report["phases"] if p["name"] in PHASES}}
    return sample


def rounds(rig, options, table, task, source, target, rate, seed):
    """Rounds of cutover and rollback under that load; what the two sides then hold is compared."""
    writers = Writers(source, target, count=PROBES, kind="bank", after="continue", rate=PROBE_RATE, keep=True, again_after=0.001, seed=seed).start()
    load = Load((source, target), rate)
    try:
        time.sleep(1)
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
        load.stop()
        writers.stop()
        task.wait_applied(source)
        oracle.assert_equal(source, target, schema=False, sequences=False)
        writers.assert_nothing_lost(source, others=seed > 1)  # than those of the rounds before
    finally:
        load.stop()
        writers.stop(check=False)


def nine_of_ten(values):
    return sorted(values)[max(0, -(-len(values) * 9 // 10) - 1)]


def title(share, table, rate):
    pauses = sorted(s.extra["pause_ms"] for runs in table.runs.values() for s in runs)
    apart = [s.extra["apart_ms"] for runs in table.runs.values() for s in runs]
    text = f"pause of the writers at {share:.0%} of the highest rate, ms"
    if pauses:
        text += (f" ({len(pauses)} switches, {rate:,.0f} transactions/s of pgbench and {PROBES * PROBE_RATE} of the writers that measure;"
                 f" median {statistics.median(pauses):.0f}, 99 % {pauses[min(len(pauses) - 1, int(len(pauses) * 0.99))]:.0f}; report and"
                 f" writers apart: median {statistics.median(apart):.0f}, nine of ten {nine_of_ten(apart):.0f}, most {max(apart):.0f})")
    return text


def run(rig, options):
    source, target = (side.create_database("cut") for side in rig.servers)
    workload.create(source)
    data.create_pgbench(source, max(1, int(10 * options.scale)))
    source.sql("ALTER TABLE pgbench_history REPLICA IDENTITY FULL")
    task = Bascule(os.path.join(rig.dir, "cut"), source, target, release=True, task="bench", plugin="pgoutput")
    try:
        task.start().wait_streaming(timeout=300)
        task.ok("verify", timeout=300)
        full = sustained(options, task, source, target)
        for seed, share in enumerate((1.0, 0.7), 1):
            table = Table(f"cutover.{int(share * 100)}", "", figure="pause_ms")
            rounds(rig, options, table, task, source, target, full * share, seed)
            table.title = title(share, table, full * share)
            yield table
    finally:
        task.stop()
