"""The demonstration that tests/demo starts: prepare, move, cut over, prove."""
import argparse
import os
import signal
import sys
import time

from harness import clinic, oracle, place
from harness.daemon import Bascule
from harness.server import Cluster
from harness.waiting import wait_until
from harness.writers import Writers

START = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - START:6.1f} s] {text}", flush=True)


def show(title, text):
    print(f"\n---- {title}", flush=True)
    print("\n".join("  " + line for line in text.rstrip().splitlines()) + "\n", flush=True)


class Demo:
    def __init__(self, arguments):
        self.arguments = arguments
        self.clusters, self.task, self.writers, self.pauses = [], None, None, []

    def servers(self):
        for name in ("source", "target"):
            self.clusters.append(Cluster(name, settings={"autovacuum": "on", "max_wal_size": "'4GB'"}))
            self.clusters[-1].start().prepare_roles()
            say(f"{name}: PostgreSQL on port {self.clusters[-1].port}, data in {self.clusters[-1].data}")
        source = self.clusters[0].create_database("clinic")
        target = self.clusters[1].create_database("clinic")
        return source, target

    def fill(self, source):
        clinic.create(source, self.arguments.log_rows)
        size = source.value("SELECT pg_size_pretty(pg_database_size(current_database()))")
        counts = ", ".join(f"{rows:,} {table}" for table, rows in clinic.COUNTS.items())
        say(f"the clinic is filled: {counts}, {self.arguments.log_rows:,} rows of activity log; {size}")

    def command(self, *args, expect=(0,)):
        done = self.task.cmd(*args, timeout=150)
        show(f"bascule {' '.join(args)}   (exit {done.code})", done.out + done.err)
        if done.code not in expect:
            raise SystemExit(f"bascule {args[0]} ended with {done.code}")
        return done

    def watch(self, source):
        """Until the engine streams and a cutover would be accepted."""
        seen = []

        def streaming():
            self.task.must_live()
            phase = self.task.phase()
            if phase and phase not in seen:
                seen.append(phase)
                say(f"bascule is {phase}; the application has committed {self.writers.acknowledged_count():,} times")
            return phase == "streaming"
        wait_until(streaming, 150, "streaming", 0.2, dump=self.task.describe)
        self.task.wait_ready(60)

    def switch(self, command, side):
        """A cutover or a rollback while the writers work, and the pause that they saw."""
        if command == "cutover":
            self.task.wait_ready(60)
        else:
            self.task.wait_back(60)
        self.command(command, "--yes")
        self.writers.wait_on(side)
        before, after = self.writers.windows()[-2:]
        self.pauses.append(f"{command} {(after[1] - before[2]) * 1000:.0f} ms")
        say(f"the writers work on the {('source', 'target')[side]} now; {self.pauses[-1]} by their own clocks")
        self.writers.wait_more(500)

    def prove(self, source, target):
        """The writers have stopped at the target, and what they wrote there has streamed back to the source."""
        self.task.wait_back(60)
        found, rows = oracle.compare_data(source.dsn, target.dsn)
        found += oracle.compare_schema(source.dsn, target.dsn)
        found += oracle.compare_sequences(source.dsn, target.dsn)
        found += self.writers.loss_and_duplication(target)
        if found:
            show("NOT EQUAL", "\n".join(found))
            raise SystemExit("source and target differ")
        tables = source.value("SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = 'public'")
        say(f"equal: {rows:,} rows of {tables} tables byte for byte, columns, indexes, constraints, triggers and"
            f" sequences; all {self.writers.acknowledged_count():,} acknowledged commits are there")

    def life_goes_on(self, target):
        """The application works on the target with its sequences and constraints."""
        more = Writers(target, target, count=2, seed=99, kind="clinic", module="harness.clinic", after="stop").start()
        try:
            more.wait_more(200)
        finally:
            more.stop()
        more.assert_nothing_lost(target, others=True)
        say(f"the application goes on at the target: {more.acknowledged_count():,} more commits")

    def run(self):
        source, target = self.servers()
        self.fill(source)
        self.task = Bascule(os.path.join(place.base(), "bascule"), source, target, release=True, task="clinic")
        self.writers = Writers(source, target, count=self.arguments.writers, kind="clinic", module="harness.clinic",
                               after="continue").start()
        say(f"{self.arguments.writers} writers work on the source from now on")
        self.command("check", expect=(0, 5))
        self.command("plan")
        self.task.start()
        self.watch(source)
        self.writers.wait_more(500)
        self.command("status")
        self.command("verify")
        self.switch("cutover", 1)
        self.switch("rollback", 0)
        self.switch("cutover", 1)
        self.writers.stop()
        self.writers.assert_windows([0, 1, 0, 1])
        self.prove(source, target)
        self.life_goes_on(target)
        self.command("complete", "--yes")
        self.task.stop()
        self.command("cleanup", "--yes")
        print(f"\nmoved, back, moved again, and equal. Pauses seen by the application: {', '.join(self.pauses)}")

    def close(self):
        if self.writers:
            self.writers.stop(check=False)
        if self.task:
            self.task.kill()
        for cluster in self.clusters:
            cluster.destroy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log-rows", type=int, default=2_500_000)
    parser.add_argument("--writers", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="leave servers' directories and logs")
    arguments = parser.parse_args()
    if arguments.keep:
        os.environ["BASCULE_TEST_KEEP"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    demo = Demo(arguments)
    try:
        demo.run()
    except BaseException as e:
        if demo.task and os.path.exists(demo.task.log):
            show("log of bascule", demo.task.tail(80))
        if isinstance(e, AssertionError):
            raise SystemExit(f"failed: {e}") from e
        raise
    finally:
        demo.close()


if __name__ == "__main__":
    main()
