"""The foreign checker: are two databases equal, byte for byte? Shares no code with bascule: it asks psql for COPY text
of every table, sorts it as bytes and compares; the catalogs are compared as PostgreSQL prints them.

As a program:  python3 -m harness.oracle SOURCE_CONNINFO TARGET_CONNINFO
"""
import collections
import hashlib
import os
import subprocess
import sys
import tempfile

import psycopg

from . import catalog
from .daemon import lsn_number

OPTIONS = ("-c extra_float_digits=3 -c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC"
           " -c bytea_output=hex -c row_security=off -c lc_monetary=C -c search_path=pg_catalog"
           " -c default_transaction_read_only=on -c statement_timeout=0")
SHOWN = 5


def _quote(name):
    return '"' + name.replace('"', '""') + '"'


def _psql():
    return os.environ.get("BASCULE_TEST_PSQL", "psql")


class _Dump:
    """The sorted rows of one table on one side, in a file."""

    def __init__(self, conninfo, statement, directory, side):
        self.path = os.path.join(directory, side)
        env = dict(os.environ, PGOPTIONS=OPTIONS, PGCLIENTENCODING="UTF8", LC_ALL="C")
        with open(self.path, "wb") as out:
            self.psql = subprocess.Popen([_psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c",
                                          statement], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, env=env)
            self.sort = subprocess.Popen(["sort", "-S", "256M"], stdin=self.psql.stdout, stdout=out, env=env)
            self.psql.stdout.close()

    def finish(self):
        sort_code = self.sort.wait()
        error = self.psql.stderr.read().decode(errors="replace")
        self.psql.stderr.close()
        if self.psql.wait() != 0 or sort_code != 0:
            raise RuntimeError(f"reading a table failed: {error}")
        self.rows = 0
        digest = hashlib.sha256()
        with open(self.path, "rb") as f:
            while block := f.read(1 << 20):
                self.rows += block.count(b"\n")
                digest.update(block)
        self.digest = digest.digest()
        return self


def _first_differences(left, right):
    """Lines that only one side has, a few of each."""
    out = []
    for flag, label in (("-23", "only on the source"), ("-13", "only on the target")):
        with subprocess.Popen(["comm", flag, left, right], stdout=subprocess.PIPE,
                              env=dict(os.environ, LC_ALL="C")) as comm:
            for _ in range(SHOWN):
                line = comm.stdout.readline()
                if not line:
                    break
                out.append(f"  {label}: {line.decode(errors='replace').rstrip()[:400]}")
            comm.kill()
    return out


def compare_table(source, target, schema, table, columns, where=None, kind="r", target_name=None):
    """Differences between one table on both sides as text lines, and its number of rows."""
    only = "ONLY " if kind == "r" else ""
    cols = ", ".join(_quote(c) for c in columns)
    tail = f" WHERE {where}" if where else ""

    def statement(name):
        full = f"{_quote(name[0])}.{_quote(name[1])}"
        return f"COPY (SELECT {cols} FROM {only}{full}{tail}) TO STDOUT"
    with tempfile.TemporaryDirectory(prefix="oracle-") as directory:
        left = _Dump(source, statement((schema, table)), directory, "source")
        right = _Dump(target, statement(target_name or (schema, table)), directory, "target")
        try:
            left.finish()
        finally:
            right.finish()
        if left.digest == right.digest:
            return [], left.rows
        name = f"{schema}.{table}"
        return ([f"{name}: {left.rows} rows on the source, {right.rows} on the target, not equal"]
                + _first_differences(left.path, right.path)), left.rows


def compare_data(source, target, skip=(), where=None):
    """Every ordinary table of the source. `skip`: names left out; `where`: name -> condition on both sides."""
    differences, rows = [], 0
    with psycopg.connect(source) as s, psycopg.connect(target) as t:
        left, right = catalog.tables(s), catalog.tables(t)
    for (schema, table), columns in sorted(left.items()):
        name = f"{schema}.{table}"
        if name in skip:
            continue
        if (schema, table) not in right:
            differences.append(f"{name}: not on the target")
            continue
        missing = set(columns) - set(right[schema, table])
        if missing:
            differences.append(f"{name}: columns not on the target: {', '.join(sorted(missing))}")
            continue
        found, count = compare_table(source, target, schema, table, columns, (where or {}).get(name))
        differences += found
        rows += count
    return differences, rows


def compare_schema(source, target, parts=catalog.PARTS):
    with psycopg.connect(source) as s, psycopg.connect(target) as t:
        return catalog.compare(s, t, parts)


def compare_sequences(source, target):
    """The target's sequences may be ahead (in their own direction), never behind."""
    with psycopg.connect(source) as s, psycopg.connect(target) as t:
        left, right = catalog.sequences(s), catalog.sequences(t)
    out = []
    for name, (value, called, step) in sorted(left.items()):
        if name not in right:
            out.append(f"sequence {name}: not on the target")
            continue
        other, other_called, _ = right[name]
        ahead = (other - value) * (1 if step > 0 else -1)
        if ahead < 0 or (ahead == 0 and called and not other_called):
            out.append(f"sequence {name}: {value} on the source, behind it on the target: {other}")
    return out


def differences(source, target, skip=(), where=None, schema=True, sequences=True):
    """Every difference as a line of text; [] means equal."""
    found, _ = compare_data(source, target, skip, where)
    if schema:
        found += compare_schema(source, target)
    if sequences:
        found += compare_sequences(source, target)
    return found


def assert_equal(source, target, **kw):
    """For Database objects or conninfo strings."""
    left = source if isinstance(source, str) else source.dsn
    right = target if isinstance(target, str) else target.dsn
    found = differences(left, right, **kw)
    assert not found, "source and target differ:\n" + "\n".join(found)


def dump_differences(source, target):
    """The whole schema as pg_dump prints it, line by line in any order: grants, comments, operators, casts and all else
    that the catalogs above are not asked for. For two servers of pg_dump's own major."""
    sides = []
    for conninfo in (source, target):
        text = subprocess.run(["pg_dump", "-s", "--no-publications", "--no-subscriptions", "--exclude-schema=bascule", "-d",
                               conninfo], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
        sides.append(sorted(line.rstrip(",") for line in text.splitlines()
                            if line and not line.startswith(("--", "\\")) and "bascule" not in line))
    left, right = (collections.Counter(side) for side in sides)
    assert left, "pg_dump printed nothing"
    return [f"only on the source: {line}" for line in left - right] + [f"only on the target: {line}" for line in right - left]


def assert_slot_behind_target(source, target, task="move", slot=None):
    """confirmed <= durable: what the slot may forget is already in the target's resume row."""
    confirmed = source.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s",
                             (slot or f"bascule_{task}",))
    resume = target.value("SELECT lsn FROM bascule.resume WHERE task = %s", (task,))
    assert confirmed is not None, "the slot is gone"
    assert resume is not None, "no resume row on the target"
    assert lsn_number(confirmed) <= lsn_number(resume), f"slot confirmed {confirmed}, target resumes at {resume}"


def main(argv):
    source, target = argv[:2]
    found, rows = compare_data(source, target)
    found += compare_schema(source, target)
    found += compare_sequences(source, target)
    print("\n".join(found) if found else f"equal: {rows} rows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
