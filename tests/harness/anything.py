"""A writer for databases that it does not know: it asks the catalog what there is, invents values for any type, and
inserts, updates, deletes and truncates wherever the database lets it. What a constraint refuses is rolled back to a
savepoint and forgotten; how many statements of each kind every table took is the caller's to demand.

fill(db, ...) puts first rows into every table; SETS["anything"] is for harness.writers.
"""
import random
import re
import uuid

import psycopg
from .anything_types import COLUMNS, FOREIGN, PLAIN, TABLES, TYPES

# The server or the connection speaks, not a constraint: the writer's loop knows what to do.
NOT_MINE = ("25006", "40001", "40P01", "55P03", "57014")
ODD = "abcxyzÄß日é'\"\\\t\n%,;(){}[]<>&|! "


def ident(name):
    return '"' + name.replace('"', '""') + '"'


def literals(text):
    return [a.replace("''", "'") or b for a, b in re.findall(r"'((?:[^']|'')*)'|\b(\d+)\b", text)]


class Types:
    def __init__(self, conn):
        self.all = {row[0]: row[1:] for row in conn.execute(TYPES)}
        self.labels, self.fields = {}, {}
        for oid, label in conn.execute("SELECT enumtypid, enumlabel FROM pg_enum ORDER BY enumsortorder"):
            self.labels.setdefault(oid, []).append(label)
        for relid, kind in conn.execute(
                "SELECT a.attrelid, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE"
                " a.attnum > 0 AND (NOT a.attisdropped) AND (c.relkind = 'c' OR c.oid >= 16384) ORDER BY 1, a.attnum"):
            self.fields.setdefault(relid, []).append(kind)

    def text(self, rng, oid, depth=0):
        """A value as text, or None."""
        name, kind, elem, category, base, relid, _, sub = self.all[oid]
        if kind == "d":
            return self.text(rng, base, depth)
        if kind == "e":
            return rng.choice(self.labels.get(oid) or [""])
        if kind == "c":
            parts = [self.text(rng, f, depth + 1) if rng.random() < 0.8 and depth < 3 else None
                     for f in self.fields.get(relid, [])]
            return "(" + ",".join("" if p is None else _quoted(p) for p in parts) + ")"
        if kind == "r":
            return self._range(rng, sub, depth)
        if kind == "m":
            return "{}" if rng.random() < 0.2 else "{" + self._range(rng, sub, depth) + "}"
        if category == "A" and elem:
            return self._array(rng, elem, depth)
        return self._scalar(rng, name)

    def _range(self, rng, sub, depth):
        if rng.random() < 0.1:
            return "empty"
        low, high = (self.text(rng, sub, depth + 1) for _ in range(2))
        if self.all[sub][3] == "N":  # numbers: the lower first, so that it is accepted
            low, high = sorted((str(rng.randint(-100, 100)) for _ in range(2)), key=int)
        return rng.choice("[(") + (_quoted(low) if rng.random() < 0.9 else "") + "," + (
            _quoted(high) if rng.random() < 0.9 else "") + rng.choice(")]")

    def _array(self, rng, elem, depth):
        items = [self.text(rng, elem, depth + 1) if rng.random() < 0.85 else None for _ in range(rng.choice([0, 1, 2, 5]))]
        separator = ";" if self.all[elem][0] == "box" else ","
        return "{" + separator.join("NULL" if i is None else _quoted(i) for i in items) + "}"

    @staticmethod
    def _scalar(rng, name):
        few = rng.random() < 0.1
        if name in ("int2", "int4", "int8"):
            bits = {"int2": 15, "int4": 31, "int8": 63}[name]
            return str(rng.choice([-1 << bits, (1 << bits) - 1, 0, -1]) if few else rng.randint(1, 30000))
        if name in ("float4", "float8"):
            return rng.choice(["NaN", "Infinity", "-Infinity", "-0", "1e-30", "0.1"]) if few else repr(rng.uniform(-1e6, 1e6))
        if name == "numeric":
            return rng.choice(["NaN", "0", "-0.00", "99", "1e30"]) if few else f"{rng.randint(-9999, 9999) / 100:.2f}"
        if name == "bool":
            return rng.choice("tf")
        if name in ("text", "varchar", "bpchar", "name", "char", "citext", "unknown"):
            if few and name in ("text", "varchar"):
                return "".join(rng.choice("0123456789abcdef") for _ in range(rng.choice([2500, 9000])))
            return "".join(rng.choice(ODD) for _ in range(rng.randint(0, 12)))
        if name == "bytea":
            return "\\x" + rng.randbytes(rng.choice([0, 1, 20, 3000 if few else 5])).hex()
        if name == "date":
            return rng.choice(["infinity", "-infinity", "0044-03-15 BC"]) if few else (
                f"20{rng.randint(10, 30)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}")
        if name in ("timestamp", "timestamptz"):
            return rng.choice(["infinity", "-infinity", "0044-03-15 BC"]) if few else (
                f"20{rng.randint(10, 30)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:"
                f"{rng.randint(0, 59):02}:{rng.uniform(0, 59):.6f}")
        if name in ("time", "timetz"):
            return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00.{rng.randint(0, 999999):06}"
        if name == "interval":
            return f"{rng.randint(-5, 5)} years {rng.randint(-5, 5)} days {rng.randint(-9, 9)} hours {rng.random():.3f} s"
        if name == "uuid":
            return str(uuid.UUID(int=rng.getrandbits(128)))
        if name in ("json", "jsonb"):
            return rng.choice(['{"a": 1,  "b": [null, "é\\n"]}', "null", "[1.0, 1e3]", '"x"', '{"a": {"a": {}}}', "[]"])
        if name in ("bit", "varbit"):
            return "".join(rng.choice("01") for _ in range(rng.randint(1, 12)))
        return rng.choice(PLAIN.get(name, ["0", "", "a"]))


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Table:
    def __init__(self, row):
        self.oid, self.schema, self.name, self.kind, self.is_partition, self.referenced, self.bound, of_type = row
        self.sql = f"{ident(self.schema)}.{ident(self.name)}"
        self.columns, self.foreign = [], []

    def writable(self):
        return [c for c in self.columns if not c["generated"]]


class World:
    """What a database holds, as far as a writer must know."""

    def __init__(self, conn, leave=("ledger", "heartbeat")):
        self.types = Types(conn)
        tables = [Table(r) for r in conn.execute(TABLES).fetchall()]
        self.tables = {t.oid: t for t in tables if t.name not in leave}
        self.refused = {}
        for row in conn.execute(COLUMNS, (list(self.tables),)):
            self.tables[row[0]].columns.append(dict(zip(
                ("name", "type", "cast", "not_null", "default", "generated", "identity", "number"), row[1:]), hints=[]))
        for oid, key, schema, name, other, other_oid in conn.execute(FOREIGN):
            if oid in self.tables and other_oid in self.tables:
                self.tables[oid].foreign.append((key, self.tables[other_oid], other))
        self._partition_hints(conn)
        self._check_hints(conn)

    def _partition_hints(self, conn):
        """Values that lie within a partition: the literals of its own bound and of those above."""
        for oid, bound, keys in conn.execute("""
                WITH RECURSIVE up (leaf, oid) AS (SELECT oid, oid FROM pg_class WHERE relispartition
                    UNION ALL SELECT up.leaf, i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.oid)
                SELECT up.leaf, pg_get_expr(c.relpartbound, c.oid), ARRAY(SELECT a.attname::text FROM pg_attribute a
                       WHERE a.attrelid = i.inhparent AND a.attnum = ANY (p.partattrs))
                FROM up JOIN pg_class c ON c.oid = up.oid JOIN pg_inherits i ON i.inhrelid = c.oid
                     JOIN pg_partitioned_table p ON p.partrelid = i.inhparent WHERE c.relispartition"""):
            for column in self.tables[oid].columns if oid in self.tables else ():
                if column["name"] in keys and "MODULUS" not in bound:
                    column["hints"] += literals(bound)

    def _check_hints(self, conn):
        """The literals of a CHECK are often what it wants."""
        for oid, key, text in conn.execute("SELECT conrelid, conkey, pg_get_constraintdef(oid) FROM pg_constraint"
                                           " WHERE contype = 'c' AND conkey IS NOT NULL"):
            for column in self.tables[oid].columns if oid in self.tables else ():
                if column["number"] in key:
                    column["hints"] += literals(text)

    def value(self, rng, table, column):
        if column["hints"] and rng.random() < 0.7:
            return rng.choice(column["hints"])
        value = self.types.text(rng, column["type"])
        # wal2json would end the stream: it has no way to say NaN, and null cannot be.
        return "17" if column["not_null"] and value in ("NaN", "Infinity", "-Infinity") else value


class Anything:
    """Statements against a world; `run(sql, params)` executes within the caller's transaction."""

    def __init__(self, world, rng, conn):
        self.world, self.rng, self.conn = world, rng, conn
        self.tables = list(world.tables.values())
        self.done = {}

    def attempt(self, kind, table, statement, params=()):
        """NUL stands where a parameter goes: names may hold what psycopg takes for one."""
        self.conn.execute("SAVEPOINT anything")
        try:
            rows = self.conn.execute(statement.replace("%", "%%").replace("\0", "%s"), params).rowcount
            self.conn.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RELEASE anything")
        except psycopg.Error as e:
            if e.sqlstate is None or e.sqlstate in NOT_MINE or e.sqlstate[:2] in ("08", "57"):
                raise
            self.conn.execute("ROLLBACK TO anything")
            self.world.refused[table.sql] = f"{kind}: {e}"
            return 0
        if rows:
            self.done[kind, table.sql] = self.done.get((kind, table.sql), 0) + rows
        return rows

    def _foreign_values(self, table):
        """Column number -> value of a row that exists, for most foreign keys."""
        out = {}
        for key, other, columns in table.foreign:
            if self.rng.random() < 0.1:
                continue
            names = {c["number"]: c["name"] for c in other.columns}
            chosen = ", ".join(f"{ident(names[n])}::text" for n in columns)
            row = self.conn.execute(f"SELECT {chosen} FROM {other.sql} OFFSET {self.rng.randint(0, 20)} LIMIT 1"
                                    ).fetchone() or self.conn.execute(f"SELECT {chosen} FROM {other.sql} LIMIT 1").fetchone()
            if row is not None:
                out.update(zip(key, row))
        return out

    def insert(self, table):
        foreign = self._foreign_values(table)
        names, casts, params = [], [], []
        careful = self.rng.random() < 0.5
        for column in table.writable():
            known = column["number"] in foreign
            optional = column["default"] or column["identity"] or not column["not_null"]
            if optional and not known and self.rng.random() < (0.7 if careful else 0.3):
                continue
            if known:
                value = foreign[column["number"]]
            elif not column["not_null"] and self.rng.random() < 0.2:
                value = None
            else:
                value = self.world.value(self.rng, table, column)
            names.append(ident(column["name"]))
            casts.append(f"\0::{column['cast']}")
            params.append(value)
        what = f"({', '.join(names)}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(casts)})" if names else "DEFAULT VALUES"
        return self.attempt("insert", table, f"INSERT INTO {table.sql} {what}", params)

    def _some_row(self, table):
        return (f"ctid IN (SELECT ctid FROM ONLY {table.sql} OFFSET {self.rng.randint(0, 10)}"
                f" LIMIT {self.rng.choice([1, 1, 1, 3])})")

    def update(self, table):
        columns = [c for c in table.writable() if c["identity"] != "a"]
        if not columns:
            return 0
        foreign = self._foreign_values(table)
        chosen = self.rng.sample(columns, min(len(columns), self.rng.choice([1, 1, 2, 4])))
        params = [foreign.get(c["number"]) or (None if not c["not_null"] and self.rng.random() < 0.15 else
                                               self.world.value(self.rng, table, c)) for c in chosen]
        sets = ", ".join(f"{ident(c['name'])} = \0::{c['cast']}" for c in chosen)
        return self.attempt("update", table, f"UPDATE ONLY {table.sql} SET {sets} WHERE {self._some_row(table)}", params)

    def delete(self, table):
        return self.attempt("delete", table, f"DELETE FROM ONLY {table.sql} WHERE {self._some_row(table)}")

    def truncate(self, table):
        how = self.rng.choice(["", " RESTART IDENTITY"])
        if table.referenced:
            how += " CASCADE" if self.rng.random() < 0.05 else ""
        return self.attempt("truncate", table, f"TRUNCATE {table.sql}{how}")

    def something(self, table=None):
        table = table or self.rng.choice(self.tables)
        chance = self.rng.random()
        if chance < 0.55 or table.kind == "p":
            self.insert(table)
        elif chance < 0.85:
            self.update(table)
        elif chance < 0.995:
            self.delete(table)
        else:
            self.truncate(table)


def prepare(db):
    """The writers' own tables."""
    db.sql("CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,"
           " at timestamptz NOT NULL DEFAULT clock_timestamp());"
           "CREATE TABLE heartbeat (writer int, n bigint, via text NOT NULL, PRIMARY KEY (writer, n));"
           "GRANT ALL ON ledger, heartbeat TO PUBLIC")


def fill(db, seed=1, rounds=8, user="app", referenced_first=True):
    """First rows everywhere, parents before children; returns the tables that took none, with the last refusal."""
    with db.connect(user) as c:
        world = World(c)
        at = Anything(world, random.Random(seed), c)
        for number in range(rounds):
            c.execute("BEGIN")
            for table in sorted(at.tables, key=lambda t: (len(t.foreign), t.sql)):
                for _ in range(2 if number else 4):
                    at.insert(table)
            c.execute("COMMIT")
        empty = {}
        for table in at.tables:
            if c.execute(f"SELECT NOT EXISTS (SELECT FROM {table.sql})").fetchone()[0]:
                empty[table.sql] = world.refused.get(table.sql, "")
        return len(at.tables), empty


def anything(w):
    if getattr(w, "anything", None) is None or w.anything.conn is not w.conn:
        w.conn.execute("SAVEPOINT looking")
        w.anything = Anything(World(w.conn), w.rng, w.conn)
    for _ in range(w.rng.choice([1, 2, 5, 12])):
        w.anything.something()


SETS = {"anything": [anything]}
