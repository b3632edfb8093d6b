"""Before a cutover: every check with its finding, what it would cost, and a plan that must be the one confirmed."""
import json
import threading

import psycopg
import pytest
from harness import oracle, workload
from harness.flow import assert_error, finish
from harness.waiting import wait_until
from harness.witness import Untouched


def last_report(done):
    """The last line of --json."""
    lines = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
    assert lines and lines[-1]["event"] == "report", repr(done)
    return lines[-1]["report"]


def checks_of(task, result):
    done = task.cmd("cutover", "--check", "--json")
    return [c["check"] + ": " + c["text"] for c in last_report(done)["checks"] if c["result"] == result]


@pytest.fixture
def streaming(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    task.wait_applied(app)
    return task


def test_check_changes_nothing_and_lists_everything(app, target, streaming):
    task = streaming
    with Untouched(app, target):
        first = task.cmd("cutover", "--check")
        assert first.code in (0, 5), repr(first)
        assert "0 blockers" in first.out and "Plan" in first.out, repr(first)
        second = last_report(task.cmd("cutover", "--check", "--json"))
        third = last_report(task.cmd("cutover", "--dry-run", "--json"))
    assert second["plan_hash"] == third["plan_hash"] and len(second["plan_hash"]) == 16
    names = {c["check"] for c in second["checks"]}
    assert {"lag", "source", "slot", "target", "shape", "ownership", "holders", "running commands", "both databases",
            "tables of the target", "last minute", "verification", "rehearsal", "disk", "traffic", "prediction"} <= names
    parts = second["prediction"]
    assert parts["total_ms"] == pytest.approx(parts["lock_ms"] + parts["drain_ms"] + parts["prove_ms"], abs=1)


def test_what_was_never_tried_or_verified_is_told(app, target, make_task):
    """Neither stands in the way. A verification, then a rehearsal of the same plan, and nothing is told any more."""
    task = make_task(cutover={"max_verify_age": "1h"}).start().wait_streaming()
    task.wait_ready()
    told = " | ".join(checks_of(task, "warning"))
    assert "rehearsal: plan " in told and "tables have no recent verification" in told and "never verified" in told, told
    assert task.cmd("verify").code == 0
    done = task.cutover("--rehearse")
    assert done.code == 0 and "is ready and was tried" in done.out, repr(done)
    task.wait_ready()
    told = " | ".join(checks_of(task, "warning"))
    assert "rehears" not in told and "verif" not in told, told


def test_what_differs_between_the_sides_is_found(app, target, streaming):
    task = streaming
    app.sql("ALTER DATABASE " + app.name + " SET work_mem = '7MB'")
    app.sql("GRANT SELECT ON account TO tls_user")
    app.sql("SELECT lo_create(0)")
    found = " | ".join(checks_of(task, "warning"))
    for word in ("work_mem=7MB", "grants differ between source and target: public.account", "large objects"):
        assert word in found, found
    target.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    target.sql("ALTER TABLE keyed DISABLE TRIGGER bascule_fence")
    target.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'order_line_sku'::regclass")
    done = task.cmd("cutover", "--check")
    assert done.code == 3, repr(done)
    for word in ("row security", "public.document", "disabled the fence of the target", "public.keyed", "order_line_sku"):
        assert word in done.out, repr(done)
    # The same checks stand in front of the real thing.
    assert_error(task.cutover(), "schema-differs", 3)
    target.sql("ALTER TABLE document DISABLE ROW LEVEL SECURITY")
    target.sql("ALTER TABLE keyed ENABLE ALWAYS TRIGGER bascule_fence")
    target.sql("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'order_line_sku'::regclass")
    assert checks_of(task, "blocker") == []


def test_confirmed_plan_is_the_one_that_runs(app, target, streaming):
    task = streaming
    shown = task.cmd("cutover", "--dry-run")
    plan = last_report(task.cmd("cutover", "--dry-run", "--json"))["plan_hash"]
    assert f"--confirm={plan}" in shown.out, repr(shown)
    # other limits than those that were confirmed
    other = task.cmd("cutover", f"--confirm={plan}", "--max-downtime", "7s")
    assert_error(other, "plan-changed", 3)
    assert "max downtime: 7000 ms (was 10000 ms)" in other.text, repr(other)
    unknown = task.cmd("cutover", "--confirm=0123456789abcdef")
    assert_error(unknown, "plan-changed", 3)
    assert "no plan of that name" in unknown.text
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")  # the source is the primary
    done = task.cmd("cutover", f"--confirm={plan}")
    assert done.code == 0, repr(done)
    oracle.assert_equal(app, target)


def test_refused_when_it_would_take_too_long(app, target, make_task):
    workload.add_bulk(app, 130)
    task = make_task(cutover={"lock_timeout": "20ms"}).start().wait_streaming()
    task.wait_ready()
    with Untouched(app):
        done = task.cutover("--max-downtime", "100ms")
        assert_error(done, "blocked", 3)
        assert "the downtime budget is 100 ms" in done.text, repr(done)
        checked = task.cmd("cutover", "--check", "--max-downtime", "100ms")
        assert checked.code == 3, repr(checked)
    finish(task, app, target)


def test_a_command_that_does_not_give_way(app, target, streaming):
    """VACUUM by a person holds the table and is not cancelled by our lock."""
    task = streaming
    with app.connect() as vacuum:
        vacuum.execute("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1")
        thread = threading.Thread(target=lambda: _ignore(vacuum, "VACUUM (DISABLE_PAGE_SKIPPING) document"))
        thread.start()
        wait_until(lambda: app.value("SELECT count(*) FROM pg_stat_progress_vacuum"), 20, "VACUUM is on its way")
        found = " ".join(checks_of(task, "blocker"))
        assert "VACUUM works on" in found and "document" in found, found
        app.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum")
        thread.join()
    assert checks_of(task, "blocker") == []


def _ignore(conn, sql):
    try:
        conn.execute(sql)
    except psycopg.Error:
        pass
