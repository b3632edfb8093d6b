"""An application whose tables are called otherwise on the target: its writers know both sides' names, and `equal` holds
the two against each other by a mapping of its own."""
SOURCE = """
CREATE TABLE users (id bigserial PRIMARY KEY, mail text NOT NULL UNIQUE, "Full Name" text, v int NOT NULL DEFAULT 0,
    doubled int GENERATED ALWAYS AS (v * 2) STORED, photo text);
ALTER TABLE users ALTER photo SET STORAGE EXTERNAL;
CREATE TABLE health_metrics (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE, kind text NOT NULL, val bigint);
CREATE TABLE tbl_notes (a int, note text, val int);
ALTER TABLE tbl_notes REPLICA IDENTITY FULL;
CREATE TABLE tbl_tags (k text PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
CREATE SEQUENCE ticket;
CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO users (mail, "Full Name", photo) SELECT 'u' || i, 'User ' || i, repeat('p' || i, 900)
    FROM generate_series(1, 300) i;
INSERT INTO health_metrics (user_id, kind, val) SELECT 1 + i % 300, 'k' || i % 7, i * 4 FROM generate_series(1, 2000) i;
INSERT INTO tbl_notes SELECT i % 10, CASE WHEN i % 3 > 0 THEN 'n' || i % 4 END, NULL FROM generate_series(1, 100) i;
INSERT INTO tbl_tags SELECT 'tag ' || i FROM generate_series(1, 100) i;
"""

# What the rules below make of it, as a person would have prepared it: other schemas, an index more.
TARGET = """
CREATE SCHEMA auth; CREATE SCHEMA health; CREATE SCHEMA web;
CREATE TABLE auth.users (id bigserial PRIMARY KEY, v int NOT NULL DEFAULT 0, email text NOT NULL UNIQUE,
    "full name" text, twice int GENERATED ALWAYS AS (v * 2) STORED, photo text);
CREATE INDEX more ON auth.users (v);
CREATE TABLE health.health_metrics (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES auth.users ON DELETE CASCADE, kind text NOT NULL, "VAL" bigint);
CREATE TABLE web.notes (a int, note text, "VAL" int);
ALTER TABLE web.notes REPLICA IDENTITY FULL;
CREATE TABLE web.tags (k text PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
CREATE SEQUENCE ticket;
CREATE TABLE ledger (id text PRIMARY KEY, writer int NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
"""

LINES = ["public.users -> auth.users", "public.health_metrics -> health.health_metrics", "public.tbl_* -> web.*",
         "public.users.mail -> email", "public.users.F* -> lower(*)", "public.users.doubled -> twice",
         "*.*.val -> upper(*)"]


def _rule(number, target, action, schema, table=None, column=None, **more):
    names = {"schema-name": schema, "table-name": table, "column-name": column}
    return {"rule-type": "transformation", "rule-id": str(number), "rule-name": f"n{number}", "rule-target": target,
            "object-locator": {k: v for k, v in names.items() if v}, "rule-action": action, **more}


DMS = {"rules": [
    {"rule-type": "selection", "rule-id": "1", "rule-name": "all", "rule-action": "include", "filters": [],
     "object-locator": {"schema-name": "public", "table-name": "%"}},
    _rule(2, "schema", "rename", "public", "users", value="auth"),
    _rule(3, "schema", "rename", "public", "health_metrics", value="health"),
    _rule(4, "schema", "rename", "public", "tbl[_]%", value="web"),
    _rule(5, "table", "remove-prefix", "public", "tbl[_]%", value="tbl_"),
    _rule(6, "column", "rename", "public", "users", "mail", value="email"),
    _rule(7, "column", "convert-lowercase", "public", "users", "F%"),
    _rule(8, "column", "rename", "public", "users", "doubled", value="twice"),
    _rule(9, "column", "convert-uppercase", "public", "%", "val"),
]}

# (on the source, on the target) of what is compared, and what the writers write to.
NAMES = {"users": ("users", "auth.users"), "mail": ("mail", "email"), "full": ('"Full Name"', '"full name"'),
         "metrics": ("health_metrics", "health.health_metrics"), "val": ("val", '"VAL"'),
         "notes": ("tbl_notes", "web.notes"), "tags": ("tbl_tags", "web.tags"), "doubled": ("doubled", "twice")}
COMPARED = ["SELECT id, {mail}, {full}, v, {doubled}, photo FROM {users}", "SELECT id, user_id, kind, {val} FROM {metrics}",
            "SELECT a, note, {val} FROM {notes}", "SELECT k, n FROM {tags}", "SELECT id, writer, kind, at FROM ledger"]


def on(side, statement):
    return statement.format(**{k: v[side] for k, v in NAMES.items()})


def create(source, target):
    source.sql(SOURCE, user="app")
    target.sql(TARGET, user="app")


def _rows(db, side, statement):
    return [r[0] for r in db.sql(f"SELECT t::text FROM ({on(side, statement)}) t ORDER BY t::text COLLATE \"C\"")]


def assert_equal(source, target):
    for statement in COMPARED:
        here, there = _rows(source, 0, statement), _rows(target, 1, statement)
        assert here or "ledger" in statement, f"nothing to compare: {statement}"
        assert here == there, (statement, sorted(set(here) ^ set(there))[:4], len(here), len(there))


def _run(w, statement, *params):
    w.sql(on(w.side, statement), *params)


def sign_up(w):
    _run(w, "WITH u AS (INSERT INTO {users} ({mail}, {full}) VALUES (%s, %s) RETURNING id)"
            " INSERT INTO {metrics} (user_id, kind, {val}) SELECT id, 'new', 15 FROM u", f"m {w.tag()}", w.word())


def edit(w):
    """Leaves the large value alone."""
    _run(w, "UPDATE {users} SET {full} = %s, v = v + 1 WHERE id = %s", w.word(), w.rng.randint(1, 300))
    _run(w, "UPDATE {metrics} SET {val} = {val} + 1 WHERE id = %s", w.rng.randint(1, 2000))


def leave(w):
    _run(w, "DELETE FROM {users} WHERE id = (SELECT max(id) FROM {users})")


def retag(w):
    _run(w, "INSERT INTO {tags} AS t VALUES (%s, 1) ON CONFLICT (k) DO UPDATE SET n = t.n + 1",
         f"tag {w.rng.randint(1, 120)}")
    _run(w, "UPDATE {tags} SET k = %s WHERE k = %s", f"tag {w.tag()}", f"tag {w.rng.randint(1, 120)}")


def note(w):
    _run(w, "INSERT INTO {notes} VALUES (%s, NULL, 1), (1, 'n', NULL), (1, 'n', NULL)", w.rng.randint(0, 9))
    _run(w, "UPDATE {notes} SET {val} = coalesce({val}, 0) + 1 WHERE ctid IN"
            " (SELECT ctid FROM {notes} WHERE a = %s LIMIT 2)", w.rng.randint(0, 9))
    _run(w, "DELETE FROM {notes} WHERE ctid IN (SELECT ctid FROM {notes} WHERE a = %s LIMIT 2)", w.rng.randint(0, 9))


def empty(w):
    if w.rng.random() < 0.05:
        _run(w, "TRUNCATE {notes}")


SETS = {"random": [sign_up, edit, edit, leave, retag, note, empty]}
