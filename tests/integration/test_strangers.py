"""Databases that nobody here wrote: generated schemas of odd tables under a writer that does not know them, and what
single ones of public schemas stumbled over."""
import os

import pytest
from harness import anything, majors, oracle, strange
from harness.decoders import TwoDecoders, demand
from harness.flow import finish
from harness.waiting import wait_until


def make(db, seed, tables):
    db.sql(strange.Strange(seed, tables).text())
    db.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app")
    anything.prepare(db)
    count, empty = anything.fill(db, seed, user="postgres", rounds=6)
    print(f"seed {seed}: {count} tables, {len(empty)} empty: {empty}")
    assert len(empty) * 10 <= count, f"the writer cannot fill {len(empty)} of {count} tables: {empty}"
    return count


def move(source, target, make_task, make_writers, seed, commits, **config):
    writers = make_writers(src=source, dst=target, count=2, seed=seed, module="harness.anything", kind="anything",
                           user="postgres")
    task = make_task(src=source, dst=target, **config)
    check = task.cmd("check", "--json", timeout=120)
    assert check.code in (0, 5), repr(check)
    task.start().wait_streaming(timeout=120)
    writers.wait_more(commits, timeout=120)
    finish(task, source, target, writers)
    found = oracle.dump_differences(source.dsn, target.dsn) if source.cluster.bindir == target.cluster.bindir else []
    assert not found, "the dumped schemas differ:\n" + "\n".join(found[:40])


def test_odd_tables_move(source, target, make_task, make_writers):
    seed = int(os.environ.get("BASCULE_TEST_SEED", "1"))
    make(source, seed, 25)
    move(source, target, make_task, make_writers, seed, 150)


def test_odd_tables_by_two_decoders(source, target, make_writers):
    seed = int(os.environ.get("BASCULE_TEST_SEED", "2"))
    make(source, seed, 25)
    with TwoDecoders(source) as two:
        writers = make_writers(count=2, seed=seed, module="harness.anything", kind="anything", user="postgres", after="stop")
        writers.wait_more(250)
        writers.stop()
        demand(two.compare(), "transaction", "insert", "update", "update-full", "delete", "delete-full", "null", "value",
               "unchanged", "nan")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1010))
def test_hundreds_of_odd_tables_move(seed, clusters, make_cluster, make_database, make_task, make_writers):
    roomy = {"max_locks_per_transaction": "256"}
    source, target = (make_database(make_cluster(name, settings=roomy)) for name in ("source", "target"))
    assert make(source, seed, 250) > 300
    move(source, target, make_task, make_writers, seed, 1500)


@pytest.mark.long
@pytest.mark.other_major
@pytest.mark.parametrize("major", [16, 17, 18])
def test_odd_tables_move_to_another_version(major, source, make_cluster, make_database, make_task, make_writers):
    target = make_database(make_cluster(f"pg{major}", bindir=majors.bindir(major)))
    make(source, 2000 + major, 60)
    move(source, target, make_task, make_writers, major, 500)


# Found in public schemas ----------------------------------------------------------------------------
def test_a_view_that_needs_a_primary_key(source, target, make_task):
    """pg_dump makes it empty before the data and replaces it behind the keys."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b');"
               "CREATE VIEW grouped AS SELECT id, v, count(*) AS n FROM t GROUP BY id;"
               "CREATE VIEW above AS SELECT * FROM grouped WHERE v <> '';"
               "CREATE MATERIALIZED VIEW kept AS SELECT * FROM above")
    task = make_task().start().wait_streaming()
    finish(task, source, target)
    assert target.sql("SELECT * FROM above ORDER BY 1") == [(1, "a", 1), (2, "b", 1)]
    assert target.sql("SELECT * FROM kept ORDER BY 1") == [(1, "a", 1), (2, "b", 1)]


def test_roles_that_only_policies_and_grants_name(clusters, source, target, make_task):
    """Without the first the load would end with an error at its very end, without the second all grants would go."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
               "CREATE ROLE strange_policy; CREATE ROLE strange_grant; CREATE POLICY p ON t TO strange_policy USING (true);"
               "GRANT SELECT ON t TO strange_grant")
    try:
        task = make_task()
        found = {(f["result"], f["remedy"]) for f in task.cmd("check", "--json").json()["findings"]
                 if f["code"] == "roles"}
        assert ("blocker", 'CREATE ROLE "strange_policy";  -- on the target') in found, found
        assert any(kind == "warning" and 'CREATE ROLE "strange_grant"' in remedy for kind, remedy in found), found
        refused = task.run_to_end()
        assert refused.code == 3 and "strange_policy" in refused.err, repr(refused)
        target.sql("CREATE ROLE strange_policy; CREATE ROLE strange_grant")
        task.start().wait_streaming()
        finish(task, source, target)
        assert target.value("SELECT has_table_privilege('strange_grant', 't', 'SELECT')")
    finally:
        for db in (source, target):
            db.sql("DROP TABLE IF EXISTS t; DROP ROLE IF EXISTS strange_policy; DROP ROLE IF EXISTS strange_grant")


def test_what_only_a_superuser_may_create(source, target, make_task):
    """The restore would fail in its middle."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY);"
               "CREATE FUNCTION eq(int, int) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';"
               "CREATE FUNCTION now_in_c() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';"
               "CREATE OPERATOR CLASS odd FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int);"
               "CREATE CAST (int AS date) WITHOUT FUNCTION; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm;"
               # not these
               "CREATE TYPE fine_range AS RANGE (subtype = float8); CREATE AGGREGATE fine_sum (int) (sfunc = int4pl, stype = int);"
               "CREATE TYPE fine_enum AS ENUM ('a'); CREATE DOMAIN fine_domain AS int; CREATE TYPE fine_row AS (a int)")
    with target.connect() as c:
        c.execute("DROP ROLE IF EXISTS ordinary_one; CREATE ROLE ordinary_one LOGIN")
        c.execute(f'GRANT CREATE ON DATABASE "{target.name}" TO ordinary_one; GRANT ALL ON SCHEMA public TO ordinary_one')
    try:
        def found(**config):
            report = make_task(**config).cmd("check", "--json").json()
            return {f["code"]: f for f in report["findings"] if f["code"] in ("superuser-object", "library")}
        report = found(target={"dsn": target.conninfo("ordinary_one")})
        assert report["superuser-object"]["result"] == "blocker"
        for name in ("function in internal public.eq", "function in c public.now_in_c", "operator class public.odd",
                     "operator family public.odd", "cast without function"):
            assert name in report["superuser-object"]["what"], report
        assert "fine" not in str(report) and "hstore" not in str(report) and "trgm" not in str(report)
        assert "$libdir/plpgsql" in report["library"]["what"]
        assert set(found()) == {"library"}, "a superuser may"
        assert found(target={"dsn": target.conninfo("ordinary_one"), "prepare": "nothing"}) == {}
    finally:
        target.sql("DROP OWNED BY ordinary_one; DROP ROLE ordinary_one")
