"""Schemas that nobody would design: hundreds of tables of random types, keys, partitions, references and names, from a
seed. `python3 -m harness.strange SEED TABLES` prints one; anything.py writes into it.
"""
import random
import sys

SETUP = """
CREATE SCHEMA "Odd ""Schéma"", x.y"; CREATE SCHEMA "select";
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION btree_gist;
CREATE TYPE mood AS ENUM ('sad', 'it''s', 'a,b', 'ü "q"', '');
CREATE TYPE "Pair" AS (a int, "b c" text, m mood);
CREATE TYPE nested AS (p "Pair", q "Pair"[], r int4range);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN short AS varchar(20) DEFAULT 'x';
CREATE DOMAIN shorter AS short CHECK (length(VALUE) < 15);
CREATE DOMAIN ints AS int[];
CREATE DOMAIN "select".ratio AS float8;
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 1000 * 2';
CREATE FUNCTION small(positive) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN RETURN $1 IS NULL OR $1 < 2000000000; END';
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := upper(left(NEW.note, 40)); RETURN NEW; END';
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS
    'BEGIN INSERT INTO kept (what, row) VALUES (TG_OP || '' '' || TG_TABLE_NAME, left(NEW::text, 200)); RETURN NULL; END';
CREATE TABLE kept (id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY 7 CACHE 5) PRIMARY KEY, what text, row text);
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = ===);
CREATE COLLATION odd FROM "C";
CREATE SEQUENCE downwards INCREMENT BY -3 MAXVALUE 1000 MINVALUE -100000000 START 1000 CYCLE;
CREATE SEQUENCE "Sequence, small" AS smallint MAXVALUE 500 CYCLE;
"""
SCHEMAS = ["public", "public", "public", 'Odd "Schéma", x.y', "select"]
WORDS = ["order", "user", "Ä ö", 'q"q', "a.b", "x,y", "%s", "tab\tle", "日本", "UPPER", "back\\slash", "it's", "group", "$1", "e"]
TYPES = ["smallint", "int", "bigint", "int", "text", "text", "varchar(12)", "char(5)", "numeric", "numeric(8,3)", "real",
         "double precision", "boolean", "date", "time", "timetz", "timestamp(3)", "timestamptz", "interval", "uuid", "bytea",
         "json", "jsonb", "inet", "cidr", "macaddr", "bit(5)", "bit varying(9)", "point", "box", "path", "circle",
         "tsvector", "xml", "money", "int[]", "text[]", "numeric[]", "bytea[]", "timestamptz[]", "mood[]", '"Pair"[]', "mood",
         '"Pair"', "nested", "positive", "short", "shorter", "ints", '"select".ratio', "floats", "int4range", "tstzrange",
         "int8multirange", "hstore", "citext", "ltree", '"char"', "name", "pg_lsn", "oid", "int2vector", "jsonpath",
         "shorter[]", "positive[]"]
KEYS = ["int", "bigint", "smallint", "text", "uuid", "varchar(30)", "char(6)", "date", "timestamptz", "bytea", "inet", "mood",
        "citext", "numeric(12,2)", "positive", "boolean", "name", "shorter", '"Pair"', "int4range", "int[]", "oid"]
DEFAULTS = {"int": "nextval('downwards')", "bigint": "nextval('downwards')", "smallint": "nextval('\"Sequence, small\"')",
            "text": "'de''fault' || E'\\n'", "uuid": "gen_random_uuid()", "timestamptz": "clock_timestamp()", "mood": "'a,b'",
            "jsonb": "'{\"a\": [1]}'", "boolean": "random() > 0.5", "date": "current_date", "int[]": "'{1,NULL}'"}
GENERATED = [("int", "{0} % 1000 + 1"), ("text", "'<' || {0}::text || '>'")]


def ident(name):
    return '"' + name.replace('"', '""') + '"'


class Column:
    def __init__(self, name, kind, tail=""):
        self.name, self.kind, self.tail = name, kind, tail

    def __str__(self):
        return f"{ident(self.name)} {self.kind}{self.tail}"


class Strange:
    """Statements in order, in self.out."""

    def __init__(self, seed, tables=60):
        self.rng = random.Random(seed)
        self.out, self.names = [SETUP], set()
        self.keyed = []  # (table, key columns) to refer to
        makers = [self.ordinary] * 10 + [self.partitioned] * 3 + [self.heir, self.without_key, self.wide]
        for _ in range(tables):
            self.rng.choice(makers)()
        self.beside()

    def text(self):
        return ";\n".join(statement.rstrip("; \n") for statement in self.out) + ";\n"

    # names and columns ----------------------------------------------------------------------------
    def name(self, prefix):
        while True:
            name = f"{prefix}{len(self.names)} {self.rng.choice(WORDS)}" if self.rng.random() < 0.7 else (
                f"{prefix}{len(self.names)}")
            if self.rng.random() < 0.05:
                name += " long" * 20
            name = name.encode()[:62 if prefix == "x" else 63].decode(errors="ignore")
            if name not in self.names:
                self.names.add(name)
                return name

    def table_name(self):
        return f"{ident(self.rng.choice(SCHEMAS))}.{ident(self.name('t'))}"

    def columns(self, count, first=0):
        out = []
        for number in range(first, first + count):
            kind = self.rng.choice(TYPES)
            tail = ""
            if kind in DEFAULTS and self.rng.random() < 0.3:
                tail += f" DEFAULT {DEFAULTS[kind]}"
            if self.rng.random() < 0.1:
                tail += " NOT NULL"
            elif kind == "text" and self.rng.random() < 0.2:
                tail += ' COLLATE "C"'
            out.append(Column(f"c{number} {self.rng.choice(WORDS)}" if self.rng.random() < 0.4 else f"c{number}", kind, tail))
        if self.rng.random() < 0.3:
            out.append(Column("note", "text"))
        return out

    def key_columns(self):
        chance = self.rng.random()
        if chance < 0.5:
            tail = self.rng.choice([" GENERATED ALWAYS AS IDENTITY", " GENERATED BY DEFAULT AS IDENTITY"])
            if chance < 0.15:
                return [Column("id", self.rng.choice(["serial", "bigserial"]))]
            return [Column("id", self.rng.choice(["int", "bigint", "int"]), tail)]
        return [Column(f"k{number}", self.rng.choice(KEYS), " NOT NULL") for number in range(self.rng.choice([1, 1, 2, 3]))]

    @staticmethod
    def list(columns):
        return ", ".join(ident(c.name) for c in columns)

    # tables ---------------------------------------------------------------------------------------
    def ordinary(self):
        table, keys = self.table_name(), self.key_columns()
        columns = self.columns(self.rng.choice([0, 1, 2, 3, 5, 8, 13]))
        self.rng.shuffle(columns)
        columns = columns[:2] + keys + columns[2:] if self.rng.random() < 0.4 else keys + columns
        rows = [str(c) for c in columns] + self.derived(columns) + self.checks(columns)
        identity = self.rng.random()
        if identity < 0.7:
            rows.append(f"PRIMARY KEY ({self.list(keys)})")
        rows += self.references(table, keys)
        self.out.append(f"CREATE TABLE {table} ({', '.join(rows)})")
        if identity < 0.7:
            self.keyed.append((table, keys))
        elif identity < 0.85:
            index = self.name("i")
            self.out.append(f"CREATE UNIQUE INDEX {ident(index)} ON {table} ({self.list(keys)})")
            for key in keys:
                self.out.append(f"ALTER TABLE {table} ALTER {ident(key.name)} SET NOT NULL")
            self.out.append(f"ALTER TABLE {table} REPLICA IDENTITY USING INDEX {ident(index)}")
        else:
            self.out.append(f"ALTER TABLE {table} ADD UNIQUE ({self.list(keys)}) DEFERRABLE")
            self.out.append(f"ALTER TABLE {table} REPLICA IDENTITY FULL")
        if identity < 0.08:
            self.out.append(f"ALTER TABLE {table} REPLICA IDENTITY FULL")
        self.history(table, columns)
        self.indexes(table, columns)
        self.fittings(table, columns)

    def derived(self, columns):
        out = []
        numbers = [c for c in columns if c.kind == "int" and "IDENTITY" not in c.tail]
        if numbers and self.rng.random() < 0.4:
            kind, how = self.rng.choice(GENERATED)
            out.append(f"derived {kind} GENERATED ALWAYS AS ({how.format(ident(numbers[0].name))}) STORED")
        return out

    def checks(self, columns):
        out = []
        for c in columns:
            if c.kind == "int" and self.rng.random() < 0.2:
                out.append(f"CHECK (twice({ident(c.name)}) <> 77)")
            elif c.kind == "positive" and self.rng.random() < 0.3:
                out.append(f"CHECK (small({ident(c.name)}))")
            elif c.kind == "text" and self.rng.random() < 0.1:
                out.append(f"CONSTRAINT {ident(self.name('check'))} CHECK ({ident(c.name)} IS DISTINCT FROM 'never' COLLATE odd)")
            elif c.kind == "int4range" and self.rng.random() < 0.3:
                out.append(f"EXCLUDE USING gist ({ident(c.name)} WITH &&)")
        return out

    def references(self, table, keys):
        out = []
        for _ in range(self.rng.choice([0, 0, 1, 1, 2])):
            if not self.keyed:
                break
            other, columns = self.rng.choice(self.keyed)
            if self.rng.random() < 0.15 and not any("IDENTITY" in k.tail for k in keys):
                continue
            names = [f"r{len(self.names)}_{i}" for i in range(len(columns))]
            self.names.add(names[0])
            kinds = [{"serial": "int", "bigserial": "bigint"}.get(c.kind, c.kind) for c in columns]
            out += [f"{ident(n)} {k}" for n, k in zip(names, kinds)]
            tail = self.rng.choice(["", " ON DELETE CASCADE", " ON DELETE SET NULL", " DEFERRABLE INITIALLY DEFERRED",
                                    " ON UPDATE CASCADE ON DELETE CASCADE", " NOT DEFERRABLE"])
            out.append(f"FOREIGN KEY ({', '.join(map(ident, names))}) REFERENCES {other} ({self.list(columns)}){tail}")
        # columns first, constraints behind them: any order is allowed
        return out

    def history(self, table, columns):
        """Columns that came and went."""
        if self.rng.random() < 0.3:
            self.out.append(f"ALTER TABLE {table} ADD gone_1 text DEFAULT 'was here', ADD added int DEFAULT 42")
            self.out.append(f"ALTER TABLE {table} DROP gone_1")
        if self.rng.random() < 0.2:
            self.out.append(f"ALTER TABLE {table} ADD later {self.rng.choice(TYPES)}")
        big = [c for c in columns if c.kind in ("text", "bytea", "jsonb")]
        if big and self.rng.random() < 0.5:
            how = self.rng.choice(["EXTERNAL", "EXTENDED", "MAIN"])
            self.out.append(f"ALTER TABLE {table} ALTER {ident(big[0].name)} SET STORAGE {how}")

    def indexes(self, table, columns):
        for c in columns:
            if self.rng.random() > 0.15:
                continue
            if c.kind in ("int", "bigint", "date", "uuid"):
                method = self.rng.choice(["btree", "hash", "brin"])
                self.out.append(f"CREATE INDEX {ident(self.name('i'))} ON {table} USING {method} ({ident(c.name)})")
            elif c.kind == "text":
                self.out.append(f"CREATE INDEX {ident(self.name('i'))} ON {table} (lower(left({ident(c.name)}, 20)) DESC NULLS LAST)"
                                f" WHERE {ident(c.name)} IS NOT NULL")
            elif c.kind in ("jsonb", "int[]", "tsvector", "hstore"):
                self.out.append(f"CREATE INDEX {ident(self.name('i'))} ON {table} USING gin ({ident(c.name)})")
            elif c.kind in ("box", "circle", "int4range"):
                self.out.append(f"CREATE INDEX {ident(self.name('i'))} ON {table} USING gist ({ident(c.name)})")

    def fittings(self, table, columns):
        """Triggers, views, policies, comments, grants, statistics."""
        name = self.name("x")
        if any(c.name == "note" for c in columns) and self.rng.random() < 0.6:
            self.out.append(f"CREATE TRIGGER {ident(name)} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION shout()")
        if self.rng.random() < 0.15:
            self.out.append(f"CREATE TRIGGER {ident(name + 'k')} AFTER INSERT OR UPDATE ON {table} FOR EACH ROW"
                            " EXECUTE FUNCTION keep()")
        if self.rng.random() < 0.15:
            self.out.append(f"CREATE VIEW {ident(name + 'v')} AS SELECT *, 1 + 1 AS two FROM {table}")
            self.out.append(f"CREATE VIEW {ident(name + 'w')} AS SELECT count(*) AS n FROM {ident(name + 'v')}")
        if self.rng.random() < 0.05:
            self.out.append(f"CREATE MATERIALIZED VIEW {ident(name + 'm')} AS SELECT count(*) AS n FROM {table}")
        if self.rng.random() < 0.1:
            self.out.append(f"COMMENT ON TABLE {table} IS E'it''s odd\\n; -- \\\\ {len(self.names)}'")
            self.out.append(f"GRANT SELECT ON {table} TO PUBLIC")
        if self.rng.random() < 0.05:
            self.out.append(f"ALTER TABLE {table} SET (fillfactor = 50, autovacuum_enabled = false)")
        if len(columns) > 2 and self.rng.random() < 0.1:
            plain = [c for c in columns if c.kind in ("int", "text", "date", "bigint")]
            if len(plain) > 1:
                self.out.append(f"CREATE STATISTICS {ident(name + 's')} ON {self.list(plain[:2])} FROM {table}")

    def partitioned(self):
        table, how = self.table_name(), self.rng.choice(["list", "range", "hash", "range-list"])
        key = {"list": Column("part", "mood", " NOT NULL"), "range": Column("part", "int", " NOT NULL"),
               "hash": Column("part", "text", " NOT NULL"), "range-list": Column("part", "int", " NOT NULL")}[how]
        second = [Column("sub", "text", " NOT NULL")] if how == "range-list" else []
        columns = [Column("id", "int", " NOT NULL"), key, *second] + self.columns(self.rng.choice([1, 3, 6]))
        method = "range" if how == "range-list" else how
        self.out.append(f"CREATE TABLE {table} ({', '.join(map(str, columns))},"
                        f" PRIMARY KEY ({self.list(columns[:2] + second)})) PARTITION BY {method.upper()} (part)")
        bounds = {"list": ["FOR VALUES IN ('sad', 'it''s')", "FOR VALUES IN ('a,b')", "DEFAULT"],
                  "range": ["FOR VALUES FROM (MINVALUE) TO (1000)", "FOR VALUES FROM (1000) TO (20000)", "DEFAULT"],
                  "hash": [f"FOR VALUES WITH (MODULUS 3, REMAINDER {i})" for i in range(3)]}[method]
        for bound in bounds:
            leaf = self.table_name()
            if second and bound != "DEFAULT":
                self.out.append(f"CREATE TABLE {leaf} PARTITION OF {table} {bound} PARTITION BY LIST (sub)")
                self.out.append(f"CREATE TABLE {self.table_name()} PARTITION OF {leaf} FOR VALUES IN ('a', 'b''c')")
                self.out.append(f"CREATE TABLE {self.table_name()} PARTITION OF {leaf} DEFAULT")
            elif self.rng.random() < 0.3:  # other column order, attached later
                self.out.append(f"CREATE TABLE {leaf} (gone text, {', '.join(map(str, reversed(columns)))})")
                self.out.append(f"ALTER TABLE {leaf} DROP gone")
                self.out.append(f"ALTER TABLE {table} ATTACH PARTITION {leaf} {bound}")
            else:
                self.out.append(f"CREATE TABLE {leaf} PARTITION OF {table} {bound}")
        self.indexes(table, columns)

    def heir(self):
        parent, child = self.table_name(), self.table_name()
        self.out.append(f"CREATE TABLE {parent} (id int PRIMARY KEY, a text, b numeric)")
        self.out.append(f"CREATE TABLE {child} (c text, PRIMARY KEY (id)) INHERITS ({parent})")

    def without_key(self):
        table = self.table_name()
        columns = self.columns(self.rng.choice([0, 1, 4]))
        self.out.append(f"CREATE TABLE {table} ({', '.join(map(str, columns))})")
        self.out.append(f"ALTER TABLE {table} REPLICA IDENTITY FULL")

    def wide(self):
        table = self.table_name()
        kinds = ["int", "text", "boolean", "date", "numeric(8,3)", "mood"]
        columns = [Column(f"w{i}", self.rng.choice(kinds)) for i in range(self.rng.choice([100, 300]))]
        self.out.append(f"CREATE TABLE {table} (id int PRIMARY KEY, {', '.join(map(str, columns))})")

    def beside(self):
        """Circles, and what hangs on several tables."""
        self.out.append("CREATE TABLE hen (id int PRIMARY KEY, egg int); CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES"
                        " hen ON DELETE SET NULL); ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE;"
                        "CREATE TABLE folder (id int PRIMARY KEY, parent int REFERENCES folder ON DELETE CASCADE, name text);"
                        "CREATE VIEW by_key AS SELECT id, name, count(*) AS n FROM folder GROUP BY id;"
                        "CREATE VIEW over_views AS SELECT * FROM by_key WHERE id === 1;"
                        "CREATE RULE quiet AS ON INSERT TO over_views DO INSTEAD INSERT INTO folder (id) VALUES (NEW.id);"
                        "ALTER TABLE folder ENABLE ROW LEVEL SECURITY;"
                        "CREATE POLICY mine ON folder USING (id < 1000000) WITH CHECK (true)")


if __name__ == "__main__":
    print(Strange(int(sys.argv[1]), int(sys.argv[2])).text())
