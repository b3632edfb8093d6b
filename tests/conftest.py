"""Fixtures: servers shared by a worker, databases and a task owned by one test."""
import itertools
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import majors, place, workload  # noqa: E402
from harness.daemon import Bascule  # noqa: E402
from harness.server import Cluster  # noqa: E402
from harness.writers import Writers  # noqa: E402

_number = itertools.count(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, f"report_{call.when}", outcome.get_result())


@pytest.fixture(scope="session")
def shared_clusters():
    """Two servers for every test that neither stops nor reconfigures one."""
    pair = [Cluster(name).start().prepare_roles() for name in ("source", "target")]
    yield pair
    for cluster in pair:
        cluster.destroy()


@pytest.fixture
def clusters(shared_clusters):
    return shared_clusters


@pytest.fixture
def make_cluster():
    """Servers of one's own: make_cluster("target", bindir=..., settings={...})."""
    made = []

    def make(name="server", **kw):
        made.append(Cluster(name, **kw))
        return made[-1].start().prepare_roles()
    yield make
    for cluster in made:
        cluster.destroy()


@pytest.fixture
def make_database():
    made = []

    def make(cluster, name=None, **kw):
        db = cluster.create_database(name or f"t{next(_number)}", **kw)
        made.append(db)
        return db
    yield make
    for db in made:
        if db.cluster.running:
            db.cluster.drop_database(db.name)


@pytest.fixture
def source(clusters, make_database):
    """An empty database on the source server."""
    return make_database(clusters[0])


@pytest.fixture
def target(clusters, make_database):
    return make_database(clusters[1])


@pytest.fixture
def directory(request):
    """Short, because a unix socket lives in it."""
    path = os.path.join(place.base(), f"d{next(_number)}")
    os.makedirs(path)
    return path


@pytest.fixture
def make_task(request, directory, source, target):
    """bascule tasks; killed at the end, their logs shown when the test failed."""
    made = []

    def make(src=source, dst=target, **config):
        name = re.sub(r"\W", "_", config.pop("task", f"m{next(_number)}").lower())
        made.append(Bascule(os.path.join(directory, f"b{len(made)}"), src, dst, task=name, **config))
        return made[-1]
    yield make
    failed = getattr(request.node, "report_call", None) is not None and request.node.report_call.failed
    for b in made:
        if failed and os.path.exists(b.log):
            print(f"===== log of {b.task} ({b.log})\n{b.tail(120)}")
        b.kill()


@pytest.fixture
def app(source):
    """The application's database, filled."""
    return workload.create(source)


@pytest.fixture
def make_writers(source, target):
    made = []

    def make(src=source, dst=target, **kw):
        made.append(Writers(src, dst, **kw))
        return made[-1].start()
    yield make
    for writers in made:
        writers.stop(check=False)


@pytest.fixture(scope="session")
def server_bin():
    """server_bin(17) -> directory of that major's programs."""
    return majors.bindir


def pytest_collection_modifyitems(config, items):
    """Tests of other majors need servers from npm. In CI they run and fail when those cannot be had; elsewhere they
    are taken out, and it is said why."""
    wanted = [i for i in items if i.get_closest_marker("other_major")]
    if not wanted or os.environ.get("CI"):
        return
    reason = majors.missing_because()
    if reason:
        print(f"\n{len(wanted)} tests of other PostgreSQL versions taken out: {reason}", file=sys.stderr)
        config.hook.pytest_deselected(items=wanted)
        items[:] = [i for i in items if i not in wanted]
