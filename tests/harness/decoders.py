"""The same WAL read twice: by wal2json and by pgoutput, through bascule's own reader, as text (integration/changes.c)."""
import os
import subprocess
import tempfile

from . import place

PLUGINS = ("wal2json", "pgoutput")
# Every kind of change and of value that a stream can hold, as changes.c counts them.
KINDS = ("transaction", "insert", "update", "update-key", "update-full", "delete", "delete-full", "truncate",
         "truncate-many", "message", "null", "unchanged", "value")


def program():
    path = os.path.join(os.path.dirname(place.binary()), "integration", "changes")
    assert os.path.exists(path), f"{path} is not built"
    return path


class TwoDecoders:
    """Two slots at one point of the source's WAL: made before the workload, read behind it.

    with TwoDecoders(source) as two: ...statements...; counts = two.compare()
    """

    def __init__(self, source):
        self.source = source
        self.counts = {}

    def __enter__(self):
        self.source.sql("CREATE PUBLICATION two FOR ALL TABLES")
        self.slots = {plugin: f"two_{self.source.name}_{plugin}" for plugin in PLUGINS}
        with self.source.connect() as c:
            c.execute("SELECT pg_create_logical_replication_slot(%s, 'wal2json')", (self.slots["wal2json"],))
            # The copy stands at the same place of the WAL, whatever is written meanwhile.
            c.execute("SELECT pg_copy_logical_replication_slot(%s, %s, false, 'pgoutput')",
                      (self.slots["wal2json"], self.slots["pgoutput"]))
            places = c.execute("SELECT DISTINCT restart_lsn, confirmed_flush_lsn FROM pg_replication_slots"
                               " WHERE slot_name = ANY (%s)", (list(self.slots.values()),)).fetchall()
        assert len(places) == 1, f"the slots stand at different places: {places}"
        return self

    def __exit__(self, *_):
        for slot in self.slots.values():
            self.source.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                            " WHERE slot_name = %s", (slot,))
        self.source.sql("DROP PUBLICATION two")

    def _read(self, plugin, path):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        with open(path, "wb") as out:
            done = subprocess.run([program(), self.source.dsn, self.slots[plugin], plugin, "two"], env=env, stdout=out,
                                  stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=280)
        assert done.returncode == 0, f"{plugin}: exit {done.returncode}: {done.stderr.decode(errors='replace')}"

    def compare(self):
        """The number of changes of each kind; fails at the first line that differs."""
        self.source.sql("SELECT pg_logical_emit_message(true, 'bascule', 'the end')")
        with tempfile.TemporaryDirectory(prefix="decoders-", dir=place.base()) as directory:
            paths = [os.path.join(directory, plugin) for plugin in PLUGINS]
            for plugin, path in zip(PLUGINS, paths):
                self._read(plugin, path)
            with open(paths[0], "rb") as left, open(paths[1], "rb") as right:
                return self._hold_against(left, right)

    def _hold_against(self, left, right):
        counts = [{}, {}]
        number, table = 0, b""
        while True:
            lines = left.readline(), right.readline()
            number += 1
            if all(line.startswith(b"# ") for line in lines):
                for side, line in zip(counts, lines):
                    _, kind, count = line.split()
                    side[kind.decode()] = int(count)
                continue
            assert lines[0] == lines[1], f"line {number} differs, behind {table[:200]!r}:\n" + "\n".join(
                f"{plugin:9}{line[:2000].decode(errors='replace')}" for plugin, line in zip(PLUGINS, lines))
            if not lines[0]:
                break
            table = lines[0]
        # Only pgoutput can say NaN; changes.c prints it as the null that wal2json 2.5 makes of it.
        nan = [side.pop("nan") for side in counts]
        assert nan[0] == 0, "wal2json can print NaN now: bascule may use it for numbers"
        assert counts[0] == counts[1], counts
        return dict(counts[0], nan=nan[1])


def demand(counts, *also):
    """Prints what was compared; a kind that did not occur was not compared."""
    print("compared: " + ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    missing = [kind for kind in also or KINDS if counts[kind] == 0]
    assert not missing, f"never compared: {', '.join(missing)}"
