"""`ddl_capture`: the source tells of its own DDL in the stream, by event triggers that never stand in its way."""
import pytest
from harness.flow import caught_up_and_equal, finish
from harness.suspended import TABLE, Writer, goes_on, none_suspended, statement_for, table_of
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
TRIGGERS = "SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'bascule%%'"
FUNCTION = "SELECT to_regprocedure('bascule.ddl_note()') IS NOT NULL"


def heard(task):
    return task.status()["source_ddl"] or []


def ran(task, name, text):
    wait_until(lambda: task.must_live() and text in ((table_of(task, name) or {}).get("source_statement") or ""), 60,
               f"'{text}' was run on {name}", 0.1, dump=task.describe)


def hears(task, text):
    return wait_until(lambda: task.must_live() and [h for h in heard(task) if text in f"{h['name']} {h['statement']}"],
                      60, f"'{text}' is heard of", 0.1, dump=task.describe)


@PLUGINS
def test_the_source_names_its_own_statements(source, target, make_task, plugin):
    """Also of a change without a row, of an index, of a key; and no secret, nor what stood beside."""
    for name in ("other", "quiet", "indexed", "multi", "done", "gone"):
        source.sql(TABLE.format(name))
    source.sql("CREATE TABLE left_out (id int PRIMARY KEY)")
    task = make_task(plugin=plugin, ddl_capture="on", tables={"exclude": ["public.left_out"]}).start().wait_streaming()
    assert source.value(TRIGGERS) == 2 and heard(task) == []
    with Writer(source, "other"):
        source.sql("ALTER TABLE quiet ADD COLUMN noted text DEFAULT 'n'")
        source.sql("CREATE INDEX indexed_v ON indexed (v)")
        source.sql("CREATE INDEX CONCURRENTLY indexed_n ON indexed (n)")
        source.sql("ALTER TABLE left_out ADD x int")
        source.sql("CREATE TEMP TABLE fleeting (id int)")
        source.sql("ALTER TABLE multi ADD a int; ALTER ROLE app PASSWORD 'hush-hush'")
        source.sql("DO $$ BEGIN EXECUTE 'ALTER TABLE done ADD b int'; PERFORM 'hush-too'; END $$")
        source.sql("ALTER TABLE indexed ADD CHECK (v <> 'api_key: hush-hush')")
        source.sql("DROP TABLE gone")
        ran(task, "quiet", "ALTER TABLE quiet ADD COLUMN noted text DEFAULT 'n';")
        ran(task, "gone", "DROP TABLE gone;")
        for name in ("multi", "done"):
            ran(task, name, f"ALTER TABLE public.{name} (text withheld);")
        assert hears(task, "indexed_v")[0]["statement"] == "CREATE INDEX indexed_v ON indexed (v)"
        assert hears(task, "indexed_n")[0]["tag"] == "CREATE INDEX"
        kinds = [(h["tag"], h["name"], h["statement"]) for h in heard(task)]
        assert ("ALTER TABLE", "public.indexed", None) in kinds
        assert not [k for k in kinds if "left_out" in k[1] or "fleeting" in k[1]], kinds
        for text in (task.ok("status").out, task.tail(500), str(target.sql("SELECT * FROM bascule.source_ddl"))):
            assert "hush" not in text and "indexed_n" in text, text
        for name in ("quiet", "multi", "done", "gone"):
            target.sql(statement_for(task, name))
        none_suspended(task)
        goes_on(task, source, target)
    # a copy covers what was said of its table; the index is still nobody's
    wait_until(lambda: {h["name"] for h in heard(task)} == {"public.indexed", "public.indexed_v", "public.indexed_n"},
               60, "only what no copy covers is left", 0.1, dump=task.describe)
    task.stop()
    offline = task.status()
    assert offline["engine"] == "stopped" and len(offline["source_ddl"]) == 3
    source.sql("ALTER TABLE indexed DROP COLUMN n")  # heard of although nobody ran
    task.start().wait_streaming()
    ran(task, "indexed", "ALTER TABLE indexed DROP COLUMN n;")
    target.sql(statement_for(task, "indexed"))
    none_suspended(task)
    source.sql("DROP TABLE left_out")
    caught_up_and_equal(task, source, target)


NEW = """CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE TABLE "New ""1" (id serial PRIMARY KEY, code text NOT NULL UNIQUE, parent int REFERENCES other, c colour DEFAULT 'red',
    up text GENERATED ALWAYS AS (upper(code)) STORED, n numeric(8, 2) CHECK (n > 0), big bigint GENERATED ALWAYS AS IDENTITY);
CREATE INDEX new_partial ON "New ""1" (lower(code)) WHERE n > 1;
CREATE TABLE bare (a int, b json); ALTER TABLE bare REPLICA IDENTITY FULL;
CREATE TABLE own_id (k int NOT NULL, v text); CREATE UNIQUE INDEX own_id_k ON own_id (k);
ALTER TABLE own_id REPLICA IDENTITY USING INDEX own_id_k;
CREATE TABLE watched (id int PRIMARY KEY);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO "New ""1" (code, parent, n) SELECT 'c' || i, i, i FROM generate_series(1, 200) i;
INSERT INTO bare SELECT i % 3, '{"a": 1}' FROM generate_series(1, 30) i; INSERT INTO own_id VALUES (1, 'x'); INSERT INTO watched VALUES (1);"""


@PLUGINS
def test_new_tables_are_carried(source, target, make_task, plugin):
    """With indexes, keys and sequences; one with a trigger is the operator's, and its statement is named."""
    source.sql(TABLE.format("other"))
    task = make_task(plugin=plugin, ddl="apply", ddl_capture="auto").start().wait_streaming()
    target.sql("CREATE TYPE colour AS ENUM ('red', 'blue')")
    with Writer(source, "other"):
        source.sql(NEW)
        assert 'CREATE TABLE "public"."watched"' in statement_for(task, "watched")
        arrived = "SELECT count(*) = 3 FROM pg_class WHERE relname IN ('New \"1', 'bare', 'own_id')"
        wait_until(lambda: task.must_live() and target.value(arrived), 60, "the tables are made", 0.1, dump=task.describe)
        target.sql("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        target.sql(statement_for(task, "watched"))
        target.sql("CREATE TRIGGER t BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION f()")
        none_suspended(task)
        source.sql("""UPDATE "New ""1" SET n = n + 1 WHERE id < 50; DELETE FROM bare WHERE ctid = '(0,1)';
                      UPDATE own_id SET v = 'y'; INSERT INTO "New ""1" (code, n) VALUES ('late', 3)""")
        goes_on(task, source, target)
    caught_up_and_equal(task, source, target)
    finish(task, source, target)
    assert target.value("""INSERT INTO "New ""1" (code, n) VALUES ('after', 1) RETURNING id""") > 201


def test_it_never_stands_in_the_way(source, target, make_task):
    """Statements of a role without any right, in every form, go through; so they do when the message cannot be written."""
    source.sql(TABLE.format("other"))
    source.sql("GRANT CREATE ON SCHEMA public TO app")
    task = make_task(ddl_capture="on").start().wait_streaming()
    with source.connect("app") as c:
        c.execute("CREATE TABLE mine (id serial PRIMARY KEY, v text)")
        c.execute("SET search_path = ''")
        c.execute("ALTER TABLE public.mine ADD w int DEFAULT 3")
        c.execute("CREATE TABLE public.\"odd\nname; DROP\" (\"a\nb\" int PRIMARY KEY)")
        c.execute("CREATE TABLE public.many (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k)")
        c.execute("CREATE TABLE public.many_1 PARTITION OF public.many FOR VALUES IN (1)")
        c.execute("CREATE INDEX CONCURRENTLY ON public.mine (w)")
        c.execute("REINDEX TABLE CONCURRENTLY public.mine")
        c.execute("ALTER TABLE public.many DETACH PARTITION public.many_1 CONCURRENTLY")
        c.execute("DROP INDEX CONCURRENTLY public.mine_w_idx")
        c.execute("CREATE TYPE public.t AS ENUM ('a')")
        c.execute("ALTER TYPE public.t ADD VALUE 'b'")
        with c.transaction():
            c.execute("SAVEPOINT s")
            c.execute("ALTER TABLE public.mine ADD x int")
            c.execute("ROLLBACK TO s")
            c.execute("DROP TABLE public.many, public.many_1")
    # not even when nothing of it works
    source.sql("REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC")
    try:
        source.sql("ALTER TABLE mine ADD y int", user="app")
    finally:
        source.sql("GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO PUBLIC")
    hears(task, "mine")
    assert not [h for h in heard(task) if "ADD x" in (h["statement"] or "")]
    # what others write under the prefix is taken for what it is
    for rude in ("ddl", "ddl\n", "ddl\na\nb\nx\n1\nn\n", "ddl\nT\ntable\n1\n2\n" + "n" * 5000 + "\n",
                 "ddl\nT\ntable\n0\n0\nname\n" + "s" * 100000):
        source.sql("SELECT pg_logical_emit_message(true, 'bascule', %s)", (rude,))
    source.sql("SELECT pg_logical_emit_message(true, 'bascule', '\\x64646c0a540a74610a300a300aff00fe0aff'::bytea)")
    task.wait_applied(source)
    assert task.must_live()


def test_removed_by_cleanup_and_by_switching_off(source, target, make_task, make_database):
    source.sql(TABLE.format("other"))
    first = make_task(ddl_capture="on").start().wait_streaming()
    second = make_task(dst=make_database(target.cluster), ddl_capture="on").start()
    wait_until(lambda: source.value(TRIGGERS) == 4, 60, "both tasks have theirs", dump=second.describe)
    second.kill()
    second.ok("cleanup", "--yes")
    assert source.value(TRIGGERS) == 2 and source.value(FUNCTION)
    first.stop()
    first.write_config(ddl_capture="off")
    first.start()
    wait_until(lambda: first.must_live() and source.value(TRIGGERS) == 0 and not source.value(FUNCTION), 60, "it is gone")
    first.wait_streaming()
    first.stop()
    first.write_config(ddl_capture="on")
    first.start()
    wait_until(lambda: first.must_live() and source.value(TRIGGERS) == 2, 60, "it is there again")
    finish(first, source, target)
    first.stop()
    listed = first.cmd("cleanup")
    assert "event triggers that tell of DDL" in listed.text, repr(listed)
    first.ok("cleanup", "--yes")
    assert source.value(TRIGGERS) == 0 and not source.value(FUNCTION)


def test_a_role_that_may_not(source, target, make_task):
    source.sql(TABLE.format("other"))
    source.sql("DROP ROLE IF EXISTS plain")
    source.sql(f"CREATE ROLE plain LOGIN REPLICATION; GRANT CREATE ON DATABASE \"{source.name}\" TO plain;"
               "GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain; ALTER TABLE other OWNER TO plain")
    try:
        task = make_task(source={"dsn": source.conninfo("plain")}, ddl_capture="on")
        report = task.cmd("check", "--json").json()
        [finding] = [f for f in report["findings"] if f["code"] == "ddl-capture"]
        assert finding["result"] == "blocker" and "ddl_capture: off" in finding["remedy"], finding
        task.write_config(ddl_capture="auto")
        task.start().wait_streaming()
        task.wait_log("DDL of the source is not captured")
        assert source.value(TRIGGERS) == 0 and not source.value(FUNCTION)
        source.sql("ALTER TABLE other ADD a int")
        assert 'ADD COLUMN "a"' in statement_for(task, "other")
    finally:
        task.kill()
        source.sql("REASSIGN OWNED BY plain TO postgres; DROP OWNED BY plain; DROP ROLE plain")
