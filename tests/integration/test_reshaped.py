"""Columns that stay behind, that are made on the way, or have another type: in load, stream, comparison, repair, cutover and
on the way back; or refused before anything is touched."""
import json
import os

import pytest
from harness import reshaped
from harness.flow import cut_over, there_and_back
from harness.witness import Untouched


def rules_of(task, form):
    if form == "lines":
        return reshaped.RULES
    path = os.path.join(task.dir, "table-mappings.json")
    with open(path, "w") as f:
        json.dump(reshaped.DMS, f, indent=2)
    return {"dms_file": path}


@pytest.mark.parametrize("plugin, form", [("pgoutput", "lines"), ("wal2json", "dms")])
def test_there_and_back_with_other_columns(plugin, form, source, target, make_task, make_writers):
    reshaped.create(source, target)
    if plugin == "wal2json":  # which loses NaN of numeric columns, so it refuses them
        source.sql("CREATE DOMAIN money_amount AS numeric(10,2); ALTER TABLE orders ALTER amount TYPE money_amount")
        target.sql("CREATE DOMAIN money_amount AS numeric(10,2); ALTER TABLE shop.orders ALTER amount TYPE money_amount")
    writers = make_writers(count=2, kind="random", module="harness.reshaped", after="continue", rate=40)
    task = make_task(plugin=plugin, target={"prepare": "nothing"}, stream={"status_interval": "1s"})
    task.write_config(rules=rules_of(task, form))
    plan = task.ok("plan", "--json").json()
    assert {t["table"]: t["target"] for t in plan["tables"]}["public.users"] == "auth.users"
    assert all(r["matched"] > 0 for r in plan["rules"]), plan["rules"]
    assert "+full_name" in next(t["columns"] for t in plan["tables"] if t["table"] == "public.users")
    there_and_back(task, writers)
    cut_over(task, args=("--max-downtime", "30s"))
    writers.wait_on(1)
    writers.wait_more(20)
    writers.stop()
    task.wait_back()
    assert task.rollback("--max-downtime", "30s").code == 0, task.tail(100)
    reshaped.assert_equal(source, target)
    reshaped.assert_kept(source, target)
    writers.assert_nothing_lost(target)


def test_what_is_damaged_is_found_and_mended(source, target, make_task):
    reshaped.create(source, target)
    task = make_task(target={"prepare": "nothing"}, rules=reshaped.RULES).start().wait_streaming()
    target.sql("UPDATE auth.users SET own = 'mine' WHERE id < 10")
    target.sql("UPDATE auth.users SET full_name = 'somebody' WHERE id = 7; UPDATE auth.users SET tenant = 'x' WHERE id = 8;"
               "DELETE FROM auth.users WHERE id = 200; UPDATE shop.orders SET cents = 1 WHERE id = 5")
    done = task.cmd("verify", timeout=120)
    assert done.code == 4, repr(done)
    assert "full_name" in done.out and "tenant" in done.out and "cents" in done.out, repr(done)
    assert task.cutover().code == 4
    task.ok("repair", "--apply", timeout=120)
    reshaped.assert_equal(source, target)
    assert target.value("SELECT count(*) FROM auth.users WHERE own = 'mine'") == 9
    # many rows in one transaction, and one that only exists because a value changes
    source.sql("INSERT INTO users (id, mail, first) SELECT i, 'x' || i, 'X' FROM generate_series(5000, 9000) i;"
               "UPDATE users SET first = 'Y' || id WHERE id BETWEEN 5000 AND 7000; DELETE FROM users WHERE id > 8500")
    task.wait_applied(source)
    reshaped.assert_equal(source, target)
    assert task.ok("verify", timeout=120).code == 0


def written(lists):
    return "rules:\n" + "".join(f"  {key}: {json.dumps(lines)}\n" for key, lines in lists.items())


MISTAKES = [
    ({"omit_columns": ["public.users.nothing"]}, "names no column of a table in scope"),
    ({"omit_columns": ["public.users.id"]}, "'id' of table 'public.users' is part of its key"),
    ({"omit_columns": ["public.users.secret"], "only_columns": ["public.users.secret"]}, "contradicts"),
    ({"only_columns": ["public.users.mail"]}, "is part of its key"),
    ({"omit_columns": ["public.users"]}, "is not schema.table.column"),
    ({"add_columns": ["public.users.tenant = $nobody"]}, "'nobody' of table 'public.users' is none of its own"),
    ({"add_columns": ["public.users.tenant = $secret"], "omit_columns": ["*.*.secret"]}, "is left out"),
    ({"add_columns": ["public.users.tenant = now()"]}, "'now' is not supported"),
    ({"add_columns": ["public.users.tenant = (select 1)"]}, "'select' is not supported"),
    ({"add_columns": ["public.users.tenant = lower($first"]}, "without its ')'"),
    ({"add_columns": ["public.users.tenant = 'a"]}, "a quote is not closed"),
    ({"add_columns": ["public.users.tenant = abs($first)"]}, "column 'tenant' of table 'public.users'"),
    ({"add_columns": ["public.users.tenant = 'a'", "public.users.tenant = 'b'"]}, "contradicts"),
    ({"add_columns": ["public.users.mail = 'a'"]}, "would both be 'mail'"),
    ({"add_columns": ["public.nobody.x = 1"]}, "names no table in scope"),
    ({"types": ["public.users.mail -> bigint"]}, "public.users.mail' names|'mail'|text"),
    ({"types": ["public.ledger.id -> bigint"]}, "from one integer type to another"),
]


@pytest.mark.parametrize("lists, why", MISTAKES)
def test_mistakes_are_refused_before_anything_is_touched(lists, why, source, target, make_task):
    reshaped.create(source, target)
    if "types" in lists:  # a target that the other rules would fit
        target.sql("DROP TABLE auth.users CASCADE; DROP TABLE shop.orders, events")
        source.sql("DROP TABLE orders, events; ALTER TABLE users DROP secret")
        target.sql("CREATE TABLE users (id int PRIMARY KEY, mail int NOT NULL, first text, last text, legacy_flag int, photo text)")
    task = make_task(target={"prepare": "nothing"})
    with open(task.file) as f:
        task.write_text(f.read() + written(lists))
    with Untouched(source, target):
        for done in (task.run_to_end(), task.cmd("check")):
            text = " ".join(done.text.split())
            assert done.code in (2, 3) and any(w in text for w in why.split("|")), repr(done)


def test_a_column_that_is_needed_on_the_way_back_is_named(source, target, make_task):
    reshaped.create(source, target)
    source.sql("ALTER TABLE users ALTER secret DROP DEFAULT")
    task = make_task(target={"prepare": "nothing"}, rules=reshaped.RULES)
    checked = task.cmd("check")
    assert "column 'secret' stays behind, and is NOT NULL without default" in " ".join(checked.text.split()), repr(checked)
    task.start().wait_streaming()
    task.wait_ready()
    refused = task.cutover()
    assert refused.code == 3 and "secret" in refused.text, repr(refused)


def test_plan_tells_what_rules_about_columns_do(source, target, make_task):
    reshaped.create(source, target)
    task = make_task(target={"prepare": "nothing"},
                     rules=dict(reshaped.RULES, omit_columns=["public.users.secret", "*.*.legacy*", "*.*.nothing*"]))
    out = task.ok("plan").out
    assert "omit column '*.*.nothing*': 0 columns  <- matches nothing" in out, out
    assert "omit column '*.*.legacy*': 3 columns\n" in out, out
    assert "type 'public.orders.id -> bigint': 1 column\n" in out, out
    assert "-secret" in out and "+tenant" in out, out
