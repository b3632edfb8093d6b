"""The consumers of a stream that are measured: each can be made ready, timed until its target has everything, removed."""
import os
import time

from harness.daemon import Bascule
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

    def end(self):
        """Nothing of it runs any more; databases, slots and subscriptions end with the servers: Rig.renew."""


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

    def end(self):
        self.task.kill()


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


class Pglogical(Consumer):
    """An extension on both sides: prepare it after the others, so that they never see its tables."""
    inside = True
    def prepare(self, base):
        with self.rig.target.connect() as c:
            c.execute(f"CREATE DATABASE {self.database} TEMPLATE {base}")
        self.target = type(self.source)(self.rig.target, self.database)
        for side, name in ((self.source, "provider"), (self.target, "subscriber")):
            side.sql("CREATE EXTENSION pglogical")
            side.sql("SELECT pglogical.create_node(%s, %s)", (name, side.dsn))
        for table, keyed in self.source.sql(
                "SELECT c.oid::regclass::text, EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
                " FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"):
            self.source.sql("SELECT pglogical.replication_set_add_table(%s, %s::regclass)",
                            ("default" if keyed else "default_insert_only", table))
        self.target.sql("SELECT pglogical.create_subscription('bench', %s, synchronize_structure := false,"
                        " synchronize_data := false)", (self.source.dsn,))
        self.target.sql("SELECT pglogical.wait_for_subscription_sync_complete('bench')")
        self.target.sql("SELECT pglogical.alter_subscription_disable('bench', true)")

    def drain(self, mark, end_lsn):
        with Meter(self.rig) as meter:
            self.target.sql("SELECT pglogical.alter_subscription_enable('bench', true)")
            await_mark(self.target, mark)
            sample = meter.sample()
        self.target.sql("SELECT pglogical.alter_subscription_disable('bench', true)")
        return sample
