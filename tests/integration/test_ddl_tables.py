"""Tables that are dropped, made again, written anew or without their key while they move."""
import json
import subprocess

import pytest
from harness.flow import caught_up_and_equal, finish
from harness.suspended import TABLE, Writer, goes_on, none_suspended, statement_for, table_of
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])

# What a foreign key, a view or a default could hold fast is not in here: DROP TABLE is the operator's.
REPLACED = """BEGIN; DROP TABLE again;
CREATE TABLE again (id int PRIMARY KEY, v text, n int NOT NULL DEFAULT 5, touched int NOT NULL DEFAULT 0);
INSERT INTO again SELECT i, 'new' || i FROM generate_series(200, 260) i; COMMIT;"""
RESHAPED = """BEGIN; DROP TABLE reshaped; CREATE TABLE reshaped (id bigint PRIMARY KEY, other text[]);
INSERT INTO reshaped SELECT i, ARRAY['o' || i] FROM generate_series(1, 40) i; COMMIT;"""


def stands(task):
    """Stopped by its failpoint."""
    with open(f"/proc/{task.process.pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


@PLUGINS
def test_dropped_and_made_again(source, target, make_task, plugin):
    """While bascule runs, and while it does not."""
    for name in ("other", "dropped", "again", "reshaped"):
        source.sql(TABLE.format(name))
    task = make_task(plugin=plugin).start().wait_streaming()
    loaded = table_of(task, "other")["start_lsn"]
    with Writer(source, "other", "again"):
        source.sql("DROP TABLE dropped")
        source.sql(REPLACED)
        source.sql(RESHAPED)
        assert 'DROP TABLE "public"."dropped";' in statement_for(task, "dropped")
        statement = statement_for(task, "reshaped")
        assert "bigint" in statement and 'ADD COLUMN "other" text[]' in statement, statement
        goes_on(task, source, target)
        assert task.cutover(timeout=60).code == 3
        target.sql(statement)
        target.sql("DROP TABLE dropped")
        none_suspended(task)
        goes_on(task, source, target, "again")
    caught_up_and_equal(task, source, target)
    task.stop()
    source.sql(REPLACED)
    source.sql("DROP TABLE reshaped")
    task.start().wait_phase("catching-up", "streaming")
    assert "DROP TABLE" in statement_for(task, "reshaped")
    target.sql("DROP TABLE reshaped")
    none_suspended(task)
    source.sql("UPDATE again SET v = 'after' WHERE id = 230; DELETE FROM again WHERE id = 231")
    caught_up_and_equal(task, source, target)
    assert table_of(task, "other")["start_lsn"] == loaded, "other was loaded again"
    finish(task, source, target)


EXCHANGE = "ALTER TABLE one RENAME TO aside; ALTER TABLE two RENAME TO one; ALTER TABLE aside RENAME TO two;"


@PLUGINS
def test_two_tables_exchange_their_names_for_a_while(source, target, make_task, plugin):
    """Every name is known and stands for the other table: wal2json, which sends names only, says nothing of it."""
    for name in ("other", "one", "two"):
        source.sql(TABLE.format(name))
    task = make_task(plugin=plugin).start().wait_streaming()
    copied = {name: table_of(task, name)["start_lsn"] for name in ("other", "one", "two")}
    source.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO app; ALTER TABLE other OWNER TO app")  # names nothing
    source.sql(f"BEGIN; {EXCHANGE} INSERT INTO one (id, v) VALUES (1001, 'of two'); UPDATE two SET v = 'of one' WHERE id = 7;"
               f" DELETE FROM one WHERE id = 9; {EXCHANGE} COMMIT;")
    wait_until(lambda: task.must_live() and all((table_of(task, name) or {}).get("start_lsn") not in (None, copied[name])
                                                for name in ("one", "two")), 60, "both are copied again", dump=task.describe)
    none_suspended(task)
    source.sql("INSERT INTO one (id) VALUES (5001); INSERT INTO two (id) VALUES (5002)")
    caught_up_and_equal(task, source, target)
    assert table_of(task, "other")["start_lsn"] == copied["other"], "other was loaded again"
    finish(task, source, target, schema=False)  # rights and owners are the operator's


def test_two_schemas_exchange_their_names_for_a_while(source, target, make_task):
    source.sql("CREATE SCHEMA one; CREATE SCHEMA two;" + TABLE.format("one.t") + TABLE.format("two.t") + TABLE.format("other"))
    task = make_task(plugin="wal2json").start().wait_streaming()
    source.sql("GRANT USAGE ON SCHEMA public TO app")  # names nothing

    def copied():
        return {t["table"]: t["start_lsn"] for t in task.status()["tables"]}
    before = copied()
    exchange = "ALTER SCHEMA one RENAME TO aside; ALTER SCHEMA two RENAME TO one; ALTER SCHEMA aside RENAME TO two;"
    source.sql(f"BEGIN; {exchange} INSERT INTO one.t (id, v) VALUES (1001, 'of two'); {exchange} COMMIT;")
    wait_until(lambda: task.must_live() and all(copied().get(t) not in (None, before[t]) for t in ("one.t", "two.t")), 60,
               "both are copied again", dump=task.describe)
    none_suspended(task)
    source.sql("INSERT INTO one.t (id) VALUES (5001)")
    caught_up_and_equal(task, source, target)
    assert copied()["public.other"] == before["public.other"], "other was loaded again"


@PLUGINS
def test_the_key_is_dropped(source, target, make_task, plugin):
    for name in ("other", "keyless", "by_index"):
        source.sql(TABLE.format(name))
    source.sql("ALTER TABLE by_index DROP CONSTRAINT by_index_pkey; CREATE UNIQUE INDEX by_index_u ON by_index (id);"
               "ALTER TABLE by_index ALTER id SET NOT NULL; ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_u")
    task = make_task(plugin=plugin).start().wait_streaming()
    with Writer(source, "other", "keyless", "by_index"):
        source.sql("ALTER TABLE keyless DROP CONSTRAINT keyless_pkey; INSERT INTO keyless (id) VALUES (9000)")
        source.sql("DROP INDEX by_index_u")
        for name in ("keyless", "by_index"):
            said = statement_for(task, name)
            assert f'on the source: ALTER TABLE "public"."{name}" REPLICA IDENTITY FULL' in said, said
        goes_on(task, source, target)
        assert task.cutover(timeout=60).code == 3
        source.sql("ALTER TABLE keyless REPLICA IDENTITY FULL; ALTER TABLE by_index ADD PRIMARY KEY (id);"
                   "ALTER TABLE by_index REPLICA IDENTITY DEFAULT")
        none_suspended(task)
        goes_on(task, source, target, "keyless")
        goes_on(task, source, target, "by_index")
    source.sql("UPDATE keyless SET v = 'full' WHERE id < 40; DELETE FROM by_index WHERE id < 40")
    caught_up_and_equal(task, source, target)


def test_files_written_anew_are_no_change(source, target, make_task):
    """VACUUM FULL, CLUSTER, REINDEX and TRUNCATE on either side: nothing is suspended, nothing is copied again, and
    what was proved stays proved."""
    for name in ("other", "vacuumed", "clustered", "reindexed"):
        source.sql(TABLE.format(name))
    task = make_task().start().wait_streaming()
    assert task.cmd("verify", "--json", timeout=120).code == 0

    def proved():
        return {t["table"]: t["proof"]["proved"] for t in task.status()["tables"] if t["proof"]}
    before = proved()
    assert len(before) == 4 and all(before.values()), before
    starts = {t["table"]: t["start_lsn"] for t in task.status()["tables"]}
    with Writer(source, "other", "vacuumed", "clustered", "reindexed"):
        for db in (source, target, source):
            db.sql("VACUUM FULL vacuumed")
            db.sql("CLUSTER clustered USING clustered_pkey")
            db.sql("REINDEX TABLE reindexed")
        for name in ("other", "vacuumed", "clustered", "reindexed"):
            goes_on(task, source, target, name)
    task.wait_applied(source)
    # the watch has looked since: it sees a table that comes to be later than all of this
    source.sql("CREATE TABLE late (id int PRIMARY KEY)")
    statement_for(task, "late")
    now = {t["table"]: t for t in task.status()["tables"]}
    for name in ("vacuumed", "clustered", "reindexed"):
        t = now[f"public.{name}"]
        assert t["message"] == "" and t["start_lsn"] == starts[f"public.{name}"], t
    assert {k: v for k, v in proved().items() if k in before} == before
    source.sql("DROP TABLE late")
    none_suspended(task)
    with open(task.log) as f:
        assert "copied again" not in f.read()
    caught_up_and_equal(task, source, target)
    done = task.cmd("verify", "--json", timeout=120)
    assert done.code == 0 and done.json()["report"]["verdict"] == "proven", repr(done)


@pytest.mark.parametrize("how", ["TRUNCATE {0}", "VACUUM FULL {0}"])
def test_a_table_written_anew_under_a_comparison(source, target, make_task, how):
    """The snapshot that the comparison reads under is older than the file: an emptied table would read as empty."""
    for name in ("other", "moving"):
        source.sql(TABLE.format(name))
    task = make_task().start(env={"BASCULE_FAULT": "VERIFY_READ:stop=2500"}).wait_streaming()
    argv = [task.binary, "--config", task.file, "verify", "--json", "--tables", "public.moving"]
    run = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=task._environment(None), cwd=task.dir)
    wait_until(lambda: stands(task), 60, "the comparison stops before it reads", 0.02, dump=task.tail)
    source.sql(how.format("moving"))
    out, _ = run.communicate(timeout=180)
    report = json.loads(out)["report"]
    assert report["failures"] == [], report
    assert run.returncode in (0, 6), report
    none_suspended(task)
    caught_up_and_equal(task, source, target)


def test_the_guard_of_a_copy_is_lost(source, target, make_task):
    """Who holds the tables dies in the middle of the copy, and a table is rewritten: its copy is not trusted."""
    source.sql(TABLE.format("other") + "CREATE TABLE big (id int PRIMARY KEY, n int NOT NULL, v text);"
               "INSERT INTO big SELECT i, i, repeat('x', 100) FROM generate_series(1, 20000) i")
    task = make_task(load={"jobs": 1}).start(env={"BASCULE_FAULT": "COPY_BEGIN:stop=4000"})
    holder = ("SELECT DISTINCT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE a.datname = current_database()"
              " AND l.relation = 'big'::regclass AND a.application_name LIKE '%guard%' AND a.pid <> pg_backend_pid()")
    pid = wait_until(lambda: task.must_live() and source.value(holder), 60, "the guard holds", 0.02, dump=task.tail)
    wait_until(lambda: stands(task), 60, "a copier has begun", 0.01, dump=task.tail)
    source.sql(f"SELECT pg_terminate_backend({pid})")
    wait_until(lambda: source.value(holder) is None, 30, "the guard is gone")
    source.sql("SET lock_timeout = '20s'; ALTER TABLE big ALTER n TYPE int USING n + 1")
    task.wait_streaming(timeout=120)
    with open(task.log) as f:
        log = f.read()
    assert "the copy is not trusted" in log or "the work is interrupted" in log, log
    none_suspended(task)
    caught_up_and_equal(task, source, target)


def test_labels_of_an_enum(source, target, make_task):
    """Renamed, and in an array and a composite: what one statement mends is named; what none mends is said."""
    source.sql(TABLE.format("other") + "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TYPE pair AS (m mood, n int);"
               "CREATE TABLE person (id int PRIMARY KEY, m mood[], p pair);"
               "INSERT INTO person SELECT i, '{good,bad}', '(bad,1)' FROM generate_series(1, 50) i")
    task = make_task().start().wait_streaming()
    source.sql("ALTER TYPE mood ADD VALUE 'so' BEFORE 'bad'")
    source.sql("ALTER TYPE mood RENAME VALUE 'good' TO 'fine'")
    source.sql("UPDATE person SET m = '{fine,so}', p = '(so,2)' WHERE id < 20")
    said = statement_for(task, "person")
    assert "'fine'" in said and "'good'" in said and "RENAME VALUE" in said, said
    goes_on(task, source, target)
    target.sql("ALTER TYPE mood RENAME VALUE 'good' TO 'fine'")
    wait_until(lambda: "RENAME VALUE" not in statement_for(task, "person"), 60, "the rest is named", dump=task.describe)
    target.sql(statement_for(task, "person"))
    none_suspended(task)
    caught_up_and_equal(task, source, target)
