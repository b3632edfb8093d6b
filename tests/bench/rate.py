"""What a comparison with --max-rate takes from the source, by the source's own statistics of blocks."""
import os
import threading
import time

import data
from harness.daemon import Bascule
from report import Table
from rig import Failed, Meter

BLOCKS = "SELECT COALESCE(sum(heap_blks_read + heap_blks_hit), 0) FROM pg_statio_user_tables"
WINDOW = 5.0  # seconds; sessions tell what they have read once a transaction, and a transaction is a chunk
KINDS = (("", 32), ("", 8), (" --counts", 32), (" --since 1d", 32))  # MB a second


class Watch:
    """The source's count of blocks, twice a second."""

    def __init__(self, source):
        self.source, self.seen, self.over = source, [], threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        with self.source.connect() as c:
            while not self.over.wait(0.5):
                self.seen.append((time.monotonic(), int(c.execute(BLOCKS).fetchone()[0])))

    def __enter__(self):
        self.before = int(self.source.value(BLOCKS))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def megabytes(self):
        return (self.seen[-1][1] - self.before) * 8192 / 1e6

    def highest(self):
        """Megabytes a second in the busiest stretch of WINDOW seconds."""
        return max(((b - a) * 8192 / 1e6 / (u - t) for t, a in self.seen for u, b in self.seen if u - t >= WINDOW), default=0.0)


def once(rig, source, task, asked, kind):
    with Meter(rig) as meter, Watch(source) as watch:
        done = task.cmd("verify", "--restart", "--max-rate", f"{asked}MB", *kind.split(), timeout=900)
        sample = meter.sample()
        time.sleep(1.5)  # what the sessions have read is told by then
    if done.code not in (0, 6):  # 6: tables without a timestamp are not looked at by --since
        raise Failed(repr(done))
    sample.extra = {"source_mb_s": watch.megabytes() / sample.seconds, "highest_mb_s": watch.highest(), "asked_mb_s": asked * 1.048576}
    return sample


def run(rig, options):
    if not options.wants("rate"):
        return
    source = rig.source.create_database("verify_rate", owner="postgres")
    data.create_pgbench(source, max(1, int(20 * options.scale)))
    source.sql("ALTER TABLE pgbench_history REPLICA IDENTITY FULL; ALTER TABLE pgbench_accounts ADD at timestamptz DEFAULT '2020-01-01'")
    source.sql("VACUUM (ANALYZE)")
    target = rig.target.create_database(source.name, owner="postgres")
    task = Bascule(os.path.join(rig.dir, "rate"), source, target, release=True, task="rate", plugin="pgoutput")
    task.start().wait_streaming(timeout=300)
    table = Table("verify.rate", "what a comparison with --max-rate reads on the source, MB/s by the source's statistics of blocks",
                  figure="source_mb_s")
    for number in range(options.runs):
        for kind, asked in KINDS:
            name = f"bascule verify{kind} --max-rate {asked}MB"
            try:
                table.add(name, once(rig, source, task, asked, kind))
                options.say(f"{table.name} run {number + 1}: {name}: {table.runs[name][-1].extra}")
            except Failed as why:
                table.fail(name, why)
    task.stop()
    rig.target.drop_database(target.name)
    rig.source.drop_database(source.name)
    yield table
