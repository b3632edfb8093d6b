"""Stream backlog: every consumer stands still while the source writes, then each is timed until its target has all."""
import os
import subprocess
import time

import backlog
import check
from harness.daemon import Bascule
from report import Table
from rig import Failed, Meter

LIMIT_S = 900


def await_mark(target, mark, alive=lambda: True):
    end = time.monotonic() + LIMIT_S
    with target.connect() as c:
        while not c.execute("SELECT 1 FROM bench_mark WHERE id = %s", (mark,)).fetchone():
            if not alive():
                raise Failed("it ended before everything was there")
            if time.monotonic() > end:
                raise Failed(f"not there after {LIMIT_S} s")
            time.sleep(0.01)


class Consumer:
    inside = False  # of the servers: no process of its own

    def __init__(self, rig, source, name):
        self.rig, self.source, self.name = rig, source, name
        self.slot = "b_" + "".join(ch if ch.isalnum() else "_" for ch in name.lower())[:40]
        self.database = "t_" + self.slot

    def drop(self):
        self.rig.target.drop_database(self.database)


class Ours(Consumer):
    def __init__(self, rig, source, name, plugin):
        super().__init__(rig, source, name)
        self.plugin = plugin

    def prepare(self, base):
        self.target = self.rig.target.create_database(self.database, owner="postgres")
        self.task = Bascule(os.path.join(self.rig.dir, self.slot), self.source, self.target, release=True,
                            task=self.slot, plugin=self.plugin)
        self.task.start().wait_streaming(timeout=300)
        self.task.stop()

    def drain(self, mark, end_lsn):
        with Meter(self.rig) as meter:
            self.task.start()
            meter.watch(self.task.process.pid)
            await_mark(self.target, mark, self.task.alive)
            sample = meter.sample()
        self.task.stop(timeout=60)
        return sample

    def drop(self):
        self.task.kill()
        super().drop()


class Native(Consumer):
    inside = True
    options = {"native, text": "", "native, binary": ", binary = true",
               "native, binary, streaming": ", binary = true, streaming = on"}

    def prepare(self, base):
        with self.rig.target.connect() as c:
            c.execute(f"CREATE DATABASE {self.database} TEMPLATE {base}")
        self.target = type(self.source)(self.rig.target, self.database)
        self.source.sql("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (self.slot,))
        self.target.sql(f"CREATE SUBSCRIPTION {self.slot} CONNECTION '{self.source.dsn}' PUBLICATION bench WITH (create_slot = false,"
                        f" slot_name = '{self.slot}', enabled = false, copy_data = false{self.options[self.name]})")

    def drain(self, mark, end_lsn):
        with Meter(self.rig) as meter:
            self.target.sql(f"ALTER SUBSCRIPTION {self.slot} ENABLE")
            await_mark(self.target, mark)
            sample = meter.sample()
        self.target.sql(f"ALTER SUBSCRIPTION {self.slot} DISABLE")
        return sample

    def drop(self):
        self.target.sql(f"ALTER SUBSCRIPTION {self.slot} DISABLE")
        self.target.sql(f"ALTER SUBSCRIPTION {self.slot} SET (slot_name = NONE)")
        self.target.sql(f"DROP SUBSCRIPTION {self.slot}")
        super().drop()


class Nowhere(Consumer):
    """pg_recvlogical into /dev/null: the speed of decoding alone."""
    options = {"limit: pgoutput to nowhere": ("pgoutput", ["proto_version=1", "publication_names=bench"]),
               "limit: wal2json to nowhere": ("wal2json", ["format-version=2", "include-lsn=1", "include-xids=1"])}

    def prepare(self, base):
        self.plugin, self.settings = self.options[self.name]
        self.source.sql("SELECT pg_create_logical_replication_slot(%s, %s)", (self.slot, self.plugin))
        self.target = None

    def drain(self, mark, end_lsn):
        argv = [f"{self.rig.source.bindir}/pg_recvlogical", "--start", "--slot", self.slot, "--endpos", end_lsn, "-f", "/dev/null",
                "-d", self.source.dsn]
        for setting in self.settings:
            argv += ["-o", setting]
        return self.rig.run(argv)

    def drop(self):
        pass


def consumers(rig, source, kind, options):
    made = [Ours(rig, source, f"bascule, {plugin}", plugin) for plugin in kind.plugins]
    made += [Native(rig, source, name) for name in Native.options if kind.name == "bigtx" or "streaming" not in name]
    made += [Nowhere(rig, source, name) for name in Nowhere.options]
    return {c.name: c for c in made if c.name in options.order([m.name for m in made], 0)}


def copy_of(rig, source, name):
    base = rig.target.create_database(name, owner="postgres")
    done = subprocess.run(f"{rig.source.bindir}/pg_dump -Fc -Z0 -d '{source.dsn}' | {rig.target.bindir}/pg_restore --no-publications"
                          f" -d '{base.dsn}'", shell=True, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return base


def one_kind(rig, options, kind):
    work = kind(rig.dir, options.scale)
    source = rig.source.create_database(f"stream_{work.name}", owner="postgres")
    work.create(source)
    source.sql("CREATE TABLE bench_mark (id int PRIMARY KEY); CREATE PUBLICATION bench FOR ALL TABLES")
    base = copy_of(rig, source, f"base_{work.name}")
    running = consumers(rig, source, kind, options)
    for consumer in running.values():
        consumer.prepare(base.name)
    table = None
    for number in range(options.runs):
        changes = work.write(source)
        table = table or Table(f"stream.{work.name}", f"{work.title}, {changes:,} changes", changes, "changes")
        source.sql("INSERT INTO bench_mark VALUES (%s)", (number,))
        source.sql("CHECKPOINT")
        end_lsn = source.value("SELECT pg_current_wal_lsn()")
        known = None
        for name in options.order(running, number):
            rig.checkpoint()
            try:
                sample = running[name].drain(number, end_lsn)
                if running[name].target is not None:
                    known = check.same_rows(source, running[name].target, known)
                table.add(name, sample)
                options.say(f"{table.name} run {number + 1}: {name}: {sample.seconds:.2f} s, {changes / sample.seconds:,.0f} changes/s")
            except Failed as why:
                table.fail(name, why)
                options.say(f"{table.name} run {number + 1}: {name}: FAILED {why}")
    for consumer in running.values():
        consumer.drop()
    rig.target.drop_database(base.name)
    rig.source.drop_database(source.name)
    return table


def run(rig, options):
    for kind in backlog.KINDS:
        if options.wants(kind.name):
            yield one_kind(rig, options, kind)
