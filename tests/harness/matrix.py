"""Cases of tests/matrix: a type, its values, and what they must survive. A file is lines of `key: text`; an indented line
goes on with the one before, and `--` at the beginning of a line is a comment.

type       the type of the column
value      an SQL expression; each is stored in a column of the type, of a domain over it, of an array of it (of the
           domain, where the type is an array) and of a composite with it
big        the same, in one column only
setup      statements that the type needs
extension  one that the type needs
variants   no: neither domain nor array nor composite
wal2json   refused: check refuses a column of the bare type with this plugin
refused    check refuses a column of this type, with this code
arrives    a known difference: the expression ({} is the column) that the target holds instead
"""
import os
import re

from . import place

DIRECTORY = place.ROOT / "tests" / "matrix"
REPEATED = ("value", "big")
LOADED, COPIES = 1, 501          # ids of loaded rows: those that will change, those that never do
WIDE_ROWS, WIDE_TIMES = 50, 42   # more inserts than a batch gives to statements: they go by COPY
KEY = re.compile(r"^([a-z0-9]+): ?(.*)$")


class Case:
    def __init__(self, path):
        self.name = path.stem.replace("-", "_")
        self.keys = {key: [] for key in REPEATED}
        last = None
        for line in path.read_text().splitlines():
            if line.startswith("--"):
                continue
            found = KEY.match(line)
            if found and found[1] in REPEATED:
                self.keys[found[1]].append(found[2])
            elif found:
                assert found[1] not in self.keys, f"{path}: '{found[1]}' twice"
                self.keys[found[1]] = found[2]
            else:
                assert line.startswith(" ") and last, f"{path}: cannot read '{line}'"
                if last in REPEATED:
                    self.keys[last][-1] += "\n" + line
                else:
                    self.keys[last] += "\n" + line
            last = found[1] if found else last
        unknown = set(self.keys) - {"type", "value", "big", "setup", "extension", "variants", "wal2json", "refused",
                                    "arrives"}
        assert not unknown and "type" in self.keys, f"{path}: {unknown or 'no type'}"
        self.type, self.values, self.bigs = self.keys["type"], self.keys["value"], self.keys["big"]
        self.refused, self.arrives = self.keys.get("refused"), self.keys.get("arrives")
        assert bool(self.values) != bool(self.refused), f"{path}: values or a refusal"

    def __repr__(self):
        return self.name

    def columns(self, plugin):
        """name -> (type, function from an expression of the case's type to one of the column's)"""
        whole = {"v": (self.type, lambda e: f"({e})::{self.type}")}
        if self.keys.get("variants") != "no":
            array = f"d_{self.name}[]" if self.type.endswith("]") else f"{self.type}[]"
            whole["d"] = (f"d_{self.name}", lambda e: f"({e})::{self.type}::d_{self.name}")
            whole["a"] = (array, lambda e: f"ARRAY[({e})::{array[:-2]}, NULL]::{array}")
            whole["c"] = (f"c_{self.name}", lambda e: f"ROW(({e})::{self.type}, 1)::c_{self.name}")
        if plugin == "wal2json" and self.keys.get("wal2json") == "refused":
            del whole["v"]
        return whole

    def types(self):
        """Statements that make what the columns need."""
        out = [self.keys["setup"]] if "setup" in self.keys else []
        if self.keys.get("variants") != "no" and not self.refused:
            out += [f"CREATE DOMAIN d_{self.name} AS {self.type}", f"CREATE TYPE c_{self.name} AS (v {self.type}, n int)"]
        return out

    def rows(self, plugin):
        """One row a value, as expressions by column; the last is all NULL."""
        columns = self.columns(plugin)
        first = next(iter(columns))
        rows = [{name: make(value) for name, (_, make) in columns.items()} for value in self.values]
        rows += [{name: columns[name][1](value) if name == first else "NULL" for name in columns} for value in self.bigs]
        return rows + [{name: "NULL" for name in columns}]


def cases():
    return [Case(path) for path in sorted(DIRECTORY.glob("*.case"))]


def names():
    return (DIRECTORY / "names.txt").read_text().splitlines()


def quote(name):
    return '"' + name.replace('"', '""') + '"'


class Matrix:
    """All cases in one database. Tables of a case: k_ with a key of its own, p_ with the value for a key (where the type
    can be one), f_ with REPLICA IDENTITY FULL and every row three times. `wide` has a column a case."""

    def __init__(self, plugin, only=None):
        self.plugin = plugin
        self.cases = [c for c in cases() if not c.refused and (only is None or c.name in only)
                      and c.columns(plugin)]
        self.whole = only is None
        self.keyed = []  # cases with a p_ table

    # making -------------------------------------------------------------------------------------
    def create(self, db):
        with db.connect() as c:
            for extension in sorted({c.keys["extension"] for c in self.cases if "extension" in c.keys}):
                c.execute(f"CREATE EXTENSION {extension}")
            for case in self.cases:
                self._create_case(c, case)
            if self.whole:
                self._create_wide(c)
                self._create_names(c)
            c.execute("CREATE TABLE swap (id int PRIMARY KEY, u int UNIQUE); INSERT INTO swap VALUES (1, 1), (2, 2)")

    def _create_case(self, c, case):
        columns = case.columns(self.plugin)
        defined = ", ".join(f"{name} {kind}" for name, (kind, _) in columns.items())
        for statement in case.types():
            c.execute(statement)
        c.execute(f"CREATE TABLE k_{case} (id int PRIMARY KEY, {defined}, n int DEFAULT 0);"
                  f"CREATE TABLE f_{case} ({defined}, n int DEFAULT 0); ALTER TABLE f_{case} REPLICA IDENTITY FULL")
        names = ", ".join(columns)
        for i, row in enumerate(case.rows(self.plugin)):
            c.execute(f"INSERT INTO k_{case} (id, {names}) VALUES ({COPIES + i}, {', '.join(row.values())})")
        c.execute(f"INSERT INTO k_{case} (id, {names}) SELECT id - {COPIES - LOADED}, {names} FROM k_{case};"
                  f"INSERT INTO f_{case} ({names}) SELECT {names} FROM k_{case}, generate_series(1, 3)"
                  f" WHERE id >= {COPIES}")
        if "v" in columns and self._may_be_key(c, case.type):
            self.keyed.append(case)
            c.execute(f"CREATE TABLE p_{case} (v {case.type} PRIMARY KEY, o int, n int DEFAULT 0);"
                      f"INSERT INTO p_{case} SELECT v, id - {COPIES}, 0 FROM k_{case}"
                      f" WHERE {self._indexable(case)} ORDER BY id ON CONFLICT DO NOTHING")

    @staticmethod
    def _indexable(case):
        return (f"id >= {COPIES} AND id < {COPIES + len(case.values)} AND octet_length(format('%s', v)) < 1000")

    @staticmethod
    def _may_be_key(c, kind):
        c.execute("CREATE SCHEMA probe")
        try:
            c.execute(f"CREATE TABLE probe.p (v {kind} PRIMARY KEY)")
            return True
        except Exception as e:
            if getattr(e, "sqlstate", None) == "42704":
                return False
            raise
        finally:
            c.execute("DROP SCHEMA probe CASCADE")

    def _create_wide(self, c):
        columns = [(case, name, kind, make) for case in self.cases
                   for name, (kind, make) in list(case.columns(self.plugin).items())[:1] if not case.arrives]
        c.execute("CREATE TABLE wide (id int PRIMARY KEY, "
                  + ", ".join(f"{case} {kind}" for case, _, kind, _ in columns) + ")")
        for row in range(WIDE_ROWS):
            values = [make(case.values[row % len(case.values)]) for case, _, _, make in columns]
            c.execute(f"INSERT INTO wide VALUES ({row + 1}, {', '.join(values)})")

    def _create_names(self, c):
        """Each name for a schema, a type, a table, its key, a column and an index."""
        for name in names():
            n = quote(name)
            schema = n if not name.startswith("pg_") else "public"
            if schema != "public" and name != "public":
                c.execute(f"CREATE SCHEMA {schema}")
            c.execute(f"CREATE TYPE {schema}.{quote(name[:20] + '_')} AS ENUM ('one', {self._literal(name)})")
            c.execute(f"CREATE TABLE {schema}.{n} ({n} text PRIMARY KEY, {quote(name[:20] + '+')}"
                      f" {schema}.{quote(name[:20] + '_')}, x int);"
                      f"CREATE INDEX {quote(name[:20] + '*')} ON {schema}.{n} (x);"
                      f"INSERT INTO {schema}.{n} VALUES ('a', 'one', 1), ('b', {self._literal(name)}, 2), ('c', 'one', 3)")

    @staticmethod
    def _literal(text):
        return "'" + text.replace("'", "''") + "'"

    # changing -----------------------------------------------------------------------------------
    def change(self, db, phase, refuse_sets=False):
        """Every operation on every value. With refuse_sets each transaction swaps a unique value, which no set of net
        changes can do: its batch is replayed row by row."""
        with db.connect() as c:
            for case in self.cases:
                statements = self._changes_keyed(case, phase) + self._changes_full(case, phase)
                if case in self.keyed:
                    statements += self._changes_by_value(case)
                self._transaction(c, statements, refuse_sets)
            if self.whole and not refuse_sets:
                self._transaction(c, self._changes_wide(c, phase), False)
            self._transaction(c, self._changes_names(), refuse_sets)

    @staticmethod
    def _transaction(c, statements, refuse_sets):
        if refuse_sets:
            statements = statements + ["UPDATE swap SET u = 3 WHERE u = 1", "UPDATE swap SET u = 1 WHERE u = 2",
                                       "UPDATE swap SET u = 2 WHERE u = 3"]
        with c.transaction():
            for statement in statements:
                c.execute(statement)

    def _changes_keyed(self, case, phase):
        base, count, names = phase * 1000, len(case.rows(self.plugin)), list(case.columns(self.plugin))
        listed = ", ".join(names)
        one = names[phase % len(names)]
        return [
            f"INSERT INTO k_{case} (id, {listed}) SELECT id + {base}, {listed} FROM k_{case}"
            f" WHERE id >= {COPIES} AND id < 1000",
            f"UPDATE k_{case} k SET {', '.join(f'{n} = o.{n}' for n in names)} FROM k_{case} o WHERE k.id < {COPIES}"
            f" AND o.id = {COPIES} + (k.id + {phase}) % {count}",
            f"UPDATE k_{case} SET n = n + 1 WHERE id > {base} OR id = {LOADED}",
            f"UPDATE k_{case} SET {one} = NULL WHERE id = {base + COPIES}",
            f"UPDATE k_{case} SET {one} = (SELECT {one} FROM k_{case} WHERE id = {COPIES})"
            f" WHERE id = {base + COPIES + count - 1}",
            f"DELETE FROM k_{case} WHERE id = {base + COPIES + 1}",
        ]

    def _changes_by_value(self, case):
        def value(o):
            return f"(SELECT v FROM k_{case} WHERE id = {COPIES + o})"
        return [
            f"UPDATE p_{case} SET n = n + 1",
            f"DELETE FROM p_{case} WHERE o % 2 = 1",
            f"INSERT INTO p_{case} SELECT v, id - {COPIES}, 7 FROM k_{case} WHERE {self._indexable(case)}"
            " ORDER BY id DESC ON CONFLICT DO NOTHING",
            f"DELETE FROM p_{case} WHERE o = 0",
            f"UPDATE p_{case} SET v = {value(0)}, o = 0 WHERE o = (SELECT min(o) FROM p_{case} WHERE o > 0)",
            f"INSERT INTO p_{case} SELECT v, id - {COPIES}, 8 FROM k_{case} WHERE {self._indexable(case)}"
            " ORDER BY id ON CONFLICT DO NOTHING",
        ]

    def _changes_full(self, case, phase):
        """Not the same to every value, or rows taken for one another would not show."""
        names = list(case.columns(self.plugin))
        text = f"format('%s', {names[0]}) COLLATE \"C\""
        listed = ", ".join(names)

        def some(pick, rest):
            return (f"(SELECT ctid FROM (SELECT {pick}(ctid) AS ctid, row_number() OVER (ORDER BY {text}) AS k"
                    f" FROM f_{case} GROUP BY {text}, {names[0]} IS NOT DISTINCT FROM NULL) AS g WHERE k % 3 = {rest})")
        return [
            f"DELETE FROM f_{case} WHERE ctid IN {some('min', phase % 3)}",
            f"UPDATE f_{case} SET n = n + 1 WHERE ctid IN {some('max', (phase + 1) % 3)}",
            f"INSERT INTO f_{case} ({listed}) SELECT {listed} FROM k_{case}, generate_series(1, 2)"
            f" WHERE id >= {COPIES} AND id < 1000",
        ]

    @staticmethod
    def _changes_wide(c, phase):
        columns = [r[0] for r in c.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'wide'::regclass"
                                           " AND attnum > 1 ORDER BY attnum").fetchall()]
        listed = ", ".join(quote(n) for n in columns)
        return [f"INSERT INTO wide (id, {listed}) SELECT {phase * 10000} + g * 100 + id, {listed} FROM wide,"
                f" generate_series(1, {WIDE_TIMES}) g WHERE id <= {WIDE_ROWS}"]

    @staticmethod
    def _changes_names():
        out = []
        for name in names():
            n, column = quote(name), quote(name[:20] + "+")
            table = f"{n if not name.startswith('pg_') else 'public'}.{n}"
            out += [f"INSERT INTO {table} SELECT 'new' || {n}, {column}, x + 10 FROM {table} WHERE x < 4",
                    f"UPDATE {table} SET {n} = {n} || '!' WHERE x IN (2, 12)",
                    f"UPDATE {table} SET {column} = 'one', x = x + 100 WHERE x IN (1, 2, 11)",
                    f"DELETE FROM {table} WHERE x = 13"]
        return out

    def tables(self):
        """name -> the expression of a known difference in column v, or None"""
        out = {"wide": None, "swap": None}
        for case in self.cases:
            for kind in "kfp":
                if kind != "p" or case in self.keyed:
                    out[f"{kind}_{case}"] = case.arrives
        for name in names():
            out[f"{quote(name) if not name.startswith('pg_') else 'public'}.{quote(name)}"] = None
        return out
