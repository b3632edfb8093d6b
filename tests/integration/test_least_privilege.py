"""The whole way with the roles of docs/operations/permissions.md: no superuser on either side."""
import re

import pytest
from harness import oracle, place, workload
from harness.flow import finish


def grants(side, database):
    """The statements of the page, for this test's role and database."""
    page = (place.ROOT / "docs/operations/permissions.md").read_text(encoding="utf-8")
    block = re.search(rf"## {side}\n\n```sql\n(.*?)```", page, re.S).group(1)
    lines = [line.split("--")[0].strip() for line in block.splitlines()]
    return [line.replace("clinic", database) for line in lines if line and not line.startswith("CREATE ROLE")]


@pytest.fixture
def movers(clusters):
    for cluster in clusters:
        with cluster.connect() as c:
            if not c.execute("SELECT 1 FROM pg_roles WHERE rolname = 'mover'").fetchone():
                c.execute("CREATE ROLE mover LOGIN")


@pytest.mark.parametrize("replica_role", [True, False])
def test_least_privilege(replica_role, movers, source, target, make_task, make_writers):
    with target.connect() as c:
        c.execute("REVOKE SET ON PARAMETER session_replication_role FROM mover")
    for side, db in (("Source", source), ("Target", target)):
        for statement in grants(side, db.name):
            if replica_role or "session_replication_role" not in statement:
                db.sql(statement)
    workload.create(source)
    writers = make_writers(count=2)
    task = make_task(source={"user": "mover"}, target={"user": "mover"})
    checked = task.cmd("check", "--json").json()
    warned = [f for f in checked["findings"] if f["result"] == "warning" and "session_replication_role" in f["what"]]
    assert checked["blockers"] == 0 and len(warned) == (0 if replica_role else 1), checked
    task.start().wait_streaming()
    writers.wait_more(100)
    finish(task, source, target, writers)
    task.wait_back()
    target.sql("UPDATE account SET v = v + 1; DELETE FROM document WHERE id < 20", user="app")
    task.wait_back()
    done = task.rollback()
    assert done.code == 0, repr(done)
    oracle.assert_equal(target, source)
    source.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
