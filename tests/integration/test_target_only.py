"""Rows that only the target has, kept by a rule (keep-extra): they are counted, never called equal, and hide nothing."""
import json
import os

import pytest
from harness.flow import cut_over
from harness.scripts import Folder, applied
from harness.waiting import wait_until

SCHEMA = """
CREATE TABLE org (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE item (id int PRIMARY KEY, org int NOT NULL REFERENCES org, name text, email text UNIQUE);
"""
ROWS = """
INSERT INTO org VALUES (1, 'system'), (2, 'second');
INSERT INTO item SELECT i, 2, 'row ' || i, 'mail' || i FROM generate_series(1, 2000) i;
"""
OWN = "INSERT INTO item SELECT i, 1, 'own ' || i, 'own' || i FROM generate_series(100001, 100000 + %d) i"
KEPT = ["public.org -> take-source", "public.item -> take-source, keep-extra"]


def begin(make_task, source, target, own=3, rules=KEPT, **config):
    """Streaming, with `own` rows of item that only the target has, some of them from before the load."""
    source.sql(SCHEMA + ROWS)
    target.sql(SCHEMA + "INSERT INTO org VALUES (1, 'system')")
    target.sql(OWN % own)
    config.setdefault("cutover", {"reverse": "off"})
    task = make_task(target={"prepare": "merge"}, target_writes="dual-write",
                     conflicts={"rules": rules, "settle_time": "1s"}, **config)
    return task.start().wait_streaming()


def verify(task, *args, code=0):
    done = task.cmd("verify", "--json", *args, timeout=120)
    assert done.code == code, repr(done)
    report = done.json()["report"]
    return report, {t["table"].removeprefix("public."): t for t in report["tables"]}


def failures(report):
    return sorted((f["table"].removeprefix("public."), f["kind"], int(f["key"]["id"])) for f in report["failures"])


def cutover_tables(done):
    last = [line for line in done.out.splitlines() if '"report"' in line]
    report = json.loads(last[-1]) if last else done.json()
    return {t["table"].removeprefix("public."): t for t in report.get("report", report)["tables"]}


@pytest.mark.parametrize("own", [3, 30000])
def test_what_differs_is_found_beside_rows_that_are_kept(own, source, target, make_task):
    """With a few and with so many that every part of the table has some."""
    task = begin(make_task, source, target, own)
    report, tables = verify(task)
    assert report["verdict"] == "contained" and not report["failures"], report
    assert (tables["item"]["verdict"], tables["item"]["kept"]) == ("contained", own), tables
    assert (tables["org"]["verdict"], tables["org"]["kept"]) == ("proven", 0), tables
    shown = task.ok("verify", timeout=120).out
    assert "CONTAINED" in shown and "PROVEN" not in shown and f"{own} rows are on the target alone" in shown, shown
    proof = {t["table"]: t["proof"] for t in task.status()["tables"]}["public.item"]
    assert proof["proved"] and proof["kept_rows"] == own, proof
    assert f"{own} rows more on the target" in " ".join(task.ok("status").out.split())
    target.sql("UPDATE item SET name = 'drift' WHERE id = 7; DELETE FROM item WHERE id = 1999")
    report, tables = verify(task, code=4)
    assert failures(report) == [("item", "different", 7), ("item", "missing", 1999)], report
    assert tables["item"]["verdict"] == "mismatch" and tables["item"]["kept"] == own, tables
    task.wait_ready()
    refused = task.cutover()
    assert refused.code == 4 and "2 rows of the source are not there" in refused.text, repr(refused)
    done = task.ok("repair", "--apply", "--json", timeout=120).json()["report"]
    assert (done["counts"]["inserted"], done["counts"]["replaced"], done["counts"]["deleted"]) == (1, 1, 0), done
    assert done["verdict"] == "contained", done
    target.sql(OWN.replace("100001", "200001").replace("100000", "200000") % 5)
    task.wait_ready()
    done = cut_over(task, args=("--json",))
    tables = cutover_tables(done)
    assert (tables["item"]["verdict"], tables["item"]["kept"], tables["item"]["method"]) == (
        "contained", own + 5, "contained"), tables
    assert (tables["org"]["verdict"], tables["org"]["method"]) == ("equal", "full-hash"), tables
    assert tables["item"]["target"]["rows"] == own + 2005 and "rows more, which a rule keeps" in tables["item"]["proof"]
    assert target.value("SELECT count(*) FROM item") == own + 2005
    path = os.path.join(task.dir, "certificate.json")
    said = task.ok("certificate", "--output", path).out
    with open(path) as f:
        document = json.load(f)
    assert document["summary"]["contained"] == 1 and document["summary"]["full"] == 1, document["summary"]
    item = next(t for t in document["tables"] if t["table"] == "item")
    assert (item["proved"], item["rows_source"], item["rows_target"]) == ("contained", 2000, own + 2005), item
    assert "the target has more, kept by rule" in said, said


def test_other_ways_to_compare(source, target, make_task):
    task = begin(make_task, source, target)
    report, tables = verify(task, "--counts", code=6)
    assert tables["item"]["verdict"] == "not-verified" and "numbers do not tell" in tables["item"]["why"], tables
    assert tables["org"]["verdict"] == "equal", tables
    report, tables = verify(task, "--spot-check", "100")
    assert report["verdict"] == "equal", report
    target.sql("DELETE FROM item WHERE id <= 4")
    report, tables = verify(task, "--counts", code=4)
    assert tables["item"]["verdict"] == "mismatch" and tables["item"]["differences"]["missing"] == 1, tables
    task.stop()
    report, tables = verify(task, "--tables", "public.org")  # without an engine
    assert tables["org"]["verdict"] == "proven", tables


def test_a_row_that_was_the_sources_does_not_hide(source, target, make_task):
    """The stream brought its key: what the background check finds of it is told, and a delete is done as always."""
    task = begin(make_task, source, target, keys={"recheck_interval": "1h"})
    verify(task)
    source.sql("DELETE FROM item WHERE id IN (10, 11)")
    task.wait_applied(source)
    assert target.value("SELECT count(*) FROM item WHERE id IN (10, 11)") == 0
    source.sql("INSERT INTO item VALUES (12345, 2, 'comes', 'comes')")
    task.wait_applied(source)
    source.sql("DELETE FROM item WHERE id = 12345")
    task.wait_applied(source)
    target.sql("INSERT INTO item VALUES (12345, 2, 'is back', 'is back'), (23456, 2, 'own', 'never seen')")
    assert task.stop() == 0
    task.write_config(keys={"recheck_interval": "1s"})
    task.start().wait_streaming()
    wait_until(lambda: (task.status()["proof"] or {}).get("differing_rows") == 1, 60, "the row is told", 0.3, dump=task.describe)


def test_truncate_of_the_source_spares_what_is_the_targets(source, target, make_task):
    """Nobody can tell which rows came from there: the table stands still until somebody empties it."""
    task = begin(make_task, source, target)
    source.sql("TRUNCATE item; INSERT INTO item VALUES (5, 2, 'new', 'new'); INSERT INTO org VALUES (3, 'third')")
    wait_until(lambda: target.value("SELECT count(*) FROM org WHERE id = 3") == 1, 60, "the others go on", dump=task.describe)
    wait_until(lambda: "TRUNCATE" in str(task.status()["tables"]), 60, "status says what to do", 0.2, dump=task.describe)
    assert target.value("SELECT count(*) FROM item WHERE id > 100000") == 3
    target.sql("TRUNCATE item")
    wait_until(lambda: target.value("SELECT count(*) FROM item WHERE id = 5") == 1, 90, "copied again", 0.2, dump=task.describe)


def test_there_is_no_way_back_with_rows_of_the_targets_own(source, target, make_task):
    source.sql(SCHEMA + ROWS)
    target.sql(SCHEMA)
    task = make_task(target={"prepare": "merge"}, target_writes="dual-write", conflicts={"rules": KEPT})
    done = task.cmd("check", "--json")
    said = [f for f in done.json()["findings"] if f["subject"] == "public.item" and f["result"] == "blocker"]
    assert done.code == 3 and len(said) == 1 and "cutover.reverse: off" in said[0]["remedy"], repr(done)
    assert task.run_to_end().code == 3 and not target.has_schema("bascule")
    task.write_config(cutover={"reverse": "auto"})
    task.start().wait_streaming()
    target.sql("INSERT INTO item VALUES (900, 2, 'own', 'own') ON CONFLICT DO NOTHING; INSERT INTO item VALUES (9000, 2, 'own', 'o')")
    task.wait_ready()
    done = cut_over(task)
    assert "no way back" in done.text and "keep-extra" in done.text, repr(done)


@pytest.mark.parametrize("when", ["before-load", "after-load"])
def test_seed_rows_of_a_script_are_taken_by_rule(when, source, target, make_task, directory):
    """A script inserts rows that the application's triggers need; the source's come beside them."""
    source.sql(SCHEMA + ROWS)
    seeds = ("INSERT INTO org VALUES (1, 'system'), (77, 'seed');\n"
             "INSERT INTO item VALUES (500000, 77, 'seeded', 'seeded');\n")
    if when == "before-load":
        seeds = SCHEMA + seeds
    else:  # the source inserts 1 later, and its 3 is another one than the target's
        source.sql("DELETE FROM org WHERE id = 1")
        target.sql(SCHEMA)
        seeds += "INSERT INTO org VALUES (3, 'of the script');\n"
    folder = Folder(os.path.join(directory, "sql")).put("1_seeds.sql", seeds)
    task = make_task(target={"prepare": "merge"}, target_writes="dual-write", cutover={"reverse": "off"},
                     schema={"scripts": folder.path, "auto": True, "when": when},
                     conflicts={"rules": ["public.% -> keep-target, keep-extra"], "settle_time": "1s"})
    task.start().wait_streaming()
    assert applied(target) == [("1_seeds.sql", True)]
    source.sql("INSERT INTO item VALUES (5000, 2, 'streams', 'streams')")
    if when == "after-load":
        source.sql("INSERT INTO org VALUES (1, 'system'), (3, 'of the source')")
    task.wait_applied(source)
    found = task.ok("conflicts", "list", "--json").json()["conflicts"]
    assert [(c["kind"], c["decision"]) for c in found] == ([("insert-exists", "kept-target")] if when == "after-load" else [])
    if found:
        task.ok("conflicts", "resolve", str(found[0]["id"]), "--take", "source")
    report, tables = verify(task)
    assert (tables["org"]["kept"], tables["item"]["kept"], report["verdict"]) == (1, 1, "contained"), tables
    task.wait_ready()
    cut_over(task)
    assert target.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM org") == (
        "1 2 77" if when == "before-load" else "1 2 3 77")
    assert target.value("SELECT count(*) FROM item WHERE id IN (5000, 500000)") == 2
