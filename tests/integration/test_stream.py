"""The stream: every kind of change, large transactions, and connections that break."""
import pytest
from harness import workload
from harness.flow import caught_up_and_equal, finish
from harness.relay import Relay
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])

TABLES = r"""
CREATE TABLE def (id int PRIMARY KEY, u int UNIQUE, a text, big text);
ALTER TABLE def ALTER big SET STORAGE EXTERNAL;
CREATE TABLE ful (a int, b text, j json, p point, big text);
ALTER TABLE ful REPLICA IDENTITY FULL;
CREATE TABLE idx (id int PRIMARY KEY, code text NOT NULL, v text, big text);
CREATE UNIQUE INDEX idx_code ON idx (code);
ALTER TABLE idx REPLICA IDENTITY USING INDEX idx_code;
CREATE TABLE two (a text, b int, v int, PRIMARY KEY (a, b));
CREATE TABLE longkey (k text PRIMARY KEY, v int);
ALTER TABLE longkey ALTER k SET STORAGE EXTERNAL;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE kid (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO def SELECT i, i, 'a' || i, repeat('x' || i, 2000) FROM generate_series(1, 200) i;
INSERT INTO ful SELECT i % 10, nullif(i % 4, 0), '{"a": 1,  "a": 2}', point(i % 10, 1), NULL FROM generate_series(1, 60) i;
INSERT INTO idx SELECT i, 'c' || i, 'v', repeat('y', 9000) FROM generate_series(1, 100) i;
INSERT INTO two SELECT 'a' || i % 10, i, i FROM generate_series(1, 100) i;
INSERT INTO longkey SELECT repeat(md5(i::text), 81), i FROM generate_series(1, 20) i;
INSERT INTO parent SELECT generate_series(1, 20);
INSERT INTO kid SELECT i, 1 + i % 20 FROM generate_series(1, 100) i;
"""

CHANGES = {
    "insert": "INSERT INTO def VALUES (1000, 1000, '', NULL), (1001, NULL, E'\\\\ \\n\\t\"', repeat('z', 100000))",
    "update": "UPDATE def SET a = a || '!' WHERE id <= 50",
    "update of null and back": "UPDATE def SET a = NULL WHERE id < 5; UPDATE def SET a = '' WHERE id < 3",
    "unchanged toast": "UPDATE def SET a = 'small change' WHERE id BETWEEN 10 AND 20",
    "toast to small and back": "UPDATE def SET big = 's' WHERE id = 30; UPDATE def SET big = repeat('L', 50000) WHERE id = 30",
    "key change": "UPDATE def SET id = id + 10000 WHERE id BETWEEN 60 AND 70",
    "key change with unchanged toast": "UPDATE def SET id = -id, a = 'neg' WHERE id BETWEEN 71 AND 80",
    "chain of key changes": "UPDATE def SET id = 5000 WHERE id = 90; UPDATE def SET id = 90 WHERE id = 91;"
                            "UPDATE def SET id = 91 WHERE id = 5000",
    "delete and insert again": "DELETE FROM def WHERE id = 95; INSERT INTO def VALUES (95, 95, 'again', 'b');"
                               "DELETE FROM def WHERE id = 95; INSERT INTO def VALUES (95, 9500, 'third', NULL)",
    "insert then delete": "INSERT INTO def VALUES (7000, 7000, 'x', 'y'); UPDATE def SET a = 'z' WHERE id = 7000;"
                          "DELETE FROM def WHERE id = 7000",
    "unique value handed on": "UPDATE def SET u = NULL WHERE id = 100; UPDATE def SET u = 100 WHERE id = 101;"
                              "DELETE FROM def WHERE id = 102; UPDATE def SET u = 102 WHERE id = 103",
    "full: duplicates": "INSERT INTO ful VALUES (1, NULL, NULL, NULL), (1, NULL, NULL, NULL);"
                        "DELETE FROM ful WHERE ctid = (SELECT ctid FROM ful WHERE a = 1 AND b IS NULL AND j IS NULL LIMIT 1)",
    "full: update with nulls": "UPDATE ful SET b = 'new' WHERE a = 3; UPDATE ful SET b = NULL WHERE a = 4",
    "full: toast": "UPDATE ful SET big = repeat('t', 20000) WHERE a = 5; UPDATE ful SET b = 'x' WHERE a = 5",
    "identity index": "UPDATE idx SET v = 'w' WHERE id < 20; UPDATE idx SET code = 'new' || code WHERE id BETWEEN 20 AND 40;"
                      "UPDATE idx SET id = id + 1000 WHERE id BETWEEN 50 AND 60; DELETE FROM idx WHERE id > 90",
    "two key columns": "UPDATE two SET v = -v WHERE a = 'a1'; UPDATE two SET a = 'b' WHERE b < 30;"
                       "DELETE FROM two WHERE b % 7 = 0",
    "long key": "UPDATE longkey SET v = v + 1; UPDATE longkey SET k = k || 'x' WHERE v = 5; DELETE FROM longkey WHERE v = 9",
    "cascade": "DELETE FROM parent WHERE id <= 3; UPDATE parent SET id = 500 WHERE id = 10",
    "truncate one": "TRUNCATE two; INSERT INTO two VALUES ('after', 1, 1)",
    "truncate cascade": "TRUNCATE parent CASCADE; INSERT INTO parent VALUES (1); INSERT INTO kid VALUES (1, 1)",
    "truncate between changes": "INSERT INTO two VALUES ('gone', 1, 1); TRUNCATE two, kid;"
                                "INSERT INTO two VALUES ('stays', 1, 1); UPDATE two SET v = 2",
    "savepoints": "BEGIN; INSERT INTO parent VALUES (2000); SAVEPOINT a; INSERT INTO parent VALUES (2001);"
                  "ROLLBACK TO a; SAVEPOINT b; INSERT INTO parent VALUES (2002); RELEASE b; COMMIT;"
                  "BEGIN; DELETE FROM def; ROLLBACK",
    "prepared": "BEGIN; INSERT INTO parent VALUES (3000); PREPARE TRANSACTION 'p1'; COMMIT PREPARED 'p1';"
                "BEGIN; INSERT INTO parent VALUES (3001); PREPARE TRANSACTION 'p2'; ROLLBACK PREPARED 'p2'",
    "merge": "MERGE INTO two USING (VALUES ('a2', 2), ('m', 1)) AS n (a, b) ON two.a = n.a AND two.b = n.b"
             " WHEN MATCHED THEN UPDATE SET v = 0 WHEN NOT MATCHED THEN INSERT VALUES (n.a, n.b, 1)",
    "do nothing": "INSERT INTO parent SELECT generate_series(1, 30) ON CONFLICT DO NOTHING",
    "materialized view": "CREATE MATERIALIZED VIEW mv AS SELECT id FROM parent; CREATE UNIQUE INDEX ON mv (id);"
                         "DELETE FROM kid; DELETE FROM parent WHERE id % 2 = 0;"
                         "REFRESH MATERIALIZED VIEW CONCURRENTLY mv; DROP MATERIALIZED VIEW mv",
}


@PLUGINS
def test_every_kind_of_change(source, target, make_task, plugin):
    """One after the other, so that a failure names its change."""
    source.sql(TABLES)
    task = make_task(plugin=plugin).start().wait_streaming()
    for name, statements in CHANGES.items():
        with source.connect() as c:
            for statement in statements.split(";"):
                c.execute(statement)
        try:
            caught_up_and_equal(task, source, target)
        except AssertionError as e:
            raise AssertionError(f"after '{name}': {e}") from e
    finish(task, source, target)


@PLUGINS
def test_all_changes_in_one_transaction(source, target, make_task, plugin):
    """Folding a batch must not change its meaning."""
    source.sql(TABLES)
    task = make_task(plugin=plugin).start().wait_streaming()
    leave_out = {"savepoints", "prepared", "materialized view"}
    with source.connect() as c, c.transaction():
        for name, statements in CHANGES.items():
            if name not in leave_out:
                for statement in statements.split(";"):
                    c.execute(statement)
    finish(task, source, target)


def test_random_writers_for_a_while(app, target, make_task, make_writers):
    task = make_task(stream={"memory": "16MB"}).start()
    writers = make_writers(count=4, seed=7)
    task.wait_streaming()
    writers.wait_more(5000)
    finish(task, app, target, writers)


def test_large_transactions_spill_and_arrive(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY)")
    task = make_task(stream={"memory": "16MB"}).start().wait_streaming()
    with target.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with source.connect() as c, c.transaction():
            c.execute("INSERT INTO t SELECT i, repeat('v', 200) FROM generate_series(1, 200000) i")
            source.sql("INSERT INTO u VALUES (1)")  # another transaction commits in between
            c.execute("UPDATE t SET v = 'u' WHERE id % 3 = 0")
            c.execute("SAVEPOINT s")
            c.execute("DELETE FROM t")
            c.execute("ROLLBACK TO s")
            c.execute("DELETE FROM t WHERE id % 5 = 0")
        wait_until(lambda: task.status()["stream"]["spilled_bytes"], 40, "it spills", dump=task.describe)
        blocker.execute("ROLLBACK")
    caught_up_and_equal(task, source, target)
    assert task.status()["stream"]["spilled_bytes"] == 0
    finish(task, source, target)


def test_reconnects_when_a_backend_is_terminated(app, target, make_task, make_writers):
    """Walsender, applier and every other session of bascule, five times."""
    writers = make_writers(count=2)
    task = make_task().start().wait_streaming()
    kill = ("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'bascule%%' AND datname = current_database()")
    killed = 0
    for _ in range(5):
        writers.wait_more(200)
        for db in (app, target):
            killed += wait_until(lambda d=db: task.must_live() and d.value(kill), 60, f"sessions of bascule on {db}", 0.1)
    assert killed >= 10, "sessions of bascule were not found by application_name"
    task.wait_streaming()
    finish(task, app, target, writers)


def test_notices_a_path_that_swallows_everything(make_cluster, make_database, target, make_task):
    """The stream's connection stays open and brings nothing any more: neither a reset nor an end ever comes."""
    cluster = make_cluster("source", settings={"wal_sender_timeout": "5s"})
    source = workload.create(make_database(cluster))
    relay = Relay("127.0.0.1", cluster.port)
    try:
        task = make_task(src=source.conninfo(host="127.0.0.1", port=relay.port, sslmode="disable")).start().wait_streaming()
        assert relay.swallow() >= 1
        source.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
        task.wait_log("the stream has been silent", timeout=90)
        task.wait_streaming()
        caught_up_and_equal(task, source, target)
    finally:
        relay.close()


@pytest.mark.parametrize("side,how", [("target", "fast"), ("target", "immediate"), ("source", "fast"),
                                      ("source", "immediate")])
def test_server_restarts(side, how, make_cluster, make_database, make_task, make_writers):
    """A crash may take commits that were not yet flushed where synchronous_commit is off, never others."""
    clusters = {name: make_cluster(name, settings={"fsync": "on", "full_page_writes": "on"})
                for name in ("source", "target")}
    source, target = make_database(clusters["source"]), make_database(clusters["target"])
    workload.create(source)
    writers = make_writers(src=source, dst=target, count=2)
    task = make_task(src=source, dst=target).start().wait_streaming()
    writers.wait_more(200)
    clusters[side].restart(how)
    writers.wait_more(200)
    task.wait_streaming()
    finish(task, source, target, writers)


def test_target_changed_by_somebody_else_is_an_error(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 50) i")
    task = make_task().start().wait_streaming()
    target.sql("DELETE FROM t WHERE id = 17")
    source.sql("UPDATE t SET v = 'w' WHERE id BETWEEN 10 AND 20")
    assert task.wait_exit(30) == 1, task.tail()
    log = task.tail()
    # The key's columns by name, its value only as a hash: no row data in a log.
    assert "apply-missing-row" in log and "public.t" in log and "key (id) #" in log, log
    # Nothing of the batch was kept and nothing was confirmed: mended, it goes on.
    assert target.value("SELECT count(*) FROM t WHERE v = 'w'") == 0
    target.sql("INSERT INTO t VALUES (17, 'v')")
    task.start().wait_streaming()
    finish(task, source, target)


def test_conflict_on_the_target_is_an_error_with_table(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    task = make_task().start().wait_streaming()
    target.sql("INSERT INTO t VALUES (5, 'foreign')")
    source.sql("INSERT INTO t VALUES (5, 'own')")
    assert task.wait_exit(30) == 1, task.tail()
    assert "apply-conflict" in task.tail() and "public.t" in task.tail()
    assert target.sql("SELECT * FROM t") == [(5, "foreign")]


def test_table_that_loses_its_identity_is_not_lost_silently(source, target, make_task):
    """wal2json drops UPDATE and DELETE of such a table with no more than a warning."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    task = make_task(plugin="wal2json").start().wait_streaming()
    source.sql("ALTER TABLE t DROP CONSTRAINT t_pkey; UPDATE t SET v = 'lost?' WHERE id = 1")

    def table():
        task.must_live()
        return task.status()["tables"][0]
    wait_until(lambda: "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL" in (table()["statement"] or ""), 30,
               "the table is suspended", dump=task.describe)
    assert not task.status()["ready_for_cutover"]
    source.sql("ALTER TABLE t REPLICA IDENTITY FULL")
    wait_until(lambda: table()["state"] == "Table completed", 60, "the table is copied again", dump=task.describe)
    caught_up_and_equal(task, source, target)


def test_idle_stream_lets_the_slot_advance(source, target, make_task):
    """WAL of tables that nobody replicates must not pile up behind the slot."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE away (id int PRIMARY KEY, v text)")
    task = make_task(tables={"include": ["public.t"]}, stream={"status_interval": "1s"}).start().wait_streaming()
    before = source.value("SELECT pg_current_wal_lsn()")
    source.sql("INSERT INTO away SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i")
    end = source.value("SELECT pg_current_wal_lsn()")

    def advanced():
        task.must_live()
        return source.value("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
                            (end, f"bascule_{task.task}"))
    assert before != end
    wait_until(advanced, 30, "the slot advances while nothing of ours is written", dump=task.describe)
    caught_up_and_equal(task, source, target, skip={"public.away"})


def test_new_rows_while_the_target_is_slow(source, target, make_task):
    """The reader answers the server while the target hangs; the queue is bounded."""
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'x')")
    task = make_task(stream={"memory": "16MB"}).start().wait_streaming()
    with target.connect() as blocker, source.connect() as c:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        for i in range(1, 40):
            c.execute("INSERT INTO t SELECT i, repeat('v', 1000) FROM generate_series(%s::int, %s::int) i",
                      (i * 1000, i * 1000 + 999))
        wait_until(lambda: source.value("SELECT reply_time > now() - interval '8 s' FROM pg_stat_replication"
                                        " WHERE application_name LIKE 'bascule%%'"), 15, "status updates go on")
        blocker.execute("ROLLBACK")
    caught_up_and_equal(task, source, target)


def test_a_rule_that_changes_what_is_written_is_refused(source, target, make_task):
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    target.sql("""CREATE TABLE t (id int PRIMARY KEY);
        CREATE RULE nothing AS ON INSERT TO t DO INSTEAD NOTHING;
        ALTER TABLE t ENABLE ALWAYS RULE nothing""")
    task = make_task(target={"prepare": "nothing"})
    refused = task.run_to_end()
    assert refused.code == 3, repr(refused)
    assert 'ALTER TABLE "public"."t" DISABLE RULE "nothing"' in refused.err
    target.sql("ALTER TABLE t DISABLE RULE nothing")
    task.start().wait_streaming()
