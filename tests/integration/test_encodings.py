"""Sources in other encodings: work, or are refused with the reason and the remedy, by check and by run."""
import pytest
from harness.flow import assert_error

WORDS = {"LATIN1": "naïve Zoë ÿ", "EUC_JP": "日本語 ソ 表", "SQL_ASCII": "naïve – 日本", "UTF8": "日本 🎉"}


def write(db, statements, encoding="UTF8"):
    """Sent in this encoding; a database without one takes the bytes as they are."""
    with db.connect(client_encoding="SQL_ASCII" if db.encoding == "SQL_ASCII" else "UTF8") as c:
        c.execute(statements.encode(encoding))


@pytest.fixture
def encoded(clusters, make_database):
    def make(*encodings):
        made = []
        for cluster, encoding in zip(clusters, encodings):
            db = make_database(cluster, encoding=encoding)
            db.encoding = encoding
            made.append(db)
        return made
    return make


def hex_rows(db, table, as_utf8):
    """Every text of the table as hex digits of its bytes."""
    to = "'UTF8'" if as_utf8 else "getdatabaseencoding()"
    columns = ", ".join(f"encode(convert_to({c}::text, {to}), 'hex')::bytea" for c in ("id", "v", "e"))
    with db.connect(client_encoding="SQL_ASCII" if db.encoding == "SQL_ASCII" else "UTF8") as c:
        return c.execute(f'SELECT {columns} FROM "{table}" ORDER BY 1'.encode()).fetchall()


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
@pytest.mark.parametrize("ends", [("LATIN1", "UTF8"), ("EUC_JP", "UTF8"), ("SQL_ASCII", "SQL_ASCII"), ("SQL_ASCII", "UTF8"),
                                  ("LATIN1", "LATIN1")], ids="-".join)
def test_values_and_names(encoded, make_task, plugin, ends):
    """wal2json speaks the source's encoding whatever the client asks for. Rules are written in UTF-8, and status shows
    names in it."""
    source, target = encoded(*ends)
    word = WORDS[ends[0]]
    name = word.split()[0]
    write(source, f"""
        CREATE TYPE mood AS ENUM ('{word}');
        CREATE TABLE "{name}" (id text PRIMARY KEY, v text, e mood);
        INSERT INTO "{name}" VALUES ('1', '{word}', '{word}'), ('{word}', '', NULL);
        CREATE TABLE other (id int PRIMARY KEY)""")
    task = make_task(src=source, dst=target, plugin=plugin, tables={"include": [f"public.{name}"]})
    assert task.cmd("check").code in (0, 5)
    task.start().wait_streaming()
    write(source, f"""
        INSERT INTO "{name}" VALUES ('2', '{word}', '{word}'); UPDATE "{name}" SET v = v || '{word}' WHERE id IN ('1', '{word}');
        UPDATE "{name}" SET id = id || '!' WHERE id = '{word}'""")
    task.wait_applied(source)
    assert [t["table"] for t in task.status()["tables"]] == [f"public.{name}"]
    as_utf8 = ends[0] not in ("SQL_ASCII", ends[1])
    rows = hex_rows(source, name, as_utf8)
    assert rows == hex_rows(target, name, as_utf8) and len(rows) == 3


def test_no_conversion(encoded, make_task):
    """Nobody can bring Japanese into LATIN1: refused before anything is written."""
    source, target = encoded("EUC_JP", "LATIN1")
    write(source, f"CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '{WORDS['EUC_JP']}')")
    task = make_task(src=source, dst=target)
    done = task.cmd("check", "--json")
    assert done.code == 3
    found = [f for f in done.json()["findings"] if f["code"] == "encoding"]
    assert len(found) == 1 and "EUC_JP" in found[0]["what"] and "ENCODING 'EUC_JP'" in found[0]["remedy"], repr(done)
    assert_error(task.cmd("run"), "EUC_JP", 3)
    assert not target.has_schema() and not source.slots()


@pytest.mark.parametrize("where", ["load", "stream"])
@pytest.mark.parametrize("ends", [("SQL_ASCII", "UTF8"), ("UTF8", "LATIN1")], ids="-".join)
def test_a_text_that_does_not_fit(encoded, make_task, ends, where):
    """check warns; the run ends with the table's name, and nothing is made to fit."""
    source, target = encoded(*ends)
    bad = "INSERT INTO t VALUES (2, 'naïve 日本')"
    charset = "euc_jp" if ends[0] == "SQL_ASCII" else "UTF8"
    bad = bad.replace("ï", "i") if charset == "euc_jp" else bad
    write(source, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'plain')")
    if where == "load":
        write(source, bad, charset)
    task = make_task(src=source, dst=target, plugin="pgoutput")
    done = task.cmd("check", "--json")
    assert done.code == 5
    assert [f for f in done.json()["findings"] if f["code"] == "encoding" and f["result"].startswith("warn") and f["remedy"]], repr(done)
    task.start()
    if where == "stream":
        task.wait_streaming()
        write(source, bad, charset)
    assert task.process.wait(60) == 1, task.tail()
    end = task.tail()
    assert "bascule: encoding:" in end and "public.t" in end and "hint:" in end, end
    assert "日" not in end
