"""An application that moves to other schemas, and to other columns: some stay behind, some are made on the way, some have
another type. The writers know both sides; `assert_equal` holds them against each other by a mapping of its own."""
from .renamed import _rule as rule

SOURCE = """
CREATE TABLE users (id int PRIMARY KEY, mail text NOT NULL UNIQUE, first text NOT NULL, secret text NOT NULL DEFAULT 'none',
    last text, legacy_flag int, photo text);
ALTER TABLE users ALTER photo SET STORAGE EXTERNAL;
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id int REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE, amount numeric(10,2), status varchar(12), legacy_ref serial);
CREATE TABLE events (id int PRIMARY KEY, kind text NOT NULL, legacy_at date, open bool);
CREATE SEQUENCE user_ids START 1000;
CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO users SELECT i, 'm' || i, 'First ' || i, md5('m' || i), CASE WHEN i % 3 > 0 THEN 'Last ' || i END, i,
    repeat('p' || i, 900) FROM generate_series(1, 300) i;
INSERT INTO orders (user_id, amount, status) SELECT 1 + i % 300, i / 8.0, 's' || i % 7 FROM generate_series(1, 2000) i;
INSERT INTO events SELECT i, 'k' || i % 5, '2024-01-01', i % 2 = 0 FROM generate_series(1, 1000) i;
"""

TARGET = """
CREATE SCHEMA auth; CREATE SCHEMA shop;
CREATE TABLE auth.users (tenant text NOT NULL, id bigint PRIMARY KEY, mail text NOT NULL UNIQUE, given text NOT NULL,
    last text, photo text, own text DEFAULT 'own', full_name varchar(400), version int NOT NULL);
CREATE INDEX by_name ON auth.users (full_name);
ALTER TABLE auth.users ADD CHECK (tenant <> ''), ALTER photo SET STORAGE EXTERNAL;
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cents bigint,
    user_id bigint REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE, amount numeric(10,2), status text);
CREATE TABLE events (id bigint PRIMARY KEY, kind text NOT NULL, open bool) PARTITION BY HASH (id);
CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_1 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX by_kind ON events (kind);
CREATE SEQUENCE user_ids START 1000;
CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
"""

FULL_NAME = "$first || ' ' || coalesce($last, '-')"
RULES = {
    "names": ["public.users -> auth.users", "public.orders -> shop.orders", "public.users.first -> given"],
    "omit_columns": ["public.users.secret", "*.*.legacy*"],
    "add_columns": ["*.users.tenant = 'acme'", f"public.users.full_name = {FULL_NAME}", "public.users.version = 1",
                    "public.users.own", "public.orders.cents = round($amount * 100)"],
    "types": ["public.users.id -> bigint", "public.orders.id -> bigint", "public.orders.user_id -> bigint",
              "public.orders.status -> text", "public.events.id -> bigint"],
}


def _type(name):
    return {"data-type": {"type": name}}


def _add(number, table, column, expression, kind):
    return rule(number, "column", "add-column", "public", table, value=column, expression=expression, **_type(kind))


DMS = {"rules": [
    {"rule-type": "selection", "rule-id": "1", "rule-name": "all", "rule-action": "include", "filters": [],
     "object-locator": {"schema-name": "public", "table-name": "%"}, "load-order": "2"},
    rule(2, "schema", "rename", "public", "users", value="auth"),
    rule(3, "schema", "rename", "public", "orders", value="shop"),
    rule(4, "column", "rename", "public", "users", "first", value="given"),
    rule(5, "column", "remove-column", "public", "%", "legacy%"),
    rule(6, "column", "remove-column", "public", "users", "secret"),
    _add(7, "users", "tenant", "'acme'", "string"),
    _add(8, "users", "full_name", FULL_NAME, "string"),
    _add(9, "users", "version", "1", "int4"),
    rule(10, "column", "add-column", "public", "users", value="own", **_type("string")),
    _add(11, "orders", "cents", "round($amount * 100)", "int8"),
    rule(12, "column", "change-data-type", "public", "users", "id", **_type("int8")),
    rule(13, "column", "change-data-type", "public", "orders", "%id", **_type("int8")),
    rule(14, "column", "change-data-type", "public", "orders", "status", **_type("string")),
    rule(15, "column", "change-data-type", "public", "events", "id", **_type("int8")),
    {"rule-type": "table-settings", "rule-id": "16", "rule-name": "parallel", "parallel-load": {"type": "partitions-auto"},
     "object-locator": {"schema-name": "public", "table-name": "events"}},
]}

# On each side: what is compared, row by row.
COMPARED = [
    ("SELECT id, mail, first, last, photo, 'acme', first || ' ' || coalesce(last, '-'), 1 FROM users",
     "SELECT id, mail, given, last, photo, tenant, full_name, version FROM auth.users"),
    ("SELECT id, user_id, amount, status, round(amount * 100)::bigint FROM orders",
     "SELECT id, user_id, amount, status, cents FROM shop.orders"),
    ("SELECT id, kind, open FROM events", "SELECT id, kind, open FROM events"),
    ("SELECT id, writer, kind, at FROM ledger", "SELECT id, writer, kind, at FROM ledger"),
]


def create(source, target):
    source.sql(SOURCE, user="app")
    target.sql(TARGET, user="app")


def _rows(db, statement):
    return [r[0] for r in db.sql(f"SELECT t::text FROM ({statement}) t ORDER BY t::text COLLATE \"C\"")]


def assert_equal(source, target):
    for here, there in COMPARED:
        left, right = _rows(source, here), _rows(target, there)
        assert left or "ledger" in here, f"nothing to compare: {here}"
        assert left == right, (there, sorted(set(left) ^ set(right))[:4], len(left), len(right))


def assert_kept(source, target):
    """What each side has for itself was touched by nobody."""
    assert source.value("SELECT count(*) FROM users WHERE secret NOT IN (md5(mail), 'none')") == 0
    assert source.value("SELECT count(*) FROM users WHERE mail ~ '^m[0-9]+$' AND secret = 'none'") == 0
    assert source.value("SELECT count(*) FROM users WHERE mail ~ '^m[0-9]+$'") > 200
    assert target.value("SELECT count(*) FROM auth.users WHERE own <> 'own'") == 0


def _run(w, here, there, *params):
    w.sql((here, there)[w.side], *params)


def sign_up(w):
    mail, first, last = f"new {w.tag()}", w.word(), w.word() if w.rng.random() < 0.6 else None
    if w.side == 0:
        w.sql("INSERT INTO users (id, mail, first, last, secret) VALUES (nextval('user_ids'), %s, %s, %s, md5(%s))", mail,
              first, last, mail)
    else:
        w.sql("INSERT INTO auth.users (id, mail, given, last, tenant, full_name, version)"
              " VALUES (nextval('user_ids'), %s, %s, %s, 'acme', %s, 1)", mail, first, last, f"{first} {'-' if last is None else last}")
    order(w)


def order(w):
    user, amount = w.rng.randint(1, 300), w.rng.randint(1, 99999) / 100
    _run(w, "INSERT INTO orders (user_id, amount, status) SELECT id, %s, 'new' FROM users WHERE id = %s",
         "INSERT INTO shop.orders (user_id, amount, status, cents) SELECT id, %s, 'new', round(%s * 100) FROM auth.users"
         " WHERE id = %s", *((amount, user) if w.side == 0 else (amount, amount, user)))


def edit(w):
    """One of the columns that others are made of; the large value is left alone."""
    user, word = w.rng.randint(1, 300), w.word()
    column = w.rng.choice(["first", "last"])
    there = {"first": "given = %s, full_name = %s || ' ' || coalesce(last, '-')",
             "last": "last = %s, full_name = given || ' ' || %s"}[column]
    _run(w, f"UPDATE users SET {column} = %s WHERE id = %s", f"UPDATE auth.users SET {there} WHERE id = %s",
         *((word, user) if w.side == 0 else (word, word, user)))


def reprice(w):
    amount, number = w.rng.randint(1, 99999) / 100, w.rng.randint(1, 2000)
    _run(w, "UPDATE orders SET amount = %s, status = 'r' WHERE id = %s",
         "UPDATE shop.orders SET amount = %s, cents = round(%s * 100), status = 'r' WHERE id = %s",
         *((amount, number) if w.side == 0 else (amount, amount, number)))


def behind(w):
    """Only what does not travel changes."""
    if w.side == 0:
        w.sql("UPDATE users SET legacy_flag = coalesce(legacy_flag, 0) + 1 WHERE id = %s", w.rng.randint(1, 300))


def renumber(w):
    user = w.rng.randint(1, 300)
    _run(w, "UPDATE users SET id = nextval('user_ids') WHERE id = %s AND mail LIKE 'm1%%'",
         "UPDATE auth.users SET id = nextval('user_ids') WHERE id = %s AND mail LIKE 'm1%%'", user)


def leave(w):
    _run(w, "DELETE FROM users WHERE id = (SELECT max(id) FROM users WHERE mail LIKE 'new%%')",
         "DELETE FROM auth.users WHERE id = (SELECT max(id) FROM auth.users WHERE mail LIKE 'new%%')")


def happen(w):
    number = w.rng.randint(1, 1500)
    w.sql("INSERT INTO events AS e (id, kind, open) VALUES (%s, 'new', true) ON CONFLICT (id) DO UPDATE SET open = NOT e.open",
          number)
    if w.rng.random() < 0.2:
        w.sql("DELETE FROM events WHERE id = %s", w.rng.randint(1, 1500))


SETS = {"random": [sign_up, order, edit, edit, reprice, behind, renumber, leave, happen]}
