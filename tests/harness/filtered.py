"""An application of which some rows move: tenants of a table that others share, days, keys, rows without a key. Rows move in
and out of the filters on both sides. On the target there are others' rows before it begins."""
SOURCE = """
CREATE TABLE accounts (id int PRIMARY KEY, tenant int, region text, photo text, points int NOT NULL DEFAULT 0);
ALTER TABLE accounts REPLICA IDENTITY FULL, ALTER photo SET STORAGE EXTERNAL;
CREATE TABLE visits (id int PRIMARY KEY, day date, open bool, seen int NOT NULL DEFAULT 0);
CREATE TABLE parts (tenant int, no int, word varchar(20), PRIMARY KEY (tenant, no));
CREATE TABLE notes (tenant int, word text, n int);
ALTER TABLE notes REPLICA IDENTITY FULL;
CREATE TABLE events (id int PRIMARY KEY, kind varchar(9));
CREATE SEQUENCE numbers START 10000;
CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO accounts SELECT i, nullif(i % 9, 8), CASE WHEN i % 5 > 0 THEN 'R' || i % 5 END, repeat('p' || i, 900), i
    FROM generate_series(1, 400) i;
INSERT INTO visits SELECT i, '2023-12-01'::date + i % 60, CASE WHEN i % 7 > 0 THEN i % 2 = 0 END FROM generate_series(1, 600) i;
INSERT INTO parts SELECT i % 10, i, 'w' || i FROM generate_series(1, 500) i;
INSERT INTO notes SELECT i % 10, 'w' || i % 40, i FROM generate_series(1, 400) i;
INSERT INTO events SELECT i, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'B' END FROM generate_series(1, 300) i;
"""

TARGET = """
CREATE SCHEMA core;
CREATE TABLE core.accounts (id int PRIMARY KEY, tenant_id int, region text, photo text, points int NOT NULL DEFAULT 0);
ALTER TABLE core.accounts REPLICA IDENTITY FULL, ALTER photo SET STORAGE EXTERNAL;
CREATE TABLE visits (id int PRIMARY KEY, day date, open bool, seen int NOT NULL DEFAULT 0);
CREATE TABLE parts (tenant int, no int, word varchar(20), PRIMARY KEY (tenant, no));
CREATE TABLE notes (tenant int, word text, n int);
ALTER TABLE notes REPLICA IDENTITY FULL;
CREATE TABLE events (id int PRIMARY KEY, kind varchar(9)) PARTITION BY HASH (id);
CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_1 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE SEQUENCE numbers START 10000;
CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO core.accounts SELECT i, 99, 'R1', repeat('o', 3000), 0 FROM generate_series(1000001, 1000040) i;
INSERT INTO visits SELECT i, '2020-01-01', true FROM generate_series(1000001, 1000040) i;
INSERT INTO parts SELECT 99, i, 'other' FROM generate_series(1, 40) i;
INSERT INTO notes SELECT NULL, 'other', i % 3 FROM generate_series(1, 40) i;
INSERT INTO events SELECT i, NULL FROM generate_series(1000001, 1000040) i;
"""

ROWS = ["public.accounts where $tenant in (1, 2, 5) and $region is not null",
        "public.visits where $open and $day between '2023-12-10' and '2024-01-20'",
        "public.parts WHERE not $tenant > 4",
        "public.notes where $tenant <> 3 and $word >= 'w2'",
        "public.events where lower($kind) = 'b' or $id < 20"]
RULES = {"rows": ROWS, "names": ["public.accounts -> core.accounts", "public.accounts.tenant -> tenant_id"]}

# Of each table: the rows that move, on the source; the same on the target; others' rows there.
TABLES = [
    ("accounts", "tenant IN (1, 2, 5) AND region IS NOT NULL", "core.accounts",
     "tenant_id IN (1, 2, 5) AND region IS NOT NULL", "tenant_id = 99"),
    ("visits", "open AND day BETWEEN '2023-12-10' AND '2024-01-20'", "visits", None, "id > 1000000"),
    ("parts", "tenant <= 4", "parts", None, "tenant = 99"),
    ("notes", "tenant <> 3 AND word COLLATE \"C\" >= 'w2'", "notes", None, "tenant IS NULL"),
    ("events", "kind IN ('b', 'B') OR id < 20", "events", None, "id > 1000000"),
    ("ledger", "true", "ledger", None, "false"),
]


def create(source, target):
    source.sql(SOURCE, user="app")
    target.sql(TARGET, user="app")


def rows_of(db, table, condition):
    return [r[0] for r in db.sql(f"SELECT t::text FROM {table} t WHERE {condition} ORDER BY t::text COLLATE \"C\"")]


def assert_equal(source, target):
    for here, condition, there, condition_there, others in TABLES:
        left = rows_of(source, here, condition)
        right = rows_of(target, there, condition_there or condition)
        assert left or here == "ledger", f"nothing to compare: {here}"
        assert left == right, (there, sorted(set(left) ^ set(right))[:4], len(left), len(right))
        assert target.value(f"SELECT count(*) FROM {there} WHERE {others}") == (0 if here == "ledger" else 40), there


def outside(source):
    return {here: rows_of(source, here, f"({condition}) IS NOT TRUE") for here, condition, *_ in TABLES}


def _accounts(w):
    return ("accounts", "tenant") if w.side == 0 else ("core.accounts", "tenant_id")


def open_account(w):
    table, tenant = _accounts(w)
    w.sql(f"INSERT INTO {table} (id, {tenant}, region, photo) VALUES (nextval('numbers'), %s, %s, %s)", w.rng.randint(0, 8),
          w.rng.choice([None, "R1", "R2"]), w.word() * 600)


def move_account(w):
    """Into the filter, out of it, or neither; the large value stays."""
    table, tenant = _accounts(w)
    w.sql(f"UPDATE {table} SET {tenant} = %s, points = points + 1 WHERE id = %s", w.rng.choice([1, 5, 6, None]),
          w.rng.randint(1, 400))


def region(w):
    table, _ = _accounts(w)
    low = w.rng.randint(1, 380)
    w.sql(f"UPDATE {table} SET region = %s WHERE id BETWEEN %s AND %s", w.rng.choice([None, "R9"]), low, low + 8)


def back_and_forth(w):
    """Several times in one transaction, which ends with the row in or out, or gone."""
    table, tenant = _accounts(w)
    number = w.rng.randint(1, 400)
    for _ in range(w.rng.randint(1, 4)):
        w.sql(f"UPDATE {table} SET {tenant} = %s WHERE id = %s", w.rng.choice([2, 7]), number)
    if w.rng.random() < 0.1:
        w.sql(f"DELETE FROM {table} WHERE id = %s", number)


def visit(w):
    number = w.rng.randint(1, 600)
    w.sql("UPDATE visits SET day = day + %s, open = %s, seen = seen + 1 WHERE id = %s", w.rng.randint(-9, 9),
          w.rng.choice([True, True, False, None]), number)
    if w.rng.random() < 0.1:
        w.sql("DELETE FROM visits WHERE id = %s", number)
    elif w.rng.random() < 0.1:  # a key that the source has outside of the filter is never made anew on the target
        w.sql("UPDATE visits SET open = NOT open WHERE id = %s", number + 1)
        w.sql("WITH gone AS (DELETE FROM visits WHERE id = %s RETURNING id)"
              " INSERT INTO visits SELECT id, '2024-01-02', true FROM gone", number + 1)
    if w.rng.random() < 0.3:
        w.sql("INSERT INTO visits VALUES (nextval('numbers'), '2024-01-15', %s)", w.rng.random() < 0.5)


def renumber_visit(w):
    w.sql("UPDATE visits SET id = nextval('numbers'), open = NOT open WHERE id = %s", w.rng.randint(1, 600))


def part(w):
    no = w.rng.randint(1, 500)
    w.sql("UPDATE parts SET tenant = %s, word = %s WHERE no = %s AND tenant < 20", w.rng.randint(0, 9), w.word()[:20], no)
    w.sql("UPDATE parts SET word = 'x' WHERE no = %s AND tenant < 20", w.rng.randint(1, 500))


def note(w):
    w.sql("INSERT INTO notes VALUES (%s, %s, %s)", w.rng.randint(0, 9), f"w{w.rng.randint(0, 40)}", w.rng.randint(1, 5))
    w.sql("UPDATE notes SET tenant = %s WHERE tenant = %s AND n = %s", w.rng.randint(0, 9), w.rng.randint(0, 9),
          w.rng.randint(1, 400))
    if w.rng.random() < 0.2:
        w.sql("DELETE FROM notes WHERE tenant = %s AND n = %s", w.rng.randint(0, 9), w.rng.randint(1, 400))


def happen(w):
    w.sql("UPDATE events SET kind = %s WHERE id BETWEEN %s AND 300 AND id %% 7 = 1", w.rng.choice(["b", "c", None]),
          w.rng.randint(1, 300))
    w.sql("INSERT INTO events VALUES (nextval('numbers'), %s)", w.rng.choice(["B", "D"]))


SETS = {"random": [open_account, move_account, move_account, region, back_and_forth, visit, renumber_visit, part, note, happen]}
