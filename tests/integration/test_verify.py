"""bascule verify: exact while writes flow, every difference named, interrupted runs go on."""
import json
import os
import subprocess

import pytest
from harness import workload
from harness.damage import DAMAGE, QUIET
from harness.waiting import wait_until

def verify(task, *args, expect=0, timeout=120):
    done = task.cmd("verify", "--json", *args, timeout=timeout)
    assert done.code == expect, f"{done!r}\n{task.tail(80)}"
    return done.json()["report"]


def by_table(report):
    return {t["table"]: t for t in report["tables"]}


def named(report):
    return sorted((f["table"], f["kind"], json.dumps(f["key"], sort_keys=True),
                   sorted(c["column"] for c in f["columns"])) for f in report["failures"])


def expected(*lists):
    return sorted((t, k, json.dumps(key, sort_keys=True), sorted(c)) for some in lists for t, k, key, c in some)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_no_false_alarm_while_writers_run(plugin, source, target, make_task, make_writers):
    """Random writers with truncates, key changes, large rows, at full speed; a table large enough to go in ranges."""
    workload.create(source, numeric="bigint" if plugin == "wal2json" else "numeric(14,4)")
    workload.add_bulk(source, 40)
    writers = make_writers(count=3)
    task = make_task(plugin=plugin).start().wait_streaming()
    for options, method in (((), "hash of the key"), (("--max-rate", "16MB"), "ranges of the key")):
        before = writers.acknowledged_count()
        report = verify(task, *options)
        writers.wait_more(50)
        assert writers.acknowledged_count() > before
        assert report["verdict"] == "proven" and report["exact"] and report["complete"]
        assert {t["verdict"] for t in report["tables"]} == {"proven"}, report
        tables = by_table(report)
        assert tables["public.bulk"]["method"] == method and (tables["public.bulk"]["chunks"] > 1) == bool(options)
        assert tables["public.twins"]["method"] == "hash of the row"
        assert tables["public.keyed"]["method"] == "hash of the key"
        assert report["source_lsn"] == report["target_lsn"]
    # the temporary slots are gone, and nothing holds the applier
    wait_until(lambda: len(source.slots()) == 1, 20, "one slot")
    task.wait_applied(source)


def test_every_damage_is_found_and_named(source, target, make_task, make_writers):
    workload.create(source)
    source.sql(QUIET, user="app")
    rows = workload.add_bulk(source, 40)
    writers = make_writers(count=2)
    task = make_task().start().wait_streaming()
    assert verify(task)["verdict"] == "proven"
    target.sql("DROP TRIGGER bascule_fence ON extra_row")
    for statement, _ in DAMAGE:
        target.sql(statement)
    target.sql("DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE a = 1)")
    target.sql("INSERT INTO keyless VALUES (1000, 'NULL')")
    report = verify(task, expect=4)
    assert report["verdict"] == "mismatch"
    bulk = [("public.bulk", "different", {"id": str(rows)}, ["pad"])]
    keyed = [f for f in named(report) if f[0] != "public.keyless"]
    assert keyed == expected(bulk, *[names for _, names in DAMAGE if names])
    lost = [f for f in report["failures"] if f["table"] == "public.keyless"]
    assert sorted(f["kind"] for f in lost) == ["extra", "missing"]
    assert all(set(f["key"]) == {"row", "copies"} and f["key"]["copies"] == "1" for f in lost)
    tables = by_table(report)
    wrong = {f["table"] for f in report["failures"]}
    assert {t for t, v in tables.items() if v["verdict"] == "mismatch"} == wrong
    assert {v["verdict"] for t, v in tables.items() if t not in wrong} == {"proven"}
    assert tables["public.missing_row"]["differences"]["missing"] == 1
    # whoever wrote the row too many: this table alone was open to others
    assert [t for t, v in tables.items() if not v["guarded"]] == ["public.extra_row"]
    # values only when they are asked for
    text = json.dumps(report)
    assert "more" not in [c.get("target") for f in report["failures"] for c in f["columns"]] and "*** (" in text
    null = [f for f in report["failures"] if f["table"] == "public.null_or_empty"][0]["columns"]
    assert null == [{"column": "v", "source": None, "target": ""}]
    shown = verify(task, "--show-values", "--tables", "public.one_row,public.extra_row", expect=4)
    values = {c["column"]: (c["source"], c["target"]) for f in shown["failures"] for c in f["columns"]
              if f["table"] == "public.one_row"}
    assert values["v"] == ("175.00", "176.00")
    # the table of failures, in the form of AWS DMS
    stored = target.sql("SELECT table_owner || '.' || table_name, failure_type, key::json->>'id', first_lsn IS NOT NULL"
                        " FROM bascule.failures WHERE table_name IN ('extra_row', 'missing_row', 'one_bit') ORDER BY 1")
    assert stored == [("public.extra_row", "MISSING_SOURCE", "0", True),
                      ("public.missing_row", "MISSING_TARGET", "3000", True),
                      ("public.one_bit", "RECORD_DIFF", "1234", True)]
    # mended: the failure goes when the table is proven again
    target.sql("DELETE FROM extra_row WHERE id = 0")
    assert verify(task, "--tables", "public.extra_row")["verdict"] == "proven"
    assert target.value("SELECT count(*) FROM bascule.failures WHERE table_name = 'extra_row'") == 0
    plain = task.cmd("verify", "--tables", "public.null%")
    assert plain.code == 4 and "source NULL, target ''" in plain.out and "MISMATCH" in plain.out, repr(plain)
    writers.stop()


def test_more_rows_differ_than_are_kept_in_memory(source, target, make_task):
    """The table is read as a whole first; nearly every part of it has a row that differs, so it is read again in ranges,
    and every one of them is counted. One table's differences do not hide another's."""
    source.sql("CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, 1)", user="app")
    rows = workload.add_bulk(source, 80)
    task = make_task().start().wait_streaming()
    target.sql("UPDATE bulk SET k = k + 1 WHERE id % 400 = 0; DELETE FROM bulk WHERE id % 4000 = 1; UPDATE small SET v = 2")
    report = verify(task, expect=4)
    bulk = by_table(report)["public.bulk"]
    assert bulk["method"] == "ranges of the key" and bulk["chunks"] > 1, bulk
    assert bulk["differences"]["different"] == rows // 400 and bulk["differences"]["missing"] == (rows + 3999) // 4000, bulk
    assert bulk["source"]["rows"] == rows and not bulk["differences"].get("at_least"), bulk
    assert ("public.small", "different", json.dumps({"id": "1"}), ["v"]) in named(report)
    assert len([f for f in report["failures"] if f["table"] == "public.bulk"]) == rows // 400 + (rows + 3999) // 4000


def test_rows_too_large_to_be_kept(source, target, make_task):
    """What differs is found by the sums; that not all of it fits into memory to be named makes nothing equal. The rows of the
    target lie in another order."""
    source.sql("CREATE TABLE film (id int PRIMARY KEY, v bytea); ALTER TABLE film ALTER v SET STORAGE EXTERNAL;"
               " INSERT INTO film SELECT i, decode(repeat(md5(i::text), 65536), 'hex') FROM generate_series(1, 80) i; ANALYZE film", user="app")
    task = make_task().start().wait_streaming()
    target.sql("CREATE TABLE other AS SELECT * FROM film ORDER BY id DESC; TRUNCATE film; INSERT INTO film SELECT * FROM other ORDER BY id DESC")
    assert verify(task)["verdict"] == "proven"
    target.sql("UPDATE film SET v = set_byte(v, 0, get_byte(v, 0) # 1) WHERE id = 40")
    report = verify(task, expect=4)
    film = by_table(report)["public.film"]
    assert film["verdict"] == "mismatch" and film["differences"]["at_least"], film
    assert film["differences"]["different"] == 1 and film["differences"]["missing"] == film["differences"]["extra"] == 0, film


def test_counts_spots_since_and_orphans(source, target, make_task):
    source.sql("CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 100);"
               "CREATE TABLE child (id int PRIMARY KEY, parent int, updated_at timestamptz NOT NULL DEFAULT now());"
               "INSERT INTO child SELECT i, i % 100 + 1, now() - i * interval '1 h' FROM generate_series(1, 1000) i;"
               "ALTER TABLE child ADD CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES parent;"
               "CREATE TABLE nokey (v int); ALTER TABLE nokey REPLICA IDENTITY FULL", user="app")
    task = make_task().start().wait_streaming()
    counts = verify(task, "--counts")
    assert counts["verdict"] == "equal" and by_table(counts)["public.child"]["source"]["rows"] == 1000
    target.sql("UPDATE child SET parent = 3 WHERE id = 1000; DELETE FROM child WHERE id = 999")
    assert by_table(verify(task, "--counts", expect=4))["public.child"]["verdict"] == "mismatch"
    since = verify(task, "--since", "1d", "--tables", "public.child")
    assert since["verdict"] == "equal" and 20 <= by_table(since)["public.child"]["source"]["rows"] <= 25
    target.sql("UPDATE child SET parent = parent % 100 + 1 WHERE id = 5")
    since = verify(task, "--since", "1d", "--tables", "public.child", expect=4)
    assert named(since) == expected([("public.child", "different", {"id": "5"}, ["parent"])])
    at = source.value("SELECT to_char((now() - interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    since = verify(task, "--since", at, "--tables", "public.child", expect=4)
    assert named(since) == expected([("public.child", "different", {"id": "5"}, ["parent"])])
    since = verify(task, "--since", "1d", expect=4)
    assert by_table(since)["public.parent"]["verdict"] == "not-verified"
    spots = verify(task, "--spot-check", "50", "--tables", "public.parent")
    assert len(spots["spots"]) == 50 and {s["kind"] for s in spots["spots"]} == {"equal"}
    spots = verify(task, "--spot-check", "2000", "--tables", "public.child", expect=4)
    assert {"equal", "missing", "different"} == {s["kind"] for s in spots["spots"]}
    assert verify(task, "--spot-check", "5", "--tables", "public.nokey", expect=6)["verdict"] == "not-verified"
    orphans = verify(task, "--orphans")
    assert orphans["verdict"] == "equal" and orphans["orphans"][0]["target"] == 0
    target.sql("ALTER TABLE child DROP CONSTRAINT child_parent; DELETE FROM parent WHERE id = 7")
    orphans = verify(task, "--orphans", expect=4)["orphans"]
    assert orphans[0]["source"] == 0 and orphans[0]["target"] > 0 and orphans[0]["example"]["id"]
    assert "missing on the target" in orphans[0]["note"]
    target.sql("ALTER TABLE child ADD CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES parent NOT VALID")
    orphans = verify(task, "--orphans", "--tables", "public.child", expect=4)["orphans"]
    assert orphans[0]["target"] > 0 and "not validated on the target" in orphans[0]["note"]


def test_without_a_free_slot(make_cluster, target, make_task):
    """Refused in words, with what to do about it; nothing is left behind, and the stream goes on."""
    cluster = make_cluster("few", settings={"max_replication_slots": "2"})
    source = cluster.create_database("few")
    source.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
    task = make_task(src=source).start().wait_streaming()
    assert verify(task)["verdict"] == "proven"
    source.sql("SELECT pg_create_physical_replication_slot('other')")
    done = task.cmd("verify", timeout=120)
    assert done.code not in (0, 4) and "no free replication slot" in done.text, repr(done)
    assert "max_replication_slots" in done.text and "pg_replication_slots" in done.text, repr(done)
    source.sql("INSERT INTO t VALUES (0)")
    task.wait_applied(source)
    source.sql("SELECT pg_drop_replication_slot('other')")
    assert verify(task)["verdict"] == "proven"


def test_without_an_engine(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_applied(app)
    task.ok("stop")
    task.wait_exit()
    report = verify(task)
    assert report["verdict"] == "proven" and not report["exact"]
    app.sql("UPDATE account SET note = 'later' WHERE id = 1")
    report = verify(task, expect=6)
    account = by_table(report)["public.account"]
    assert report["verdict"] == "not-verified" and account["verdict"] == "not-verified"
    assert "no engine is running" in account["why"] and report["failures"] == []
    # the engine brings the row: proven again
    task.start().wait_streaming()
    task.wait_applied(app)
    assert verify(task)["verdict"] == "proven"


def test_killed_and_gone_on(source, target, make_task, make_writers):
    """kill -9 of the engine between two saves, several times; the run goes on and finds what there is to find."""
    workload.create(source)
    workload.add_bulk(source, 60)
    task = make_task().start().wait_streaming()
    target.sql("UPDATE bulk SET k = k + 1 WHERE id = 10")
    target.sql("DELETE FROM bulk WHERE id = (SELECT max(id) FROM bulk)")
    runs = set()
    for point in ("VERIFY_BEFORE_SAVE@3:kill", "VERIFY_AFTER_SAVE@4:kill", "VERIFY_READ@9:kill"):
        task.stop()
        task.start(env={"BASCULE_FAULT": point}).wait_streaming()
        done = task.cmd("verify", "--json", timeout=120)
        assert done.code == 6, repr(done)
        wait_until(lambda: not task.alive(), 30, "the engine was killed")
        runs.add(target.value("SELECT max(run) FROM bascule.verify_run"))
    decided = target.value("SELECT count(*) FROM bascule.verify_table WHERE verdict = 'proven'")
    assert decided > 0
    task.start().wait_streaming()
    report = verify(task, expect=4)
    assert report["resumed"] and len(runs) == 1 and report["run"] in runs
    assert sum(t["resumed"] for t in report["tables"]) >= decided
    top = source.value("SELECT max(id) FROM bulk")
    assert named(report) == expected([("public.bulk", "different", {"id": "10"}, ["k"]),
                                      ("public.bulk", "missing", {"id": str(top)}, [])])
    bulk = by_table(report)["public.bulk"]
    assert bulk["source"]["rows"] == top and bulk["target"]["rows"] == top - 1
    again = verify(task, expect=4)
    assert again["run"] != report["run"] and not again["resumed"] and named(again) == named(report)


def test_a_client_that_goes_away_ends_the_run_and_the_next_goes_on(source, target, make_task):
    workload.create(source)
    workload.add_bulk(source, 60)
    task = make_task().start().wait_streaming()
    client = subprocess.Popen([task.binary, "--config", task.file, "verify", "--max-rate", "4MB"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=task._environment({}), cwd=task.dir)
    wait_until(lambda: target.has_schema() and
               target.value("SELECT to_regclass('bascule.verify_table') IS NOT NULL") and
               target.value("SELECT count(*) FROM bascule.verify_table WHERE next_key IS NOT NULL"), 60,
               "a part of the large table is decided", dump=task.describe)
    client.kill()
    client.wait()

    def goes_on():
        done = task.cmd("verify", "--json", timeout=120)
        return done.code == 0 and done.json()["report"]
    report = wait_until(goes_on, 60, "the run goes on", dump=task.describe)
    assert report["resumed"] and report["verdict"] == "proven"
    assert report["run"] == 1 and by_table(report)["public.bulk"]["resumed"]


def test_snapshots_are_renewed(source, target, make_task, make_writers):
    """Old snapshots are given back; what was decided stays, and the rest is decided at a later position."""
    workload.create(source)
    workload.add_bulk(source, 60)
    writers = make_writers(count=1)
    task = make_task().start().wait_streaming()
    report = verify(task, "--max-snapshot-age", "1s", "--max-rate", "15MB", "--jobs", "1")
    assert report["verdict"] == "proven" and report["snapshots"] > 1
    bulk = by_table(report)["public.bulk"]
    assert bulk["first_lsn"] != bulk["last_lsn"]
    writers.stop()


def test_cutover_ends_a_verification(app, target, make_task):
    workload.add_bulk(app, 60)
    task = make_task().start().wait_streaming()
    task.wait_ready()
    client = subprocess.Popen([task.binary, "--config", task.file, "verify", "--json", "--max-rate", "2MB"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=task._environment({}), cwd=task.dir)
    wait_until(lambda: target.value("SELECT to_regclass('bascule.verify_table') IS NOT NULL"), 30, "it has begun")
    done = task.cutover()
    assert done.code == 0, f"{done!r}\n{task.tail()}"
    out, err = client.communicate(timeout=30)
    assert client.returncode == 6, f"{client.returncode}\n{out}\n{err}"
    assert json.loads(out)["report"]["verdict"] == "not-verified"


REFUSED = [
    (["--tables", "public.nothing"], "names no table"),
    (["--tables", "nothing"], "--tables"),
    (["--since", "soon"], "--since"),
    (["--since", "2099-01-01"], "in the future"),
    (["--spot-check", "many"], "--spot-check"),
    (["--counts", "--orphans"], "exclude each other"),
    (["--since-column", "at"], "needs '--since'"),
]


def test_refused_arguments(app, target, make_task):
    task = make_task()
    done = task.cmd("verify")
    assert done.code == 3 and "knows no task" in done.text, repr(done)
    task.start().wait_streaming()
    for args, what in REFUSED:
        done = task.cmd("verify", *args)
        assert done.code == 2 and what in done.text, repr(done)


CHANGES = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del), extract(epoch FROM clock_timestamp()) FROM pg_stat_user_tables"


def counted_before(file):
    """Clean runs that an earlier call of the test has counted."""
    if file is None or not os.path.exists(file):
        return []
    with open(file) as f:
        return [json.loads(line) for line in f]


@pytest.mark.long
@pytest.mark.timeout(0)
def test_a_thousand_clean_runs(source, target, make_task, make_writers):
    """VERIFY_RUNS=1000 by default, about an hour; each of at least 100,000 rows, all of them under at least 500 row changes a
    second, as the source's own statistics count them. With VERIFY_COUNT=FILE each clean run is a line of that file, and a
    call that was interrupted goes on counting there."""
    runs, file = int(os.environ.get("VERIFY_RUNS", "1000")), os.environ.get("VERIFY_COUNT")
    done = counted_before(file)
    first = len(done)
    workload.create(source)
    workload.add_bulk(source, 40)
    writers = make_writers(count=4)
    task = make_task().start().wait_streaming()
    writers.wait_more(100)
    changes, begin = source.sql(CHANGES)[0]
    while len(done) < runs:
        report = verify(task)
        assert report["verdict"] == "proven" and report["exact"], f"run {len(done) + 1}: {report}"
        after, end = source.sql(CHANGES)[0]
        done.append({"run": len(done) + 1, "rows": sum(t["source"]["rows"] for t in report["tables"]),
                     "held_ms": report["applier_held_ms"], "rate": float(after - changes) / float(end - begin)})
        if file is not None:
            with open(file, "a") as f:
                f.write(json.dumps(done[-1]) + "\n")
        if len(done) % 10 == 0:
            print(f"{len(done)} clean runs, {done[-1]['rate']:,.0f} row changes a second since run {first + 1}", flush=True)
        task.must_live()
    rows, held, rates = [d["rows"] for d in done], [d["held_ms"] for d in done], [d["rate"] for d in done[first:]]
    print(f"{runs} clean runs, {min(rows):,} rows or more in each, {rates[-1] if rates else 0:,.0f} row changes a second, the applier"
          f" stood for {sorted(held)[len(held) // 2]:.0f} ms (median), {max(held):.0f} ms at most")
    assert min(rows) >= 100000 and (not rates or rates[-1] >= 500), (min(rows), rates[-1:])
    writers.stop()
