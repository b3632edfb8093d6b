"""Transactions: rolled back in part, prepared, interleaved, very large, very many, and other tools' messages between them."""
import psycopg
import pytest
from harness.flow import assert_error, caught_up_and_equal, cut_over, finish
from harness.waiting import wait_until

PLUGINS = pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])

TABLES = ("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) i;"
          "CREATE TABLE u (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE, n int UNIQUE)")

FORMS = [
    # savepoints, nested, rolled back in the middle and released
    "BEGIN; INSERT INTO t VALUES (200); SAVEPOINT a; UPDATE t SET v = 'gone'; SAVEPOINT b; DELETE FROM t; ROLLBACK TO b;"
    "DELETE FROM t WHERE id = 1; ROLLBACK TO a; INSERT INTO t VALUES (201); SAVEPOINT c; INSERT INTO t VALUES (202); RELEASE c; COMMIT",
    "BEGIN; DELETE FROM t; ROLLBACK",
    "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (210); ROLLBACK TO a; COMMIT",
    # an error inside is caught, as by a PL/pgSQL handler
    "DO $$ BEGIN FOR i IN 1..50 LOOP BEGIN INSERT INTO t VALUES (i + 70, 'caught')# EXCEPTION WHEN unique_violation THEN"
    " UPDATE t SET v = v || '!' WHERE id = i + 70# END# END LOOP# END $$",
    "INSERT INTO t SELECT i, 'c' FROM generate_series(95, 130) i ON CONFLICT (id) DO UPDATE SET v = excluded.v || t.v",
    "INSERT INTO t SELECT i, 'd' FROM generate_series(125, 140) i ON CONFLICT DO NOTHING",
    "BEGIN; INSERT INTO u VALUES (1, 5, 5), (2, 6, 6); UPDATE u SET n = NULL WHERE id = 1; UPDATE u SET n = 5 WHERE id = 2;"
    "DELETE FROM t WHERE id = 5; COMMIT",
    "BEGIN; TRUNCATE t CASCADE; INSERT INTO t SELECT i, 'after' FROM generate_series(1, 100) i; SAVEPOINT a; TRUNCATE u, t; ROLLBACK TO a; COMMIT",
    # messages of other tools, also under our prefix
    "BEGIN; SELECT pg_logical_emit_message(true, 'heartbeat', repeat('x', 100000)); INSERT INTO t VALUES (300); COMMIT",
    "BEGIN; SELECT pg_logical_emit_message(false, 'heartbeat', 'now'), pg_logical_emit_message(false, '', ''); INSERT INTO t VALUES (301); ROLLBACK",
    r"SELECT pg_logical_emit_message(true, 'bin', '\x00ff00'::bytea), pg_logical_emit_message(false, 'bascule', 'not ours'),"
    " pg_logical_emit_message(true, 'bascule', 'move:1:00')",
    "BEGIN; SELECT txid_current(); COMMIT",
]


def run(c, statements):
    for statement in statements.split(";"):
        c.execute(statement.replace("#", ";"))


@PLUGINS
def test_forms(source, target, make_task, plugin):
    source.sql(TABLES)
    task = make_task(plugin=plugin).start().wait_streaming()
    for form in FORMS:
        with source.connect() as c:
            run(c, form)
        try:
            caught_up_and_equal(task, source, target)
        except AssertionError as e:
            raise AssertionError(f"after '{form}': {e}") from e
    finish(task, source, target)


@PLUGINS
def test_begin_and_commit_in_different_order(source, target, make_task, plugin):
    """Killed between the commits: a transaction that began first and commits last is neither lost nor applied twice."""
    source.sql(TABLES)
    task = make_task(plugin=plugin, stream={"status_interval": "100ms"}).start().wait_streaming()
    old, middle = psycopg.connect(source.dsn), psycopg.connect(source.dsn)
    for c, base in ((old, 1000), (middle, 2000)):
        c.execute("INSERT INTO t SELECT %s::int + i, 'first' FROM generate_series(1, 10) i", (base,))
    for round in range(4):
        source.sql("UPDATE t SET v = v || 'r' WHERE id < 50; INSERT INTO t VALUES (%d, 'between')" % (5000 + round))
        old.execute("INSERT INTO t VALUES (%s, 'o')", (1100 + round,))
        task.wait_applied(source)
        if round == 1:
            middle.execute("UPDATE t SET v = 'm' WHERE id = 90")
            middle.commit()
        task.kill()
        task.start().wait_streaming()
    old.execute("DELETE FROM t WHERE id = 91")
    old.commit()
    for c in (old, middle):
        c.close()
    finish(task, source, target)


@PLUGINS
def test_prepared(source, target, make_task, plugin):
    """Prepared before the slot, across a restart of bascule, and still there at the cutover."""
    source.sql(TABLES)
    run_prepared = "BEGIN; INSERT INTO t VALUES (%d, 'p'); UPDATE t SET v = 'p' WHERE id = %d; PREPARE TRANSACTION '%s_%s'"
    name = source.name

    def prepare(number, word):
        with source.connect() as c:
            run(c, run_prepared % (number, number % 100, name, word))
    prepare(401, "before")
    # Longer than it takes to get there: check refuses what has been prepared for as long as that.
    task = make_task(plugin=plugin, slot={"create_timeout": "6s"})
    refused = task.run_to_end()
    assert_error(refused, "slot", 1)
    assert f"{name}_before" in refused.err, repr(refused)
    task.write_config(slot={"create_timeout": "60s"})
    task.start()
    wait_until(lambda: source.slots(), 30, "the slot is being made", dump=task.describe)
    source.sql(f"COMMIT PREPARED '{name}_before'")
    task.wait_streaming()
    prepare(402, "kept")
    prepare(403, "dropped")
    source.sql("INSERT INTO t VALUES (404, 'between')")
    task.wait_applied(source)
    task.kill()
    task.start().wait_streaming()
    source.sql(f"COMMIT PREPARED '{name}_kept'")
    source.sql(f"ROLLBACK PREPARED '{name}_dropped'")
    caught_up_and_equal(task, source, target)
    assert target.value("SELECT array_agg(id ORDER BY id) FROM t WHERE id > 400") == [401, 402, 404]
    prepare(405, "pending")
    task.wait_ready()
    done = task.cutover("--max-downtime", "2s")
    assert done.code in (3, 7) and "prepared" in done.text, repr(done)
    source.sql("INSERT INTO t VALUES (406, 'still open')")
    source.sql(f"COMMIT PREPARED '{name}_pending'")
    finish(task, source, target)


@pytest.mark.parametrize("plugin,tables", [("wal2json", 2000), pytest.param("pgoutput", 10000, marks=pytest.mark.long),
                                           pytest.param("wal2json", 10000, marks=pytest.mark.long)])
def test_one_transaction_changes_very_many_tables(make_cluster, make_database, make_task, plugin, tables):
    clusters = [make_cluster(name, settings={"max_locks_per_transaction": "1024"}) for name in ("source", "target")]
    source, target = (make_database(c) for c in clusters)
    with source.connect() as c:
        for first in range(0, tables, 500):
            run(c, ";".join(f"CREATE TABLE t{i} (id int PRIMARY KEY, v int)" for i in range(first, min(first + 500, tables))))
    task = make_task(src=source, dst=target, plugin=plugin).start().wait_streaming(280)
    insert = "DO $$ BEGIN FOR i IN 0..{last} LOOP EXECUTE format('{what}', i)# END LOOP# END $$"
    with source.connect() as c, c.transaction():
        run(c, insert.format(last=tables - 1, what="INSERT INTO t%s VALUES (1, 1), (2, 2)"))
        run(c, insert.format(last=tables - 1, what="UPDATE t%s SET v = 7 WHERE id = 1"))
    task.wait_applied(source, 200)
    assert task.status()["stream"]["fallback_batches"] == 0
    expected = " UNION ALL ".join(f"SELECT count(*) AS n, sum(v) AS s FROM t{i}" for i in range(0, tables, tables // 200))
    assert target.sql(f"SELECT DISTINCT n, s FROM ({expected}) x") == [(2, 9)]


@pytest.mark.parametrize("plugin,count", [("wal2json", 100_000), pytest.param("pgoutput", 100_000, marks=pytest.mark.long), pytest.param("wal2json", 1_000_000, marks=pytest.mark.long)])
def test_empty_transactions(source, target, make_task, plugin, count):
    """They cost the target no commit each, and the slot moves on."""
    source.sql(TABLES + "; CREATE TABLE away (id int PRIMARY KEY)")
    task = make_task(plugin=plugin, tables={"exclude": ["public.away"]}, stream={"status_interval": "1s"}).start().wait_streaming()
    xid = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    before = target.value(xid)
    source.sql("SET synchronous_commit = off; CREATE PROCEDURE burn(n int) LANGUAGE plpgsql AS 'BEGIN FOR i IN 1..n LOOP"
               " PERFORM txid_current(); COMMIT; IF i % 100 = 0 THEN INSERT INTO away VALUES (i); END IF; END LOOP; END'")
    source.sql(f"CALL burn({count})")
    end = source.value("SELECT pg_current_wal_lsn()")
    source.sql("INSERT INTO t VALUES (1000, 'after them')")
    task.wait_applied(source, 250)
    assert target.value("SELECT count(*) FROM t WHERE id = 1000") == 1
    spent = target.value(xid) - before
    print(f"{count} empty transactions cost the target {spent} of its own")
    assert spent < count / 100
    wait_until(lambda: source.value("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
                                    (end, f"bascule_{task.task}")), 30, "the slot moves on", dump=task.describe)
    cut_over(task)


@pytest.mark.long
@pytest.mark.timeout(1800)
@PLUGINS
def test_ten_million_rows_in_one_transaction(source, target, make_task, plugin):
    source.sql("CREATE TABLE big (id int PRIMARY KEY, v int)")
    task = make_task(release=True, plugin=plugin).start().wait_streaming()
    source.sql("INSERT INTO big SELECT i, i FROM generate_series(1, 10000000) i")
    task.wait_applied(source, 1500)
    assert target.sql("SELECT count(*), sum(v), max(id) FROM big") == source.sql("SELECT count(*), sum(v), max(id) FROM big")
    peak = task.note_rss()
    print(f"peak {peak} kB")
    assert peak < 200 * 1024
