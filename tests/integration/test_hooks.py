"""Commands of the operator at the points of a cutover, and with them a pooler: no client transaction fails."""
import os

import pytest
from harness.bouncer import Bouncer, Clients, assert_nothing_failed, switch_rounds


def lines(path):
    with open(path) as f:
        return f.read().split("\n")[:-1]


def script(directory, body):
    path = os.path.join(directory, "hook.sh")
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + body + "\n")
    os.chmod(path, 0o755)
    return path


def test_hooks_at_every_point(app, target, make_task, directory):
    log = os.path.join(directory, "points")
    path = script(directory, f'echo "$CUTOVER_MODE $CUTOVER_POINT $CUTOVER_OUTCOME" >>{log}')
    points = [f"{when}-{phase}" for phase in ("preflight", "arm", "freeze", "drain", "sequences", "prove", "commit", "open")
              for when in ("before", "after")] + ["end"]
    task = make_task(hooks={"commands": [f"{p} 20s {path}" for p in points]}).start().wait_streaming()
    task.wait_ready()
    dry = task.cmd("cutover", "--dry-run")
    assert dry.code == 0 and not os.path.exists(log), "a dry run runs no hook"
    assert task.cutover("--rehearse").code == 0
    before_commit = points[:points.index("before-commit")]
    assert lines(log) == [f"rehearsal {p} " for p in before_commit] + ["rehearsal end rehearsed"]
    os.unlink(log)
    task.wait_ready()
    done = task.cutover()
    assert done.code == 0, repr(done)
    assert lines(log) == [f"cutover {p} " for p in points[:-1]] + ["cutover end cut-over"]


def test_a_hook_that_fails(app, target, make_task, directory):
    path = script(directory, 'echo "the load balancer says no" >&2; exit 3')
    task = make_task(hooks={"commands": [f"after-drain 20s abort {path}", f"before-arm warn {path}",
                                         "before-arm 300ms warn sleep 30"]}).start().wait_streaming()
    task.wait_ready()
    done = task.cutover()
    assert done.code == 7, repr(done)
    assert "hook after-drain" in done.text and "load balancer says no" in done.text, repr(done)
    assert done.out.count("FAILED  hook before-arm") == 2, repr(done)
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    bad = make_task(hooks={"commands": ["before-lunch /bin/true"]}).cmd("check")
    assert bad.code == 2 and "before-lunch" in bad.text, repr(bad)


@pytest.fixture
def pooled(app, make_task):
    bouncer = Bouncer(app)
    task = make_task(hooks={"commands": bouncer.hooks()}).start().wait_streaming()
    yield task, bouncer
    bouncer.stop()


def test_no_client_transaction_fails_behind_a_pooler(app, target, pooled):
    task, bouncer = pooled
    with Clients(bouncer.conninfo) as clients:
        switch_rounds(task, clients, 1, dump=lambda: bouncer.read("hook.log"))
    assert_nothing_failed(task, clients, app, target)
