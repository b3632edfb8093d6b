"""Poolers that bascule pauses, leads to the other side and resumes by itself: no client transaction fails."""
import statistics

import psycopg
import pytest
from harness import oracle
from harness.bouncer import Bouncer, Clients, assert_nothing_failed, switch_rounds
from harness.waiting import wait_until
from test_cutover_plan import checks_of


@pytest.fixture
def bouncers(app):
    made = []

    def make():
        made.append(Bouncer(app))
        return made[-1]
    yield make
    for bouncer in made:
        bouncer.stop()


@pytest.fixture
def pooled(app, bouncers, make_task):
    bouncer = bouncers()
    task = make_task(traffic={"pgbouncer": [bouncer.line()]}).start().wait_streaming()
    task.wait_ready()
    return task, bouncer


def leads_to(bouncer, db):
    entry = bouncer.entry()
    return (entry["host"], int(entry["port"]), entry["database"]) == (db.cluster.dir, db.cluster.port, db.name)


def test_five_rounds_through_two_poolers(app, target, bouncers, make_task):
    first, second = bouncers(), bouncers()
    task = make_task(traffic={"pgbouncer": [first.line(), second.line()]}).start().wait_streaming()
    with Clients(first.conninfo, prefix="first") as clients, Clients(second.conninfo, prefix="second") as others:
        reports = switch_rounds(task, clients, 5)
        others.wait_more(50)
    clients.acknowledged += others.acknowledged
    clients.failures += others.failures
    assert_nothing_failed(task, clients, app, target)
    assert all(r["paused_ms"] >= r["downtime_ms"] > 0 for r in reports), [r["paused_ms"] for r in reports]
    assert leads_to(first, app) and leads_to(second, app)
    assert "pool_size" not in first.read("bouncer.ini").split("[pgbouncer]")[0]


def test_a_client_that_stays_in_its_transaction(app, target, pooled):
    """PAUSE cannot end: it is taken back, nothing was switched, and the client goes on."""
    task, bouncer = pooled
    task.write_config(traffic={"pause_timeout": "1s"})
    task.stop()
    task.start().wait_streaming()
    task.wait_ready()
    with psycopg.connect(bouncer.conninfo, prepare_threshold=None) as client:
        client.execute("UPDATE account SET v = v + 1 WHERE id = 1")
        done = task.cutover()
        assert done.code == 7 and "a client of it stays in a transaction" in done.text, repr(done)
        assert not bouncer.is_paused()
        client.execute("UPDATE account SET v = v + 1 WHERE id = 1")
        client.commit()
    assert leads_to(bouncer, app)
    with Clients(bouncer.conninfo) as clients:
        switch_rounds(task, clients, 1)
    assert_nothing_failed(task, clients, app, target)


def test_resumed_when_the_cutover_is_given_up(app, target, pooled):
    task, bouncer = pooled
    with Clients(bouncer.conninfo) as clients:
        assert task.cutover("--rehearse").code == 0
        assert not bouncer.is_paused() and leads_to(bouncer, app)
        clients.wait_more(20)
        target.sql("SET session_replication_role = replica; ALTER TABLE document DISABLE TRIGGER bascule_fence;"
                   "DELETE FROM document WHERE id = 7; ALTER TABLE document ENABLE ALWAYS TRIGGER bascule_fence")
        done = task.cutover("--max-lag", "30s", "--verify", "full")
        assert done.code == 4, repr(done)
        assert not bouncer.is_paused() and leads_to(bouncer, app)
        clients.wait_more(20)
    assert clients.failures == []


@pytest.mark.parametrize("point", ["CUTOVER_FENCED", "CUTOVER_COMMITTED", "CUTOVER_OPENED"])
def test_killed_while_the_clients_wait(point, app, target, bouncers, make_task):
    """Whatever the kill left behind, the next run resumes the pooler, on the side that is open."""
    bouncer = bouncers()
    task = make_task(traffic={"pgbouncer": [bouncer.line()]})
    task.start(env={"BASCULE_FAULT": f"{point}:kill"}).wait_streaming()
    task.wait_ready()
    with Clients(bouncer.conninfo) as clients:
        clients.wait_more(20)
        assert task.cutover("--max-lag", "30s").code != 0
        task.wait_exit()
        assert bouncer.is_paused()
        task.start()
        if point == "CUTOVER_COMMITTED":  # not decided: clients wait for who decides
            wait_until(lambda: task.must_live() and task.cutover().code == 0, 60, "rolled forward", 0.2, dump=task.tail)
        wait_until(lambda: not bouncer.is_paused(), 60, "resumed", dump=task.tail)
        clients.wait_more(20)
    assert clients.failures == []
    opened = point != "CUTOVER_FENCED"
    assert leads_to(bouncer, target if opened else app)
    task.wait_phase("reversing" if opened else "streaming")


def test_abort_after_a_kill_resumes(app, target, pooled, make_task):
    task, bouncer = pooled
    task.stop()
    task.start(env={"BASCULE_FAULT": "CUTOVER_COMMITTED:kill"}).wait_streaming()
    task.wait_ready()
    with Clients(bouncer.conninfo) as clients:
        assert task.cutover("--max-lag", "30s").code != 0
        task.wait_exit()
        task.ok("abort")
        assert not bouncer.is_paused() and leads_to(bouncer, app)
        clients.wait_more(20)
    assert clients.failures == []


def test_what_stands_against_it_is_found_before(app, target, pooled):
    task, bouncer = pooled
    for line, words in (
            (bouncer.line("app,nosuch"), "has no database 'nosuch'"),
            (bouncer.line().replace("bouncer.ini", "users.txt"), "has no entry 'app' in [databases]"),
            (f"host=127.0.0.1 port={bouncer.port + 1} user=operator databases=app", "does not answer"),
            (bouncer.line().replace("user=operator", "user=app"), "does not answer")):
        task.write_config(traffic={"pgbouncer": [line]})
        task.stop()
        task.start().wait_streaming()
        task.wait_ready()
        found = " ".join(checks_of(task, "blocker"))
        assert words in found, found
    for line, words in (("host=x user=y", "names no databases"), ("databases=a password=hush", "holds a password")):
        task.write_config(traffic={"pgbouncer": [line]})
        bad = task.cmd("check")
        assert bad.code == 2 and words in bad.text and "hush" not in bad.text, repr(bad)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_hundred_rounds_through_the_pooler(app, target, pooled):
    """100 cutovers and 100 rollbacks: `pytest -m long -s -k hundred_rounds integration/test_traffic.py`."""
    task, bouncer = pooled
    with Clients(bouncer.conninfo) as clients:
        reports = switch_rounds(task, clients, 100)
    assert_nothing_failed(task, clients, app, target)
    oracle.assert_equal(app, target, schema=False, sequences=False)
    for name in ("paused_ms", "downtime_ms"):
        figures = sorted(r[name] for r in reports)
        print(f"{name}: {len(figures)} switches, median {statistics.median(figures):.0f},"
              f" 99 % {figures[int(len(figures) * 0.99) - 1]:.0f}, most {figures[-1]:.0f}")
    print(f"{len(clients.acknowledged)} transactions, {len(clients.failures)} failed")
