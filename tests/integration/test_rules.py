"""Tables and columns that are called otherwise on the target: everywhere, or refused before anything is touched."""
import json
import os

import pytest
from harness import renamed
from harness.flow import assert_error, cut_over
from harness.witness import Untouched


def dms_file(task, content=None):
    path = os.path.join(task.dir, "table-mappings.json")
    with open(path, "w") as f:
        f.write(content if content is not None else json.dumps(renamed.DMS, indent=2))
    return path


def assert_sequences_ahead(db, names):
    for table, column in names:
        used = db.value(f"SELECT max({column}) FROM {table}")
        assert db.value(f"SELECT nextval(pg_get_serial_sequence('{table}', '{column}'))") > used, table


@pytest.mark.parametrize("plugin, form", [("pgoutput", "lines"), ("wal2json", "dms")])
def test_there_and_back_under_other_names(plugin, form, source, target, make_task, make_writers):
    renamed.create(source, target)
    writers = make_writers(count=2, kind="random", module="harness.renamed", after="continue", rate=40)
    task = make_task(plugin=plugin, target={"prepare": "nothing"}, stream={"status_interval": "1s"})
    task.write_config(rules={"names": renamed.LINES} if form == "lines" else {"dms_file": dms_file(task)})
    plan = task.ok("plan", "--json").json()
    assert {t["table"]: t["target"] for t in plan["tables"]} == {
        "public.users": "auth.users", "public.health_metrics": "health.health_metrics",
        "public.tbl_notes": "web.notes", "public.tbl_tags": "web.tags", "public.ledger": "public.ledger"}
    assert all(r["matched"] > 0 for r in plan["rules"])
    task.start().wait_streaming()
    writers.wait_more(100)
    task.kill()
    task.start().wait_streaming()
    assert task.ok("verify", timeout=120).code == 0
    source.sql("SELECT setval('ticket', 500)")
    cut_over(task, args=("--max-downtime", "30s"))
    writers.wait_on(1)
    assert_sequences_ahead(target, [("auth.users", "id"), ("health.health_metrics", "id")])
    assert target.value("SELECT nextval('ticket')") > 500
    task.wait_phase("reversing")
    writers.wait_more(100)
    task.kill()
    task.start().wait_back()
    writers.wait_more(50)
    assert task.rollback("--max-downtime", "30s").code == 0, task.tail(100)
    writers.wait_on(0)
    assert_sequences_ahead(source, [("users", "id"), ("health_metrics", "id")])
    task.wait_streaming()
    writers.wait_more(50)
    cut_over(task, args=("--max-downtime", "30s"))
    writers.wait_on(1)
    writers.stop()
    task.wait_back()
    assert task.rollback("--max-downtime", "30s").code == 0, task.tail(100)
    renamed.assert_equal(source, target)
    writers.assert_nothing_lost(target)


def test_damage_is_found_under_the_other_names(source, target, make_task):
    renamed.create(source, target)
    task = make_task(target={"prepare": "nothing"}, rules={"names": renamed.LINES}).start().wait_streaming()
    target.sql("UPDATE auth.users SET email = 'somebody else' WHERE id = 7; DELETE FROM web.notes WHERE a = 3")
    done = task.cmd("verify", timeout=120)
    assert done.code == 4, repr(done)
    assert "users" in done.out and "tbl_notes" in done.out and "tbl_tags" not in done.out.split("differ")[0], repr(done)
    refused = task.cutover()
    assert refused.code == 4, repr(refused)


def test_rules_stay_what_they_were(source, target, make_task):
    renamed.create(source, target)
    task = make_task(target={"prepare": "nothing"}, rules={"names": renamed.LINES}).start().wait_streaming()
    task.stop()
    target.sql("CREATE TABLE web.labels (LIKE web.tags INCLUDING ALL)", user="app")
    task.write_config(rules={"names": renamed.LINES + ["public.tbl_tags -> web.labels"]})
    done = task.run_to_end()
    assert done.code == 2 and "began with" in done.text, repr(done)
    task.write_config(rules={"names": renamed.LINES})
    task.start().wait_streaming()
    task.wait_applied(source)
    renamed.assert_equal(source, target)


NAMES = "rules: {{names: [{}]}}\n"
MISTAKES = [
    ("'public.nobody -> auth.nobody'", "names no table in scope"),
    ("'public.users.email -> mail'", "names no column of a table in scope"),
    ("'public.users -> public.tbl_tags'", "would both be 'public.tbl_tags'"),
    ("'public.users.mail -> v'", "would both be 'v'"),
    ("'public.* -> app.*', 'public.tbl_* -> web.*'", "contradicts"),
    ("'public.users = auth.users'", "is not FROM -> TO"),
]


@pytest.mark.parametrize("lines, why", MISTAKES)
def test_mistakes_are_refused_before_anything_is_touched(lines, why, source, target, make_task):
    renamed.create(source, target)
    task = make_task(target={"prepare": "nothing"})
    with open(task.file) as f:
        task.write_text(f.read() + NAMES.format(lines))
    with Untouched(source, target):
        done = task.run_to_end()
        assert done.code in (2, 3) and why in done.text, repr(done)
        checked = task.cmd("check")
        assert checked.code in (2, 3) and why in " ".join(checked.text.split()), repr(checked)


def test_a_file_of_rules_that_cannot_be_is_refused_by_its_id(source, target, make_task):
    renamed.create(source, target)
    task = make_task(target={"prepare": "nothing"})
    bad = json.loads(json.dumps(renamed.DMS))
    bad["rules"].append(dict(bad["rules"][5], **{"rule-id": "77", "rule-action": "define-primary-key"}))
    task.write_config(rules={"dms_file": dms_file(task, json.dumps(bad, indent=2))})
    done = task.cmd("plan")
    assert_error(done, "config", 2)
    assert "rule 77: 'rule-action' define-primary-key is not supported" in done.text
    assert "table-mappings.json:" in done.text


def test_create_is_refused_with_other_names(source, target, make_task):
    renamed.create(source, target)
    task = make_task(rules={"names": ["public.users -> auth.people"]})
    done = task.run_to_end()
    assert done.code == 3 and "target.prepare" in done.text and "people" in done.text, repr(done)
    assert target.slots() == [] and source.slots() == []


def test_plan_names_rules_that_match_nothing(source, target, make_task):
    renamed.create(source, target)
    task = make_task(target={"prepare": "nothing"},
                     rules={"names": renamed.LINES + ["other.* -> web.*"]})
    out = task.ok("plan").out
    assert "'other.* -> web.*': 0 tables  <- matches nothing" in out, out
    assert "'public.tbl_* -> web.*': 2 tables\n" in out, out
    assert "public.users -> auth.users" in out
