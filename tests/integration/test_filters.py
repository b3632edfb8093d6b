"""Rows that move, by a condition: in load, stream, comparison, repair, cutover and on the way back; rows that move in and out;
others' rows on the target; mistakes that are refused before anything is touched."""
import json
import os

import pytest
from harness import filtered
from harness.flow import there_and_back
from harness.suspended import none_suspended, table_of
from harness.waiting import wait_until
from harness.witness import Untouched

NOTHING = {"prepare": "nothing"}


def tells_of_others(task):
    tried = task.rollback("--dry-run", "--max-downtime", "30s")
    assert "rows are outside of its filter" in " ".join(tried.text.split()), repr(tried)


def moves_there_and_back(source, target, task, writers):
    task.write_config(rules=filtered.RULES)
    plan = task.ok("plan", "--json").json()
    assert all(r["matched"] > 0 for r in plan["rules"]), plan["rules"]
    assert "$tenant in (1, 2, 5)" in {t["table"]: t["rows"] for t in plan["tables"]}["public.accounts"]
    there_and_back(task, writers, lambda: tells_of_others(task))
    writers.stop()
    task.wait_applied(source)
    filtered.assert_equal(source, target)
    checked = task.ok("verify", timeout=120)
    assert "more rows of the target are outside of the filter" in checked.out, checked.out
    writers.assert_nothing_lost(target)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_there_and_back_with_rows_moving_in_and_out(plugin, source, target, make_task, make_writers):
    filtered.create(source, target)
    writers = make_writers(count=2, kind="random", module="harness.filtered", after="continue", rate=40)
    moves_there_and_back(source, target, make_task(plugin=plugin, target=NOTHING, stream={"status_interval": "1s"}), writers)


@pytest.mark.other_major
def test_there_and_back_to_the_newest_server(source, make_cluster, make_database, server_bin, make_task, make_writers):
    target = make_database(make_cluster("pg18", bindir=server_bin(18), plugins=None))
    filtered.create(source, target)
    writers = make_writers(dst=target, count=2, kind="random", module="harness.filtered", after="continue", rate=40)
    task = make_task(dst=target, plugin="pgoutput", target=NOTHING, stream={"status_interval": "1s"})
    moves_there_and_back(source, target, task, writers)


@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
def test_large_transactions_and_truncates(plugin, source, target, make_task):
    """Applied in parts, with rows that move in and out several times; TRUNCATE leaves others' rows alone."""
    filtered.create(source, target)
    task = make_task(plugin=plugin, target=NOTHING, rules=filtered.RULES, stream={"batch_changes": 100}).start().wait_streaming()
    source.sql("""BEGIN;
        UPDATE accounts SET tenant = 5, region = 'R'; UPDATE accounts SET tenant = id % 9; UPDATE accounts SET points = 1;
        UPDATE visits SET open = NOT open; UPDATE visits SET day = day + 10; UPDATE visits SET id = id + 20000 WHERE id % 2 = 0;
        DELETE FROM visits WHERE id % 5 = 0;
        INSERT INTO visits SELECT i, '2024-01-02', i % 2 = 0 FROM generate_series(30000, 31000) i;
        UPDATE visits SET open = NOT open WHERE id > 30500;
        UPDATE parts SET tenant = 9 - tenant; UPDATE notes SET tenant = n % 5 WHERE tenant IS NOT NULL;
        DELETE FROM notes WHERE n % 3 = 0; COMMIT""")
    task.wait_applied(source)
    filtered.assert_equal(source, target)
    source.sql("""BEGIN; UPDATE events SET kind = 'b'; TRUNCATE events, notes;
        INSERT INTO events SELECT i, CASE WHEN i % 2 = 0 THEN 'B' END FROM generate_series(1, 400) i;
        UPDATE events SET kind = 'b' WHERE id % 3 = 0; DELETE FROM events WHERE id % 7 = 0;
        INSERT INTO notes SELECT i % 9, 'w5', i FROM generate_series(1, 100) i; COMMIT""")
    task.wait_applied(source)
    filtered.assert_equal(source, target)
    task.ok("verify", timeout=120)


def test_others_rows_stay_and_what_is_damaged_is_mended(source, target, make_task):
    filtered.create(source, target)
    target.sql("INSERT INTO visits SELECT i, '2024-01-02', true FROM generate_series(500, 700) i")  # inside: an earlier try
    with Untouched(source):
        refused = make_task(task="refused", target=NOTHING, rules=filtered.RULES).run_to_end()
    assert refused.code == 3 and "public.visits" in refused.text, repr(refused)
    target.sql("INSERT INTO visits VALUES (1000100, '2020-01-01', true)")
    task = make_task(target={"prepare": "truncate"}, rules=filtered.RULES).start().wait_streaming()
    target.sql("DELETE FROM visits WHERE id = 1000100")  # it survived the truncate
    filtered.assert_equal(source, target)
    assert {t["table"]: t["rows"] for t in task.status()["tables"]}["public.parts"] == "not $tenant > 4"
    target.sql("UPDATE core.accounts SET points = -1 WHERE id = 1; DELETE FROM visits WHERE id = (SELECT min(id) FROM visits);"
               "INSERT INTO parts VALUES (1, 9999, 'extra'); UPDATE parts SET word = 'mine' WHERE tenant = 99 AND no = 7;"
               "DELETE FROM notes WHERE ctid = (SELECT max(ctid) FROM notes WHERE tenant = 5)")
    done = task.cmd("verify", timeout=120)
    assert done.code == 4, repr(done)
    report = task.cmd("verify", "--json", "--restart", timeout=120).json()["report"]
    tables = {t["table"]: t for t in report["tables"]}
    assert tables["public.parts"]["differences"]["extra"] == 1 and tables["public.parts"]["outside"] == 40, tables
    assert tables["public.accounts"]["differences"]["different"] == 1, tables
    assert tables["public.ledger"]["outside"] is None
    task.ok("repair", "--apply", timeout=120)
    filtered.assert_equal(source, target)
    assert target.value("SELECT word FROM parts WHERE tenant = 99 AND no = 7") == "mine"
    task.ok("verify", "--restart", timeout=120)
    assert tables["public.parts"]["rows_where"] == "not $tenant > 4" and tables["public.ledger"]["rows_where"] is None
    path = os.path.join(task.dir, "certificate.json")
    task.cmd("certificate", "--output", path)
    with open(path) as f:
        told = json.load(f)["row_filters"]
    assert len(told) == 5 and {"schema": "public", "table": "parts", "rows_where": "not $tenant > 4"} in told, told
    task.stop()
    task.write_config(rules=dict(filtered.RULES, rows=filtered.ROWS[1:]))
    changed = task.cmd("verify", "--restart", timeout=120)
    assert changed.code == 2 and "the rules are not those that the task" in changed.text, repr(changed)
    changed = task.run_to_end()
    assert changed.code == 2 and "the rules are not those that the task" in changed.text, repr(changed)


def test_a_row_that_comes_without_its_large_value(source, target, make_task):
    """Without REPLICA IDENTITY FULL: the table is left out, copied again, and goes on."""
    for db in (source, target):
        db.sql("CREATE TABLE docs (id int PRIMARY KEY, tenant int NOT NULL, body text); CREATE TABLE plain (id int PRIMARY KEY);"
               "ALTER TABLE docs ALTER body SET STORAGE EXTERNAL", user="app")
    source.sql("INSERT INTO docs SELECT i, i % 4, repeat('x' || i, 2000) FROM generate_series(1, 40) i")
    task = make_task(target=NOTHING, rules={"rows": ["public.docs where $tenant = 1"]})
    checked = " ".join(task.cmd("check").text.split())
    assert 'ALTER TABLE "public"."docs" REPLICA IDENTITY FULL' in checked, checked
    task.start().wait_streaming()
    source.sql("UPDATE docs SET tenant = 1, body = 'new' WHERE id = 2; UPDATE docs SET tenant = 2 WHERE id = 5;"
               "UPDATE docs SET body = 'short' WHERE id = 9")
    task.wait_applied(source)
    assert table_of(task, "docs")["suspended_lsn"] is None, "whole rows need no copy"
    source.sql("BEGIN; INSERT INTO docs VALUES (100, 3, repeat('y', 9000)); UPDATE docs SET tenant = 1 WHERE id = 100; COMMIT")
    task.wait_applied(source)
    assert table_of(task, "docs")["suspended_lsn"] is None, "the transaction itself told the value"
    source.sql("UPDATE docs SET tenant = 1 WHERE id = 3; INSERT INTO plain VALUES (1)")
    task.wait_log("may move a row into the filter")
    source.sql("UPDATE docs SET tenant = 0 WHERE id = 1; INSERT INTO docs VALUES (101, 1, 'later')")

    def equal():
        task.must_live()
        rows = "SELECT id, md5(body) FROM docs WHERE tenant = 1 ORDER BY id"
        return source.sql(rows) == target.sql(rows)
    wait_until(equal, 90, "the table is whole again", 0.2, dump=task.describe)
    none_suspended(task)
    task.wait_streaming()
    task.ok("verify", timeout=120)


# operator: (the filters as AWS writes them, the ids of the rows that pass)
def _filter(*conditions, column="a"):
    return {"filter-type": "source", "column-name": column, "filter-conditions": [
        dict(zip(("filter-operator", "value") if len(c) < 3 else ("filter-operator", "start-value", "end-value"), c))
        for c in conditions]}


DMS = {  # rows: id 1 to 9 with a = id, 10 with a null; t = 'x' || id, d = 2024-01-01 + id
    "t_eq": ([_filter(("eq", "5"))], [5]),
    "t_noteq": ([_filter(("noteq", "5"))], [1, 2, 3, 4, 6, 7, 8, 9]),
    "t_gte": ([_filter(("gte", "7"))], [7, 8, 9]),
    "t_lte": ([_filter(("lte", "2"))], [1, 2]),
    "t_ste": ([_filter(("ste", "2"))], [1, 2]),
    "t_between": ([_filter(("between", "3", "5"))], [3, 4, 5]),
    "t_notbetween": ([_filter(("notbetween", "3", "8"))], [1, 2, 9]),
    "t_null": ([_filter(("null",))], [10]),
    "t_notnull": ([_filter(("notnull",))], list(range(1, 10))),
    "t_or": ([_filter(("eq", "1"), ("eq", "3"), ("null",))], [1, 3, 10]),
    "t_and": ([_filter(("gte", "3")), _filter(("noteq", "x4"), column="t"), _filter(("lte", "2024-01-06"), column="d")], [3, 5]),
    "Odd name": ([_filter(("eq", "it's"), column="T x")], [2]),
}


def _selection(number, table, filters):
    return {"rule-type": "selection", "rule-id": str(number), "rule-name": str(number), "rule-action": "include",
            "object-locator": {"schema-name": "public", "table-name": table}, "filters": filters}


def _write(task, rules):
    path = os.path.join(task.dir, "table-mappings.json")
    with open(path, "w") as f:
        json.dump({"rules": rules}, f, indent=1)
    task.write_config(rules={"dms_file": path})


def test_every_operator_of_dms(source, target, make_task):
    for table in DMS:
        for db in (source, target):
            db.sql(f'CREATE TABLE "{table}" (id int PRIMARY KEY, a int, t text, d date, "T x" text)', user="app")
        source.sql(f"""INSERT INTO "{table}" SELECT i, nullif(i, 10), 'x' || i, '2024-01-01'::date + i,
            CASE WHEN i = 2 THEN 'it''s' END FROM generate_series(1, 10) i""")
    task = make_task(target=NOTHING)
    _write(task, [_selection(i, table, filters) for i, (table, (filters, _)) in enumerate(DMS.items(), 1)])
    task.start().wait_streaming()

    def held():
        return {t: [r[0] for r in target.sql(f'SELECT id FROM "{t}" ORDER BY id')] for t in DMS}
    assert held() == {t: ids for t, (_, ids) in DMS.items()}
    for table in DMS:  # all out, and all in again: by the stream
        source.sql(f"""UPDATE "{table}" SET a = NULL, t = 'x4', d = 'infinity', "T x" = NULL;
            UPDATE "{table}" SET a = nullif(id, 10), t = 'x' || id, d = '2024-01-01'::date + id,
            "T x" = CASE WHEN id = 2 THEN 'it''s' END""")
    task.wait_applied(source)
    assert held() == {t: ids for t, (_, ids) in DMS.items()}
    task.ok("verify", timeout=120)


LINES = [
    ("public.accounts where $nobody = 1", "'nobody' of table 'public.accounts' is none of its own"),
    ("public.accounts where $tenant = 'x'", "invalid input syntax for type integer"),
    ("public.accounts where $region > 5", "operator does not exist"),
    ("public.accounts where $tenant", "must be type boolean"),
    ("public.accounts where $tenant = 1 or", "syntax error"),
    ("public.accounts where $tenant = (select 1)", "'select' is not supported"),
    ("public.accounts where $tenant = now()", "'now' is not supported"),
    ("public.accounts where 1 = 1", "names no column"),
    ("public.accounts $tenant = 1", "is not schema.table where CONDITION"),
    ("public.nobody where $a = 1", "names no table in scope"),
    ("public.visits where $day > 'today'", "another moment whenever it is read"),
]


@pytest.mark.parametrize("line, why", LINES)
def test_mistakes_are_refused_before_anything_is_touched(line, why, source, target, make_task):
    filtered.create(source, target)
    task = make_task(target=NOTHING)
    with open(task.file) as f:
        task.write_text(f.read() + f"rules:\n  names: {json.dumps(filtered.RULES['names'])}\n  rows:\n    - {json.dumps(line)}\n")
    with Untouched(source, target):
        for done in (task.run_to_end(), task.cmd("check")):
            text = " ".join(done.text.split())
            assert done.code in (2, 3) and why in text and "yaml:" in text, repr(done)


def test_mistakes_beside_other_rules(source, target, make_task):
    filtered.create(source, target)
    source.sql("CREATE TABLE children (id int PRIMARY KEY, account int REFERENCES accounts)", user="app")
    target.sql("CREATE TABLE children (id int PRIMARY KEY, account int REFERENCES core.accounts)", user="app")
    cases = [
        (dict(filtered.RULES, omit_columns=["public.accounts.region"]), "'region' of table 'public.accounts' is left out"),
        (dict(filtered.RULES, types=["public.visits.day -> text"]), "'day' of table 'public.visits' has another type"),
        (dict(filtered.RULES, rows=[*filtered.ROWS, "public.parts where $tenant = 1"]), "contradicts"),
        (filtered.RULES, "references public.accounts, of which only rows where"),
    ]
    with Untouched(source, target):
        for number, (rules, why) in enumerate(cases):
            task = make_task(task=f"wrong{number}", target=NOTHING, rules=rules)
            for done in (task.run_to_end(), task.cmd("check")):
                assert done.code in (2, 3) and why in " ".join(done.text.split()), repr(done)
        task = make_task(task="dms", target=NOTHING)
        _write(task, [_selection(1, "parts", []), _selection(12, "visits", [_filter(("eq", "1"), column="no")])])
        done = task.run_to_end()
        assert done.code in (2, 3) and "rule 12" in done.text and "table-mappings.json:" in done.text, repr(done)
    rows = [*filtered.ROWS, "public.children where $account in (1, 2)"]
    source.sql("INSERT INTO children VALUES (1, 1), (2, 6), (3, NULL)")
    task = make_task(task="fine", target=NOTHING, rules=dict(filtered.RULES, rows=rows))
    assert task.cmd("check").code == 5
    task.start().wait_streaming()
    filtered.assert_equal(source, target)
    assert target.sql("SELECT id FROM children") == [(1,)]


@pytest.mark.parametrize("rules, column", [
    ({"rows": ["public.docs where $tenant = 1"]}, "tenant"),
    ({"add_columns": ["public.docs.full = lower($word)"]}, "word")])
def test_a_rule_that_a_table_does_not_fit_any_more_is_its_trouble_alone(rules, column, source, target, make_task):
    for db in (source, target):
        db.sql("CREATE TABLE docs (id int PRIMARY KEY, tenant int, word text); CREATE TABLE plain (id int PRIMARY KEY)", user="app")
    if "add_columns" in rules:
        target.sql('ALTER TABLE docs ADD "full" text')
    source.sql("INSERT INTO docs SELECT i, i % 2, 'W' || i FROM generate_series(1, 20) i")
    task = make_task(target=NOTHING, rules=rules).start().wait_streaming()
    source.sql(f"ALTER TABLE docs RENAME {column} TO other; INSERT INTO docs VALUES (30, 1, 'X')")

    def told():
        return f"'{column}'" in ((table_of(task, "docs") or {}).get("statement") or "")
    wait_until(lambda: task.must_live() and told(), 60, "the rule is told", 0.1, dump=task.describe)
    task.kill()
    task.start()
    source.sql("INSERT INTO plain VALUES (1)")
    wait_until(lambda: task.must_live() and target.value("SELECT count(*) FROM plain") == 1, 60, "the others go on", 0.1,
               dump=task.describe)
    assert table_of(task, "docs")["suspended_lsn"]
    source.sql(f"ALTER TABLE docs RENAME other TO {column}; INSERT INTO docs VALUES (31, 1, 'Y')")
    wait_until(lambda: task.must_live() and target.value("SELECT count(*) FROM docs WHERE id > 29") == 2, 90,
               "the table is back", 0.2, dump=task.describe)
    none_suspended(task)
    task.wait_streaming()
    task.ok("verify", timeout=120)


def test_a_condition_that_a_row_cannot_answer(source, target, make_task):
    for db in (source, target):
        db.sql("CREATE TABLE docs (id int PRIMARY KEY, n int, word text); CREATE TABLE plain (id int PRIMARY KEY)", user="app")
    source.sql("INSERT INTO docs SELECT i, i, 'w' FROM generate_series(1, 20) i")
    task = make_task(target=NOTHING, rules={"rows": ["public.docs where 100 / $n >= 10"]})
    checked = " ".join(task.cmd("check").text.split())
    assert "divides by zero suspends the table" in checked, checked
    assert "the replica identity does not hold all columns of 100 / $n >= 10" in checked, checked
    task.start().wait_streaming()
    source.sql("UPDATE docs SET n = 0 WHERE id = 3; INSERT INTO plain VALUES (1)")
    wait_until(lambda: task.must_live() and target.value("SELECT count(*) FROM plain") == 1, 60, "the others go on", 0.1,
               dump=task.describe)
    wait_until(lambda: "division by zero" in (table_of(task, "docs")["message"] or ""), 60, "the table is suspended", 0.1,
               dump=task.describe)
    source.sql("UPDATE docs SET n = 5 WHERE id = 3")
    none_suspended(task)
    task.wait_applied(source)
    assert target.sql("SELECT id FROM docs ORDER BY id") == [(i,) for i in range(1, 11)]


@pytest.mark.parametrize("rule", ["whole", "each"])
def test_a_new_partition_of_a_table_of_which_some_rows_move(rule, source, target, make_task):
    """It has the condition of its root; where only the others have one, it is not taken whole."""
    for db in (source, target):
        db.sql("CREATE TABLE docs (day int, tenant int, PRIMARY KEY (day, tenant)) PARTITION BY LIST (day);"
               "CREATE TABLE docs_1 PARTITION OF docs FOR VALUES IN (1)", user="app")
    source.sql("INSERT INTO docs SELECT 1, i FROM generate_series(1, 9) i")
    named = "public.docs" if rule == "whole" else "public.docs_1"
    task = make_task(target=NOTHING, rules={"rows": [f"{named} where $tenant < 4"]})
    task.start().wait_streaming()
    assert target.value("SELECT count(*) FROM docs") == 3
    for db in (source, target):
        db.sql("CREATE TABLE docs_2 PARTITION OF docs FOR VALUES IN (2)", user="app")
    source.sql("INSERT INTO docs SELECT 2, i FROM generate_series(1, 9) i")
    if rule == "whole":
        wait_until(lambda: task.must_live() and target.value("SELECT count(*) FROM docs") == 6, 90, "the partition is there", 0.2,
                   dump=task.describe)
        none_suspended(task)
        task.wait_applied(source)
        assert target.value("SELECT count(*) FROM docs_2") == 3
    else:
        wait_until(lambda: "no rule says" in ((table_of(task, "docs_2") or {}).get("statement") or ""), 90, "it is told", 0.2,
                   dump=task.describe)
        assert target.value("SELECT count(*) FROM docs_2") == 0


def test_rows_that_stay_behind_are_told_before_the_cutover(source, target, make_task):
    for db in (source, target):
        db.sql("CREATE TABLE docs (id int PRIMARY KEY, tenant int)", user="app")
    source.sql("INSERT INTO docs SELECT i, i % 4 FROM generate_series(1, 40) i")
    task = make_task(target=NOTHING, rules={"rows": ["public.docs where $tenant = 1"]}).start().wait_streaming()
    task.wait_ready()
    tried = " ".join(task.cutover("--dry-run").text.split())
    assert "30 rows are outside of its filter" in tried and "nobody can write them any more" in tried, tried
