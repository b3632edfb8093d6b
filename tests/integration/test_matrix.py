"""Every value of tests/matrix through every way that a value takes: load as text and binary, insert, update, delete by key
and by the whole row, as sets, by COPY and row by row, with both plugins. Compared byte for byte."""
import pytest
from harness import hostile, images, matrix
from harness.daemon import LATER_THAN_LOAD
from harness.flow import cut_over

# plugin, load in binary form, settings of roles, databases and servers that would change every value
WAYS = [("pgoutput", True, False), ("pgoutput", False, True), ("wal2json", False, True)]


# What a schema says in values of its own.
DEFAULTS = """CREATE TABLE defaults (id int PRIMARY KEY, a text[] DEFAULT '{NULL,x}', d date DEFAULT '2024-02-01',
    i interval DEFAULT '-1 day +01:00', m money DEFAULT 1234.56, t timestamptz DEFAULT '2024-02-01 10:00+05:30',
    s text DEFAULT 'a\\\\b''日本', x xml DEFAULT 'a fragment', f float8[] DEFAULT '{0.30000000000000004}')"""
SHOW_DEFAULTS = ("SELECT adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'public.defaults'::regclass"
                 " ORDER BY 1")


@pytest.fixture
def ways(source, target, make_cluster, make_database):
    def pair(hostile_settings):
        if not hostile_settings:
            return source, target, {}
        both = [hostile.make(make_database(make_cluster(name, settings=hostile.settings("server"))))
                for name in ("source", "target")]
        return *both, {"src": both[0].conninfo(hostile.ROLE), "dst": both[1].conninfo(hostile.ROLE)}
    return pair


@pytest.mark.parametrize("plugin, binary, hostile_settings", WAYS,
                         ids=[f"{p}-{'binary' if b else 'text'}{'-hostile' * h}" for p, b, h in WAYS])
def test_values(ways, make_task, plugin, binary, hostile_settings):
    source, target, ends = ways(hostile_settings)
    m = matrix.Matrix(plugin)
    m.create(source)
    source.sql(DEFAULTS)
    task = make_task(plugin=plugin, load={"binary": binary}, **ends).start()
    task.wait_phase(*LATER_THAN_LOAD)

    m.change(source, 1)
    task.wait_applied(source)
    assert task.status()["stream"]["fallback_batches"] == 0
    before = hostile.sessions(source, target)
    m.change(source, 2, refuse_sets=True)
    task.wait_applied(source)
    assert task.status()["stream"]["fallback_batches"] > 0
    if hostile_settings:
        # Idle in transaction and between statements for longer than any of those timeouts: none has ended.
        assert before <= hostile.sessions(source, target)
        assert {kind for _, _, _, kind, _ in before} == {"walsender", "client backend"}

    cut_over(task)
    tables = m.tables()
    found, values, stored = images.compare(source, target, tables)
    assert not found, "\n".join(found)
    assert source.sql(SHOW_DEFAULTS) == target.sql(SHOW_DEFAULTS) != []
    print(f"{len(m.cases)} types, {len(tables)} tables, {values} images equal, {stored} of them as stored")
    assert stored > 10000


def test_every_type_of_the_server_has_a_case(source):
    """A type that PostgreSQL gains, and none here knows, fails this test."""
    cases = matrix.cases()
    for extension in sorted({c.keys["extension"] for c in cases if "extension" in c.keys}):
        source.sql(f"CREATE EXTENSION {extension}")
    covered = set()
    with source.connect() as c:
        for case in cases:
            with c.transaction(force_rollback=True):
                for statement in case.types():
                    c.execute(statement)
                covered.add(c.execute(f"SELECT pg_typeof(NULL::{case.type})::oid::int").fetchone()[0])
        # Arrays follow from their elements: each case has one.
        missing = c.execute("SELECT oid::regtype::text FROM pg_type t WHERE typtype IN ('b', 'r', 'm') AND typisdefined"
                            " AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)"
                            " AND NOT oid = ANY (%s) ORDER BY 1", (list(covered),)).fetchall()
    assert not missing, f"types without a case in tests/matrix: {', '.join(r[0] for r in missing)}"


def test_known_differences_differ(source, target, make_task):
    """What a case calls a known difference is one; else the case must go."""
    m = matrix.Matrix("pgoutput", only={c.name for c in matrix.cases() if c.arrives})
    m.create(source)
    make_task(plugin="pgoutput").start("--until", "caught-up").process.wait(60)
    found, _, _ = images.compare(source, target, {f"k_{case}": None for case in m.cases})
    assert len(found) >= len(m.cases) > 0


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_types_that_cannot_travel_are_refused(source, target, make_task, plugin):
    """By check and by run, with the column's name, before anything is written."""
    refused = {c.name: c.refused or "plugin-refused" for c in matrix.cases()
               if c.refused or plugin == "wal2json" and "v" not in c.columns(plugin)}
    assert refused
    for case in matrix.cases():
        if case.name in refused:
            if "extension" in case.keys:
                source.sql(f"CREATE EXTENSION IF NOT EXISTS {case.keys['extension']}")
            source.sql(f"CREATE TABLE t_{case} (id int PRIMARY KEY, v_{case} {case.type})")
    task = make_task(plugin=plugin)
    done = task.cmd("check", "--json")
    assert done.code == 3, repr(done)
    for name, code in refused.items():
        assert [f for f in done.json()["findings"] if f["code"] == code and f["subject"] == f"public.t_{name}"
                and f"v_{name}" in f["what"] and f["remedy"]], f"{name} is not refused: {done!r}"
    refusal = task.cmd("run")
    assert refusal.code == 3 and "hint:" in refusal.err, repr(refusal)
    assert not target.has_schema()
