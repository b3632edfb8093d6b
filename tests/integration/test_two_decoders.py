"""The same WAL decoded by wal2json and by pgoutput is the same stream of changes, over every workload of these tests."""
import pytest
from harness import clinic, decoders, matrix, workload
from harness.decoders import TwoDecoders, demand

import test_stream

ROWS = ("transaction", "insert", "update", "delete", "message", "value")


def run_apart(source, statements):
    with source.connect() as c:
        for statement in statements:
            c.execute(statement)


def test_every_kind_of_change(source):
    source.sql(test_stream.TABLES)
    with TwoDecoders(source) as two:
        for statements in test_stream.CHANGES.values():
            run_apart(source, statements.split(";"))
        # other tools' messages are not ours, inside and outside of transactions
        source.sql("SELECT pg_logical_emit_message(true, 'bascule', convert_to('é \\ \" ' || E'\\n\\t', 'UTF8')),"
                   " pg_logical_emit_message(true, 'other', 'x'), pg_logical_emit_message(false, 'bascule', 'y')")
        demand(two.compare())


def test_random_writers(source, target, make_writers):
    """What the tests of a move run, several applications at once: transactions interleave."""
    workload.create(source)
    with TwoDecoders(source) as two:
        writers = make_writers(count=3, seed=11, after="stop")
        writers.wait_more(1500)
        writers.stop()
        demand(two.compare())


def test_the_clinic(source, target, make_writers):
    """With its triggers: rows that a trigger writes come in the same order."""
    clinic.create(source, log_rows=1000)
    with TwoDecoders(source) as two:
        source.sql("CREATE TABLE IF NOT EXISTS ledger (id text PRIMARY KEY, writer int, kind text,"
                   " at timestamptz DEFAULT now())", user="app")
        writers = make_writers(count=2, module="harness.clinic", kind="clinic", after="stop")
        writers.wait_more(400)
        writers.stop()
        demand(two.compare(), *ROWS, "null")


def test_values(source):
    """Every type of the matrix through every operation, by key, by value and by the whole row; and the numbers that
    only pgoutput can say."""
    m = matrix.Matrix("wal2json")
    m.create(source)
    source.sql("CREATE TABLE numbers (id int PRIMARY KEY, a numeric, b float4, c float8);"
               "CREATE TABLE all_of_them (a numeric, b float4, c float8); ALTER TABLE all_of_them REPLICA IDENTITY FULL")
    with TwoDecoders(source) as two:
        m.change(source, 1)
        m.change(source, 2, refuse_sets=True)
        for number in ("NaN", "Infinity", "-Infinity", "0", "-0"):
            run_apart(source, [f"INSERT INTO numbers SELECT count(*), '{number}', '{number}', '{number}' FROM numbers",
                               f"INSERT INTO all_of_them VALUES ('{number}', '{number}', '{number}')",
                               "UPDATE all_of_them SET a = 1", "DELETE FROM all_of_them"])
        demand(two.compare(), *ROWS, "null", "update-key", "update-full", "delete-full", "nan")


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_encodings(clusters, make_database, encoding):
    source = make_database(clusters[0], encoding=encoding)
    text = {"LATIN1": "naïve Zoë", "EUC_JP": "日本語", "SQL_ASCII": "a"}[encoding]
    client = encoding if encoding == "SQL_ASCII" else "UTF8"
    with source.connect(client_encoding=client) as c:
        c.execute('CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL')
    with TwoDecoders(source) as two:
        with source.connect(client_encoding=client) as c:
            c.execute("INSERT INTO t VALUES (1, %s), (2, repeat(%s, 900))", (text, text))
            if encoding == "SQL_ASCII":
                c.execute(r"INSERT INTO t VALUES (3, E'\xff\xfe na\xefve \xe6\x97')")
            c.execute("UPDATE t SET id = id + 10; DELETE FROM t WHERE id = 11")
        demand(two.compare(), *ROWS[:2], "update-key", "unchanged", "delete")


def test_they_can_differ(source):
    """The comparison sees a change that only one of the two has."""
    source.sql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)")
    with TwoDecoders(source) as two:
        source.sql("DROP PUBLICATION two; CREATE PUBLICATION two FOR TABLE a")
        source.sql("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
        with pytest.raises(AssertionError, match="differs"):
            two.compare()
    assert set(decoders.KINDS) > set(ROWS)
