"""The same WAL decoded by wal2json and by pgoutput is the same stream of changes, over every workload of these tests."""
import pytest
from harness import clinic, decoders, workload
from harness.decoders import TwoDecoders, demand

import test_stream
import test_types

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
    """Each value of the matrix inserted, updated from, deleted by key and by its whole row."""
    values = dict(test_types.VALUES, **test_types.NUMBERS)
    create, change = [test_types.SETUP], []
    for table, (kind, literals) in test_types.tables(values).items():
        create.append(f"CREATE TABLE {table} (id int PRIMARY KEY, v {kind}, w {kind});"
                      f"CREATE TABLE f{table} (v {kind}, n int); ALTER TABLE f{table} REPLICA IDENTITY FULL;")
        for number, literal in enumerate(literals + ["NULL"]):
            change += [f"INSERT INTO {table} VALUES ({number}, ({literal})::{kind}, NULL)",
                       f"UPDATE {table} SET w = v, v = NULL WHERE id = {number}",
                       f"INSERT INTO f{table} VALUES (({literal})::{kind}, {number})",
                       f"UPDATE f{table} SET n = -1 WHERE n = {number}", f"DELETE FROM f{table}"]
        change.append(f"DELETE FROM {table} WHERE id = 0")
    source.sql("\n".join(create))
    with TwoDecoders(source) as two:
        run_apart(source, change)
        counts = two.compare()
        demand(counts, *ROWS, "null", "update-full", "delete-full", "nan")


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
