"""kill -9 while single tables are paused, resumed, copied again or added: done or not, and nothing is lost either way."""
import pytest
from harness import oracle
from harness.flow import finish
from harness.suspended import none_suspended, table_of
from harness.waiting import wait_until

WORDS = {"pause": ("pause", "public.account"), "resume": ("resume", "public.account"), "reload": ("reload", "public.account"),
         "add": ("add", "public.later")}


@pytest.mark.parametrize("fault", ["TABLES_WRITTEN", "TABLES_DONE"])
@pytest.mark.parametrize("action", WORDS)
def test_kill_while_a_table_is_handled(action, fault, app, target, make_task, make_writers):
    """Written or committed: the command's answer is "not known", and what the target says goes."""
    later = "CREATE TABLE later (id int PRIMARY KEY, v int)"
    app.sql(later + "; INSERT INTO later SELECT i, i FROM generate_series(1, 100) i; GRANT ALL ON later TO app")
    moving = [t for (t,) in app.sql("SELECT 'public.' || relname FROM pg_class WHERE relkind IN ('r', 'p')"
                                    " AND relnamespace = 'public'::regnamespace AND relname <> 'later'")]
    task = make_task(tables={"include": moving}, stream={"status_interval": "1s"})
    writers = make_writers(count=2, kind="gentle")
    task.start(env={"BASCULE_FAULT": f"{fault}@{2 if action == 'resume' else 1}:kill"}).wait_streaming()
    target.sql(later)
    if action == "resume":
        task.ok("tables", "pause", "public.account", timeout=120)
    done = task.cmd("tables", *WORDS[action], timeout=120)
    assert done.code == 6, repr(done)
    assert task.wait_exit() == -9, task.tail()
    oracle.assert_slot_behind_target(app, target, task.task)
    task.start().wait_streaming()
    # Asking again does no harm, whatever became of it.
    if action != "add" or (fault == "TABLES_WRITTEN"):
        task.ok("tables", *WORDS[action], timeout=120)
    if action == "pause":
        wait_until(lambda: task.must_live() and (table_of(task, "account") or {}).get("paused") == "kept", 60, "it is paused", 0.1,
                   dump=task.describe)
        task.ok("tables", "resume", "public.account", timeout=120)
    if action == "add":
        wait_until(lambda: task.must_live() and (table_of(task, "later") or {}).get("full_load_rows") == 100, 60,
                   "the added table is loaded", 0.1, dump=task.describe)
    none_suspended(task)
    task.wait_applied(app)
    compare = {} if action == "add" else {"where": {"public.later": "false"}}
    if action != "add":
        target.sql("DROP TABLE later; " + later)
    finish(task, app, target, writers, schema=False, **compare)


def test_kill_where_changes_are_let_go(app, target, make_task, make_writers):
    task = make_task(tables={"pause_limit": "200kB"}, stream={"status_interval": "1s"})
    writers = make_writers(count=2, kind="gentle")
    task.start(env={"BASCULE_FAULT": "TABLES_LET_GO@1:kill"}).wait_streaming()
    task.ok("tables", "pause", "public.account", timeout=120)
    assert task.wait_exit(120) == -9, task.tail()
    oracle.assert_slot_behind_target(app, target, task.task)
    task.start().wait_streaming()
    wait_until(lambda: task.must_live() and (table_of(task, "account") or {}).get("paused") == "lost", 60,
               "its changes are let go", 0.1, dump=task.describe)
    assert "copied again" in task.ok("tables", "resume", "public.account", timeout=120).out
    none_suspended(task)
    task.wait_applied(app)
    finish(task, app, target, writers)
