"""load --sample: some rows and all that they need, in a scratch place; nothing else is changed on either side."""
import pytest
from harness.flow import assert_error
from harness.witness import Untouched

TABLES = """
CREATE TABLE org (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE person (id int PRIMARY KEY, org int NOT NULL REFERENCES org, boss int REFERENCES person, a int, b text,
    age text);
CREATE TABLE pair (a int, b text, PRIMARY KEY (a, b));
ALTER TABLE person ADD FOREIGN KEY (a, b) REFERENCES pair;
CREATE TABLE egg (id int PRIMARY KEY, hen int);
CREATE TABLE hen (id int PRIMARY KEY, egg int REFERENCES egg);
ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;
CREATE TABLE loose (id int PRIMARY KEY, person int);
CREATE TABLE part (id int, org int REFERENCES org, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (50);
CREATE TABLE part_b PARTITION OF part FOR VALUES FROM (50) TO (1000);
CREATE TABLE nothing (id int PRIMARY KEY);
"""
ROWS = """
INSERT INTO org SELECT i, 'org ' || i FROM generate_series(1, 100) i;
INSERT INTO pair SELECT i, 'b' || i FROM generate_series(1, 200) i;
INSERT INTO person SELECT i, 1 + i % 100, NULLIF(i / 2, 0), 1 + i % 200, 'b' || 1 + i % 200, (20 + i % 50)::text
    FROM generate_series(1, 2000) i;
INSERT INTO hen SELECT i, NULL FROM generate_series(1, 40) i;
INSERT INTO egg SELECT i, 1 + i % 40 FROM generate_series(1, 40) i;
UPDATE hen SET egg = 41 - id;
INSERT INTO loose SELECT i, 1 + (i * 7) % 2000 FROM generate_series(1, 500) i;
INSERT INTO part SELECT i, 1 + i % 100 FROM generate_series(0, 99) i;
ANALYZE;
"""
REFERENCES = ["public.loose (person) -> public.person (id)"]


@pytest.fixture
def task(source, target, make_task):
    source.sql(TABLES + ROWS, user="app")
    target.sql(TABLES + """INSERT INTO org VALUES (1, 'theirs');
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''fired''; END';
        CREATE TRIGGER spoil BEFORE INSERT ON org FOR EACH ROW EXECUTE FUNCTION spoil()""")
    return make_task(target={"prepare": "truncate"}, verify={"references": REFERENCES})


def tables_of(report):
    return {t["table"]: t for t in report["tables"]}


def orphans(db, child, columns, parent, keys):
    on = " AND ".join(f"c.{c} = p.{k}" for c, k in zip(columns, keys))
    return db.value(f"SELECT count(*) FROM {child} c WHERE c.{columns[0]} IS NOT NULL"
                    f" AND NOT EXISTS (SELECT FROM {parent} p WHERE {on})")


def name(table):
    return f'bascule_sample."public.{table}"'


def test_rows_with_all_that_they_need(task, source, target):
    with Untouched(source):
        before = target.sql("SELECT * FROM org")
        report = task.ok("load", "--sample", "5", "--json").json()
    assert target.sql("SELECT * FROM org") == before
    assert report["place"] == "schema bascule_sample" and report["problems"] == [] and not report["dropped"]
    tables = tables_of(report)
    assert set(tables) == {f"public.{t}" for t in ("org", "person", "pair", "egg", "hen", "loose", "part_a", "part_b")}
    for t in tables.values():
        assert t["loaded"] == t["rows"] + t["parents"] and t["refused"] == t["different"] == 0, t
        assert 5 <= t["rows"] <= 7 and t["rows_estimated"] >= t["rows"] and t["about_seconds"] >= 0, t
        assert target.value(f"SELECT count(*) FROM {name(t['table'].removeprefix('public.'))}") == t["loaded"]
    assert tables["public.person"]["parents"] > 10  # bosses of bosses
    assert report["about_bytes"] > 0 and report["about_seconds"] >= 0
    for child, columns, parent, keys in [
            ("person", ["org"], "org", ["id"]), ("person", ["boss"], "person", ["id"]),
            ("person", ["a", "b"], "pair", ["a", "b"]), ("egg", ["hen"], "hen", ["id"]),
            ("hen", ["egg"], "egg", ["id"]), ("loose", ["person"], "person", ["id"]), ("part_b", ["org"], "org", ["id"])]:
        assert orphans(target, name(child), columns, name(parent), keys) == 0, (child, columns)
    assert target.sql(f"SELECT min(id), max(id) FROM {name('person')}") == [(1, 2000)]
    keys = target.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
                        " AND connamespace = 'bascule_sample'::regnamespace")
    assert keys == 7
    assert "\nload    about " in task.ok("load", "--sample", "4").out
    assert "unknown: only some" in task.ok("load", "--sample", "3", "--table", "public.loose").out  # takes its place
    assert target.value(f"SELECT to_regclass('{name('egg')}')") is None
    assert target.value(f"SELECT count(*) FROM {name('org')}") >= 1
    assert "removed: schema bascule_sample" in task.ok("load", "--sample-drop").out
    assert not target.has_schema("bascule_sample")
    assert task.ok("load", "--sample-drop", "--json").json() == {"removed": ""}


def test_what_a_load_would_meet(task, source, target):
    source.sql("UPDATE person SET age = 'old' WHERE id IN (70, 71); UPDATE person SET age = '-4' WHERE id = 72")
    target.sql("TRUNCATE org CASCADE; ALTER TABLE person ALTER age TYPE int USING NULL, ADD CHECK (age > 0);"
               "ALTER TABLE org DROP COLUMN name, ADD COLUMN title text, ADD COLUMN tenant text NOT NULL")
    task.write_config(rules={"types": ["public.person.age -> integer"], "names": ["public.org.name -> title"],
                             "add_columns": ["public.org.tenant = 'T-' || $name"]})
    done = task.cmd("load", "--sample", "10000", "--sample-drop", "--json")
    assert done.code == 4, repr(done)
    report = done.json()
    person = tables_of(report)["public.person"]
    assert person["rows"] == 2000 and person["refused"] == 3 and person["loaded"] == 1997 and person["different"] == 0
    place = {str(row): str(at) for row, at in source.sql("SELECT id, ctid FROM person WHERE id BETWEEN 70 AND 72")}
    found = {(p["row"], p["sqlstate"]) for p in report["problems"] if p["row"]}
    assert found == {(place["70"], "22P02"), (place["71"], "22P02"), (place["72"], "23514")}
    assert "invalid input syntax" in done.out and report["dropped"] and not target.has_schema("bascule_sample")
    # those that are missing are missed by others
    assert any(p["sqlstate"] == "23503" and p["row"] == "" for p in report["problems"])
    assert tables_of(report)["public.org"]["different"] == 0


def test_what_is_not_ours_is_not_touched(task, source, target):
    target.sql("CREATE SCHEMA bascule_sample; CREATE TABLE bascule_sample.precious AS SELECT 1")
    with Untouched(source, target):
        for args in (["--sample", "5"], ["--sample-drop"]):
            assert_error(task.cmd("load", *args), "wrong-state", 3)
        assert_error(task.cmd("load"), "usage", 2)
        assert_error(task.cmd("load", "--sample", "0"), "usage", 2)
        assert_error(task.cmd("load", "--sample", "5", "--tables", "public.nobody"), "usage", 2)
    target.sql("COMMENT ON SCHEMA bascule_sample IS 'bascule: sample of task other'")
    with Untouched(source, target):
        done = task.cmd("load", "--sample-drop")
        assert_error(done, "wrong-state", 3)
        assert "task 'other'" in done.err
    task.write_config(load={"sample_name": "elsewhere"})
    task.ok("load", "--sample", "2")
    assert target.has_schema("elsewhere") and target.value("SELECT count(*) FROM bascule_sample.precious") == 1


def test_into_a_database_of_its_own(app, target, clusters, make_task):
    """target.prepare: create, while the task runs: the schema comes from the source."""
    name = f"sample_{target.name}"
    task = make_task(load={"sample_name": name})
    task.start().wait_streaming()
    try:
        report = task.ok("load", "--sample", "20", "--json").json()
        assert report["place"] == f"database {name}" and report["problems"] == [], report
        assert all(t["different"] == 0 and t["loaded"] == t["rows"] + t["parents"] for t in report["tables"])
        with clusters[1].connect(name) as c:
            keys = c.execute("SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f')").fetchone()[0]
            assert keys > 4
            assert c.execute("SELECT count(*) FROM account").fetchone()[0] >= 20
        assert task.must_live() and not target.has_schema(name)
        task.ok("load", "--sample", "1")
        assert f"removed: database {name}" in task.ok("load", "--sample-drop").out
    finally:
        clusters[1].drop_database(name)


def test_a_large_table_is_not_read(source, target, make_task):
    make = "CREATE TABLE large (id int PRIMARY KEY, t text)"
    source.sql(make + "; INSERT INTO large SELECT i, repeat('x', 200) FROM generate_series(1, 60000) i; ANALYZE")
    target.sql(make)
    task = make_task(target={"prepare": "nothing"})
    blocks = "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'large'"
    source.sql("SELECT pg_stat_reset()")
    report = task.ok("load", "--sample", "100", "--json").json()
    table = tables_of(report)["public.large"]
    assert 100 <= table["rows"] <= 102 and table["different"] == 0
    ids = [r[0] for r in target.sql('SELECT id FROM bascule_sample."public.large" ORDER BY id')]
    assert ids[0] == 1 and ids[-1] == 60000
    source.sql("SELECT pg_stat_force_next_flush()")
    assert source.value(blocks) < 800  # of about 1,800


def test_no_row_outside_of_a_filter(source, target, make_task):
    for db in (source, target):
        db.sql(TABLES, user="app")
    source.sql(ROWS, user="app")
    task = make_task(target={"prepare": "truncate"}, rules={"rows": ["public.org where $id > 90", "public.person where $id > 1900"]})
    task.cmd("load", "--sample", "5")
    assert target.value(f"SELECT count(*) FROM {name('person')}") > 0
    assert target.value(f"SELECT count(*) FROM {name('org')} WHERE id <= 90") == 0
    assert target.value(f"SELECT count(*) FROM {name('person')} WHERE id <= 1900") == 0
