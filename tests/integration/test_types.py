"""Values beyond the matrix: rows without a key, encodings, settings of the database."""
import pytest
from harness.flow import caught_up_and_equal, finish


def test_replica_identity_full_of_awkward_types(source, target, make_task):
    """Looked up without an equality operator, with NaN, NULL and duplicates."""
    source.sql("CREATE TABLE t (a json, b point, c xml, d float8, e numeric, f text[]);"
               "ALTER TABLE t REPLICA IDENTITY FULL;"
               "INSERT INTO t SELECT '{\"a\": 1}', '(1,2)', '<a/>', 'NaN', 'NaN', '{}' FROM generate_series(1, 5);"
               "INSERT INTO t SELECT NULL, NULL, NULL, -0.0, 1.10, NULL FROM generate_series(1, 5)")
    task = make_task(plugin="pgoutput").start().wait_streaming()
    source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE d = 'NaN' LIMIT 2);"
               "UPDATE t SET d = 5 WHERE ctid IN (SELECT ctid FROM t WHERE d = 0 LIMIT 2);"
               "UPDATE t SET f = '{x}' WHERE d = 'NaN'")
    finish(task, source, target)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_encodings(clusters, make_database, make_task, plugin, encoding):
    """wal2json speaks the source's encoding whatever the client asks for."""
    source, target = (make_database(c, encoding=encoding) for c in clusters)
    text = "'日本語'" if encoding == "EUC_JP" else "'naïve – '" if encoding == "SQL_ASCII" else "'naïve Zoë'"
    utf8 = "SET client_encoding = 'UTF8';" if encoding != "SQL_ASCII" else ""

    def run(statements):
        with source.connect(client_encoding="UTF8" if encoding != "SQL_ASCII" else "SQL_ASCII") as c:
            c.execute((utf8 + statements).encode())
    run(f"CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, {text})")
    task = make_task(src=source, dst=target, plugin=plugin).start().wait_streaming()
    run(f"INSERT INTO t VALUES (2, {text}); UPDATE t SET v = v || {text} WHERE id = 1")
    task.wait_applied(source)
    rows = [db.sql("SELECT id, encode(convert_to(v, 'SQL_ASCII'), 'hex') FROM t ORDER BY 1") if encoding == "SQL_ASCII"
            else db.sql("SELECT id, encode(v::bytea, 'hex') FROM t ORDER BY 1") for db in (source, target)]
    assert rows[0] == rows[1] and len(rows[0]) == 2


def test_settings_of_the_database_do_not_change_values(source, target, make_task):
    """datestyle, bytea_output and friends set for the database reach every session, also the walsender."""
    for db in (source, target):
        for setting in ("datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'",
                        "extra_float_digits = -5", "timezone = 'Asia/Kolkata'", "standard_conforming_strings = off",
                        "array_nulls = off", "default_transaction_isolation = 'serializable'", "statement_timeout = '5s'",
                        "idle_in_transaction_session_timeout = '1s'", "row_security = on", "search_path = 'nowhere'"):
            db.sql(f'ALTER DATABASE "{db.name}" SET {setting}')
    source.sql(r"CREATE TABLE public.t (id int PRIMARY KEY, d date, i interval, b bytea, f float8, z timestamptz, a text[], s text);"
               r"INSERT INTO public.t VALUES (1, '2024-02-01', '-1 day -1 hour', decode('5c0027ff', 'hex'), 0.1, now(),"
               r" ARRAY['x', NULL], $$a\b'c$$)")
    task = make_task(plugin="pgoutput").start().wait_streaming()
    source.sql("INSERT INTO public.t SELECT 2, d, i, b, f * 3, z, a, s FROM public.t; UPDATE public.t SET f = 0.3 WHERE id = 1")
    caught_up_and_equal(task, source, target)
