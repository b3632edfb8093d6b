"""The proof in the freeze: by the rows changed since `verify`, and never called more than it is."""
import json
import shutil

import pytest
from harness import oracle
from harness.flow import assert_error, cut_over
from harness.waiting import wait_until

TABLES = """
CREATE TABLE t (id int PRIMARY KEY, v int, w text);
INSERT INTO t SELECT i, 0, md5(i::text) FROM generate_series(1, 5000) i;
CREATE TABLE two (a text, b date, v numeric(9,2), PRIMARY KEY (a, b));
INSERT INTO two SELECT 'a''\\ "' || i, date '2026-01-01' + i, i FROM generate_series(1, 500) i;
CREATE TABLE bare (a int, b text);
INSERT INTO bare SELECT i, 'x' FROM generate_series(1, 100) i;
ALTER TABLE bare REPLICA IDENTITY FULL;
CREATE TABLE emptied (id int PRIMARY KEY);
INSERT INTO emptied SELECT generate_series(1, 50)"""

NO_RECHECK = {"recheck_interval": "0s"}


def proof_of(task, table="public.t"):
    return next(t for t in task.status()["tables"] if t["table"] == table)["proof"]


def report_of(done):
    last = [line for line in done.out.splitlines() if '"report"' in line or '"outcome"' in line]
    report = json.loads(last[-1]) if last else done.json()
    return report.get("report", report)


def proved_by(done):
    return {t["table"].removeprefix("public."): t for t in report_of(done)["tables"]}


@pytest.fixture
def verified(source, target, make_task):
    """A task whose tables are all verified, and some rows changed since: 30 keys of t, 2 of two."""
    source.sql(TABLES)
    task = make_task(keys=NO_RECHECK).start().wait_streaming()
    source.sql("UPDATE t SET v = -1 WHERE id > 4000")
    task.wait_applied(source)  # what is on its way when the verification begins stays open
    done = task.cmd("verify", timeout=120)
    assert done.code == 0, repr(done)
    assert task.status()["proof"]["tables_proved"] == 4, task.describe()
    assert proof_of(task)["open_keys"] == 0
    source.sql("UPDATE t SET v = 1 WHERE id <= 20; INSERT INTO t SELECT i, 1, '' FROM generate_series(6001, 6010) i;"
               "UPDATE two SET b = b + 10000 WHERE v = 7")
    task.wait_applied(source)
    assert (proof_of(task)["open_keys"], proof_of(task, "public.two")["open_keys"]) == (30, 2)
    return task


def test_only_changed_rows_are_read(source, target, verified):
    task = verified
    assert proof_of(task)["proved"] and proof_of(task)["lsn"] and proof_of(task)["age_seconds"] is not None
    source.sql("TRUNCATE emptied; INSERT INTO emptied VALUES (7); INSERT INTO bare VALUES (1, 'new')")
    task.wait_applied(source)
    done = cut_over(task, args=("--verify", "keys", "--json"))
    by = proved_by(done)
    assert {name: t["method"] for name, t in by.items()} == {"t": "keys", "two": "keys", "bare": "full-hash",
                                                              "emptied": "full-hash"}
    assert (by["t"]["keys"], by["two"]["keys"]) == (30, 2)
    assert by["t"]["proof"].startswith(f"verified at {by['t']['base_lsn']} + 30 keys to ")
    assert by["bare"]["proof"].startswith("full hash at ")
    oracle.assert_equal(source, target)


def test_a_changed_row_that_is_damaged_is_found(source, target, verified):
    """Just before the freeze, in a row that changed since the verification; the writes come back."""
    task = verified
    target.sql("SET session_replication_role = replica; UPDATE t SET w = 'damaged' WHERE id = 11;"
               "DELETE FROM two WHERE v = 7")
    done = task.cutover("--verify", "keys")
    assert_error(done, "different", 4)
    assert "id=*** (2 bytes)" in done.text and "public.t" in done.text and "public.two" in done.text, repr(done)
    assert "damaged" not in done.text
    source.sql("UPDATE t SET v = v + 1 WHERE id = 4999")
    task.wait_streaming()
    target.sql("SET session_replication_role = replica; UPDATE t SET w = md5('11') WHERE id = 11")
    assert_error(task.cutover("--verify", "auto"), "different", 4)  # the other one


def test_a_damaged_row_that_did_not_change(source, target, verified):
    """Every row read in whole finds it. By keys it cannot be found: then nothing may say that all was read, and an
    extra row shows by the count."""
    task = verified
    target.sql("SET session_replication_role = replica; UPDATE t SET w = 'damaged' WHERE id = 3333")
    for mode in ("full", "auto"):
        assert_error(task.cutover("--verify", mode), "different", 4)
    target.sql("SET session_replication_role = replica; INSERT INTO t VALUES (-5, 0, 'extra')")
    assert_error(task.cutover("--verify", "keys"), "different", 4)
    target.sql("SET session_replication_role = replica; DELETE FROM t WHERE id = -5")
    done = cut_over(task, args=("--verify", "keys", "--json"))
    t = proved_by(done)["t"]
    assert t["method"] == "keys" and "full hash" not in t["proof"] and t["source"]["hash"] is None, t
    assert target.value("SELECT w FROM t WHERE id = 3333") == "damaged"


@pytest.mark.parametrize("lost", [False, True])
def test_a_proof_outlives_a_kill_but_not_its_log(lost, source, target, verified):
    task = verified
    task.kill()
    source.sql("UPDATE t SET v = 2 WHERE id BETWEEN 100 AND 104")
    if lost:
        shutil.rmtree(f"{task.dir}/w/keys")
    task.start().wait_streaming()
    task.wait_applied(source)
    wait_until(lambda: task.status()["proof"], 20, "the engine tells of proofs", dump=task.describe)
    assert proof_of(task)["proved"] is not lost
    done = cut_over(task, args=("--verify", "keys", "--json"))
    t = proved_by(done)["t"]
    if lost:
        assert t["method"] == "full-hash"
    else:
        assert t["method"] == "keys" and t["keys"] >= 35, t
    oracle.assert_equal(source, target)


def test_a_verification_that_finds_a_difference_proves_nothing(source, target, verified):
    task = verified
    target.sql("SET session_replication_role = replica; UPDATE t SET w = 'damaged' WHERE id = 3333")
    done = task.cmd("verify", timeout=120)
    assert done.code == 4, repr(done)
    assert not proof_of(task)["proved"] and proof_of(task, "public.two")["proved"]
    assert_error(task.cutover("--verify", "keys"), "different", 4)


def test_what_is_read_grows_with_the_keys_not_with_the_table(source, target, make_task):
    """Two tables of one size and of ten times that, as many keys open: as many rows are fetched on each side, and all
    of them by the index. (The times: tests/bench/run verify --work keys.)"""
    source.sql("CREATE TABLE t (id bigint PRIMARY KEY, pad text); CREATE TABLE ten (id bigint PRIMARY KEY, pad text);"
               "INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 20000) i;"
               "INSERT INTO ten SELECT i, md5(i::text) FROM generate_series(1, 200000) i")
    task = make_task(keys=NO_RECHECK).start().wait_streaming()
    task.ok("verify", timeout=120)
    source.sql("UPDATE t SET pad = 'x' WHERE id % 20 = 0; UPDATE ten SET pad = 'x' WHERE id % 200 = 0")
    task.wait_applied(source)
    read = "SELECT relname, idx_tup_fetch FROM pg_stat_user_tables WHERE relname IN ('t', 'ten') ORDER BY 1"
    # What ran before has told the statistics by the time that one more look is in them.
    before = [wait_still(db, read) for db in (source, target)]
    task.wait_ready()
    done = task.cutover("--rehearse", "--verify", "keys", "--max-downtime", "60s", "--json", timeout=120)
    assert done.code == 0, repr(done)
    report = report_of(done)
    assert {t["keys"] for t in report["tables"]} == {1000} and "keys" in {p["name"] for p in report["phases"]}
    for db, old in zip((source, target), before):
        wait_until(lambda: all(new[1] >= was[1] + 1000 for new, was in zip(db.sql(read), old)), 60, "the statistics are there")
        for new, was in zip(db.sql(read), old):
            assert new[1] - was[1] == 1000, (db, old, db.sql(read))


KEY_TYPES = """
CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext;
CREATE TYPE mood AS ENUM ('sad', 'so so', 'o''k "\\'); CREATE DOMAIN code AS ext.citext; CREATE DOMAIN word AS text;
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE k_enum (m mood, n int, v int, PRIMARY KEY (m, n));
INSERT INTO k_enum SELECT m, n, 0 FROM unnest(enum_range(NULL::mood)) m, generate_series(1, 300) n;
CREATE TABLE k_domain (w word PRIMARY KEY, v int);
INSERT INTO k_domain SELECT 'Word ' || n, 0 FROM generate_series(1, 900) n;
CREATE TABLE k_code (c code PRIMARY KEY, v int);
INSERT INTO k_code SELECT 'Code ' || n, 0 FROM generate_series(1, 900) n;
CREATE TABLE k_citext (c ext.citext PRIMARY KEY, v int);
INSERT INTO k_citext SELECT 'Key ' || i, 0 FROM generate_series(1, 900) i;
CREATE TABLE k_ltree (p ext.ltree PRIMARY KEY, v int);
INSERT INTO k_ltree SELECT ('top.n' || i)::ext.ltree, 0 FROM generate_series(1, 900) i;
CREATE TABLE k_blind (t text COLLATE blind PRIMARY KEY, v int);
INSERT INTO k_blind SELECT 'Key ' || i, 0 FROM generate_series(1, 900) i;
CREATE TYPE pair AS (a int, b text);
CREATE TABLE k_pair (p pair PRIMARY KEY, v int);
INSERT INTO k_pair SELECT ROW(i, 'x,"' || i)::pair, 0 FROM generate_series(1, 900) i;
CREATE DOMAIN pieces AS text[];
CREATE TABLE k_array (a int[], b pieces, v int, PRIMARY KEY (a, b));
INSERT INTO k_array SELECT ARRAY[i, NULL, 7], ARRAY['{', '"' || i, NULL], 0 FROM generate_series(1, 900) i;
CREATE DOMAIN feeling AS mood; CREATE DOMAIN deep AS feeling CHECK (VALUE::mood <> 'sad'); CREATE DOMAIN feelings AS mood[];
CREATE TABLE k_feeling (f feeling, d deep, fs feelings, n int, v int, u int UNIQUE, PRIMARY KEY (f, d, fs, n));
INSERT INTO k_feeling SELECT m, 'so so', ARRAY[m, NULL], n, 0, row_number() OVER () FROM unnest(enum_range(NULL::mood)) m, generate_series(1, 300) n;
CREATE DOMAIN couple AS pair; CREATE TABLE k_couple (p couple PRIMARY KEY, v int);
INSERT INTO k_couple SELECT ROW(i, 'x,"' || i)::pair, 0 FROM generate_series(1, 900) i;
CREATE TYPE span AS RANGE (subtype = timestamptz); CREATE DOMAIN spell AS span; CREATE DOMAIN days AS daterange;
CREATE TABLE k_span (s span, p spell, d days, v int, PRIMARY KEY (s, p, d));
INSERT INTO k_span SELECT span(t, NULL), span(t, t + '1 d'), daterange(t::date, NULL), 0
FROM (SELECT timestamptz '2026-01-01' + i * interval '1 h' AS t FROM generate_series(1, 900) i) x"""
KEYED = ("k_enum", "k_citext", "k_ltree", "k_blind", "k_pair", "k_array", "k_domain", "k_code", "k_feeling", "k_couple", "k_span")


def test_keys_of_types_that_are_not_built_in(source, target, make_task):
    """Found by the operator of their own index, and where that takes other texts for the same value nothing is missed."""
    source.sql(KEY_TYPES)
    task = make_task(keys=NO_RECHECK).start().wait_streaming()
    task.ok("verify", timeout=120)
    for name in KEYED:
        source.sql(f"UPDATE {name} SET v = 1 WHERE ctid IN (SELECT ctid FROM {name} ORDER BY ctid LIMIT 30)")
    source.sql("SET search_path = public, ext; UPDATE k_citext SET c = 'KEY 500' WHERE c = 'key 500'; UPDATE k_blind SET t = 'KEY 500' WHERE t = 'key 500';"
               "UPDATE k_code SET c = 'CODE 77' WHERE c = 'code 77'; DELETE FROM k_pair WHERE p = ROW(9, 'x,\"9')::pair;"
               "UPDATE k_enum SET m = 'sad', n = 1000 WHERE m = 'so so' AND n = 7;"
               "UPDATE k_feeling SET f = 'sad', n = 1000 WHERE f::mood = 'so so' AND n = 7; DELETE FROM k_feeling WHERE n = 8;"
               "UPDATE k_couple SET p = ROW(1001, 'y')::pair WHERE p = ROW(7, 'x,\"7')::pair; DELETE FROM k_span WHERE lower(s) < '2026-01-02'")
    task.wait_applied(source)
    target.sql("SET session_replication_role = replica; SET search_path = public, ext; UPDATE k_citext SET c = 'key 500' WHERE c = 'key 500'")
    done = task.cutover("--verify", "keys")
    assert_error(done, "different", 4)
    assert "k_citext" in done.text and not [name for name in KEYED if name != "k_citext" and name in done.err], repr(done)
    target.sql("SET session_replication_role = replica; SET search_path = public, ext; UPDATE k_citext SET c = 'KEY 500' WHERE c = 'key 500'")
    for name in KEYED:
        target.sql(f"SET session_replication_role = replica; UPDATE {name} SET v = 2 WHERE ctid ="
                   f" (SELECT min(ctid) FROM {name} WHERE v = 1)")
    done = task.cutover("--verify", "keys")
    assert_error(done, "different", 4)
    assert not [name for name in KEYED if name not in done.text], repr(done)
    # the same keys name the rows for a comparison, a repair and a stream that goes row by row
    assert task.cmd("verify", timeout=120).code == 4
    task.ok("repair", "--apply", timeout=120)
    source.sql("BEGIN; UPDATE k_feeling SET u = -1 WHERE u = 10; UPDATE k_feeling SET u = 10 WHERE u = 20;"
               "UPDATE k_feeling SET u = 20 WHERE u = -1; COMMIT")
    task.wait_applied(source)
    assert task.status()["stream"]["fallback_batches"] > 0
    for name in KEYED:
        source.sql(f"UPDATE {name} SET v = 3 WHERE ctid IN (SELECT ctid FROM {name} ORDER BY ctid LIMIT 30)")
    done = cut_over(task, args=("--verify", "keys", "--json"))
    by = proved_by(done)
    assert {t["method"] for t in by.values()} == {"keys"} and min(t["keys"] for t in by.values()) >= 30, repr(done)
    oracle.assert_equal(source, target)


def wait_still(db, query):
    """The same twice: nobody adds to the statistics any more."""
    last = [None]

    def same():
        now = db.sql(query)
        still, last[0] = now == last[0], now
        return still
    wait_until(same, 60, "statistics stand still", 1.5)
    return last[0]


def test_a_table_that_others_may_write_to_is_read_in_whole(source, target, verified):
    """Without its fence on the target, the keys of the stream are not all that may have changed since it was verified."""
    target.sql("DROP TRIGGER bascule_fence ON t; UPDATE t SET w = 'of somebody else' WHERE id = 3000")
    done = verified.cutover("--verify", "keys")
    assert_error(done, "different", 4)
    assert "public.t" in done.text and "public.two" not in done.text.split("differ:")[-1], repr(done)
    target.sql("UPDATE t SET w = md5('3000') WHERE id = 3000")
    done = cut_over(verified, args=("--verify", "keys", "--json"))
    assert {name: t["method"] for name, t in proved_by(done).items() if name in ("t", "two")} == {"t": "full-hash",
                                                                                                 "two": "keys"}
