"""The proof at the frozen point by the rows that changed: what it takes with more keys and with a larger table.

Each run is a rehearsal of the cutover: it reads all open keys and gives the writes back, so that they stay open."""
import json
import os

from harness.daemon import Bascule
from report import Table
from rig import Failed, Meter

ROWS = 100_000  # at 1 time the size
KEYS = 100_000
SIZES = (1, 10, 100)


class Tested:
    """A table of so many rows on both sides, verified, and then changed in so many rows all over it."""

    def __init__(self, rig, times, rows, keys):
        self.rig, self.keys, self.name = rig, keys, f"bascule, {rows:,} rows, {keys:,} keys"
        name = f"keys_{times}_{keys}"
        self.source = rig.source.create_database(name, owner="postgres")
        self.source.sql("CREATE TABLE t (id bigint PRIMARY KEY, v int, pad text);"
                        f"INSERT INTO t SELECT i, 0, md5(i::text) FROM generate_series(1, {rows}) i")
        self.source.sql("VACUUM (ANALYZE) t")
        self.target = rig.target.create_database(name, owner="postgres")
        self.task = Bascule(os.path.join(rig.dir, name), self.source, self.target, release=True, task="keys",
                            plugin="pgoutput", keys={"recheck_interval": "0s"}, cutover={"reverse": "off"})
        self.task.start().wait_streaming(timeout=600)
        self.task.wait_ready()
        done = self.task.cmd("verify", timeout=900)
        if done.code != 0:
            raise Failed(repr(done))
        self.source.sql(f"UPDATE t SET v = v + 1 WHERE id % {max(1, rows // keys)} = 0 AND id <= {keys * max(1, rows // keys)}")
        self.task.wait_applied(self.source, timeout=600)
        self.source.sql("VACUUM t")
        self.target.sql("VACUUM t")
        self.task.wait_applied(self.source, timeout=600)

    def once(self):
        self.task.wait_ready()
        with Meter(self.rig) as meter:
            done = self.task.cutover("--rehearse", "--verify", "keys", "--max-downtime", "60s", "--max-lag", "60s", "--json", timeout=200)
            sample = meter.sample()
        report = json.loads(done.out.splitlines()[-1])
        report = report.get("report", report)
        table = report["tables"][0]
        if done.code != 0 or table["method"] != "keys" or table["keys"] != self.keys:
            raise Failed(repr(done))
        phases = {p["name"]: p["elapsed_ms"] for p in report["phases"]}
        sample.extra = {"keys_ms": phases["keys"], "count_ms": phases["prove"], "frozen_ms": report["downtime_ms"]}
        return sample

    def drop(self):
        self.task.kill()
        self.rig.target.drop_database(self.target.name)
        self.rig.source.drop_database(self.source.name)


def plans(scale):
    rows, keys = int(ROWS * scale), int(KEYS * scale)
    for times in SIZES:
        yield times, rows * times, keys
    yield SIZES[1], rows * SIZES[1], keys // 10
    yield SIZES[1], rows * SIZES[1], keys * 10


def run(rig, options):
    if not options.wants("keys"):
        return
    table = Table("verify.keys", "changed rows read again at the frozen point, by size of the table and number of keys, ms\n"
                  "  (the rows are counted as well, which is not in it)",
                  figure="keys_ms")
    for times, rows, keys in plans(options.scale):
        tested = Tested(rig, times, rows, keys)
        for number in range(options.runs):
            try:
                table.add(tested.name, tested.once())
                options.say(f"{table.name} run {number + 1}: {tested.name}: {table.runs[tested.name][-1].extra}")
            except Failed as why:
                table.fail(tested.name, why)
        tested.drop()
    yield table
