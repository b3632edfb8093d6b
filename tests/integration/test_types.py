"""Values: every type with its extremes, half by the load and half by the stream, byte for byte; and encodings."""
import pytest
from harness.flow import caught_up_and_equal, finish

SETUP = """
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION isn; CREATE EXTENSION cube;
CREATE TYPE mood AS ENUM ('it''s', 'a,b', 'ü "q"', '');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE nested AS (p pair, q pair[], r int4range);
CREATE DOMAIN email AS citext CHECK (VALUE ~ '@');
CREATE DOMAIN blob AS bytea;
CREATE DOMAIN yes AS boolean;
CREATE DOMAIN ints AS int[];
CREATE TYPE floatrange AS RANGE (subtype = float8);
"""

# type -> values as SQL expressions
VALUES = {
    "boolean": ["true", "false"],
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647", "0"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "9007199254740993"],
    "oid": ["4294967295", "0"],
    "money": ["'-92233720368547758.08'", "'1234.56'"],
    "text": ["''", "' '", r"E'\\N'", r"E'a\tb\nc\rd\\e\"f''g'", "'日本 🎉 é'", r"E'\u2028\x7f\x01'", "repeat('long', 5000)"],
    "varchar(10)": ["'abc   '", "'ünïcödé'"],
    "char(7)": ["'a'", "'ab  '", "''"],
    '"char"': ["'x'", "''"],
    "name": ["'some_name'"],
    "bytea": [r"'\x'", r"'\x00ff5c27'", "decode(repeat('00010203', 3000), 'hex')"],
    "bit(5)": ["B'10101'"],
    "bit varying": ["B''", "B'1'", "B'101010101010101010101'"],
    "date": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2024-02-01'"],
    "time": ["'00:00'", "'24:00'", "'23:59:59.999999'"],
    "timetz": ["'12:00+15:59'", "'00:00:00.000001-07'"],
    "timestamp": ["'infinity'", "'0044-03-15 BC'", "'294276-12-31 23:59:59.999999'"],
    "timestamptz": ["'-infinity'", "'2024-02-01 10:00 America/New_York'", "'0001-01-01 00:00:00 BC'"],
    "interval": ["'1 year 2 mons -3 days 04:05:06.789'", "'-1 day -1 hour'", "'178000000 years'", "'0'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "gen_random_uuid()"],
    "json": ["'{\"a\":1,  \"a\" : 2}'", "'null'", "'[1e400]'"],
    "jsonb": ["'{\"b\":[1.0,null,\"\\u00e9\"]}'", "'\"\"'", "'null'"],
    "jsonpath": ["'$.a[*] ? (@ > 1)'"],
    "inet": ["'192.168.0.1/24'", "'::1'", "'ffff::/16'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "point": ["'(1.5,-2)'"],
    "lseg": ["'[(0,0),(1,1)]'"],
    "box": ["'(1,1),(0,0)'"],
    "path": ["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"],
    "polygon": ["'((0,0),(1,1),(1,0))'"],
    "circle": ["'<(1,2),3>'"],
    "line": ["'{1,2,3}'"],
    "tsvector": ["'a:1A b''c:2'", "''"],
    "tsquery": ["'a & !b | c:*'"],
    "pg_lsn": ["'FFFFFFFF/FFFFFFFF'"],
    "int[]": ["'{}'", "'{1,NULL,3}'", "'[2:3][0:1]={{1,2},{3,4}}'"],
    "text[]": ["'{\"\",NULL,\"NULL\",\"a,b\",\"q\\\"\\\\\"}'"],
    "boolean[]": ["'{t,f,NULL}'"],
    "bytea[]": [r"ARRAY['\x00'::bytea, NULL]"],
    "timestamptz[]": ["ARRAY['2024-01-01'::timestamptz, 'infinity']"],
    "box[]": ["ARRAY['(1,1),(0,0)'::box, '(2,2),(1,1)']"],
    "int4range": ["'[1,10)'", "'empty'", "'(,5]'"],
    "tstzrange": ["'[2024-01-01, infinity)'"],
    "int8multirange": ["'{[1,3),[5,9)}'", "'{}'"],
    "mood": ["'it''s'", "'a,b'", "'ü \"q\"'", "''"],
    "mood[]": ["ARRAY['it''s', 'a,b']::mood[]"],
    "pair": ["ROW(1, NULL)", "ROW(NULL, '')", "ROW(5, 'a \"b\" (c), d\\')"],
    "nested": ["ROW(ROW(1, 'x'), ARRAY[ROW(2, 'y,z')::pair], '[1,2)')"],
    "pair[]": ["ARRAY[ROW(1, 'a'), NULL]::pair[]"],
    "email": ["'A@b.c'"],
    "blob": [r"'\x5c78'"],
    "yes": ["true"],
    "ints": ["'{1,2}'"],
    "hstore": ["'a=>NULL, \"b c\"=>\"d\\\"e\"'"],
    "citext": ["'MiXed'"],
    "ltree": ["'Top.Science'"],
    "ean13": ["'978-0-393-04002-9'"],
    "cube": ["'(1,2),(3,4)'"],
    "xml": ["'<a b=\"c\">&amp;</a>'"],
    "aclitem": ["'postgres=r/postgres'"],
    "regtype": ["'integer'::regtype"],
    "regclass": ["'pg_class'::regclass"],
    "regconfig": ["'english'::regconfig"],
    "xid": ["'4294967295'"],
    "xid8": ["'18446744073709551615'"],
    "tid": ["'(1,2)'"],
}
# Bare float and numeric columns cannot go by wal2json 2.5, which makes NULL of NaN and infinity.
NUMBERS = {
    "numeric": ["'NaN'", "'Infinity'", "1.10", "-0.000", "1e-1000", "1e5000 + 1"],
    "numeric(10,3)": ["1.5", "-9999999.999"],
    "numeric(5,-2)": ["12345"],
    "real": ["'NaN'", "'-Infinity'", "0.1", "'-0'", "1e-45", "3.4028235e38"],
    "double precision": ["'NaN'", "'Infinity'", "0.30000000000000004", "'-0'", "5e-324", "1.7976931348623157e308"],
    "numeric[]": ["'{NaN,1.10,NULL}'"],
    "floatrange": ["'[NaN,NaN]'", "'[0.1,0.2)'"],
}


def tables(values):
    return {f"v{number}": (name, literals) for number, (name, literals) in enumerate(values.items())}


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_values(source, target, make_task, plugin):
    values = dict(VALUES, **NUMBERS) if plugin == "pgoutput" else VALUES
    create, insert, change = [SETUP], [], []
    for table, (kind, literals) in tables(values).items():
        create.append(f"CREATE TABLE {table} (id int PRIMARY KEY, v {kind}, w {kind});")
        for number, literal in enumerate(literals + ["NULL"]):
            row = f"({literal})::{kind}"
            create.append(f"INSERT INTO {table} VALUES ({number}, {row}, {row});")
            insert.append(f"INSERT INTO {table} VALUES ({number + 100}, {row}, NULL)")
            change.append(f"UPDATE {table} SET v = w, w = v WHERE id = {number + 100}")
            change.append(f"UPDATE {table} SET v = {row} WHERE id = {(number + 1) % (len(literals) + 1)}")
    source.sql("\n".join(create))
    task = make_task(plugin=plugin).start().wait_streaming()
    with source.connect() as c:
        for statement in insert + change:
            c.execute(statement)
    finish(task, source, target)


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
