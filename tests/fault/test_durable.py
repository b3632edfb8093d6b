"""What the target has not yet on its disk is never confirmed to the source."""
import subprocess

import pytest
from harness import oracle
from harness.daemon import lsn_number
from harness.waiting import wait_until

LAZY = {"wal_writer_delay": "'10s'", "wal_writer_flush_after": "'2GB'", "wal_buffers": "'256MB'"}


@pytest.fixture
def steady(tmp_path):
    """steady(db): small transactions one after the other, so that the applier is hardly ever idle."""
    running = []
    script = tmp_path / "insert.sql"
    script.write_text("INSERT INTO line DEFAULT VALUES;\n")

    def start(db):
        db.sql("CREATE TABLE line (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now())")
        running.append(subprocess.Popen([f"{db.cluster.bindir}/pgbench", "-n", "-c", "4", "-R", "1000", "-T", "600", "-M", "prepared", "-f", str(script),
                                         db.dsn], env={"PGOPTIONS": "-c synchronous_commit=off"}, stdout=subprocess.DEVNULL))
        return running[-1]
    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.parametrize("settings", [{}, LAZY], ids=["default", "lazy"])
def test_a_crash_of_the_target_under_a_steady_stream(settings, make_cluster, make_database, make_task, steady):
    """Commits on the target are asynchronous: whether its WAL writer flushes them soon or hardly ever, the slot
    of the source stays behind what a crash leaves."""
    target = make_database(make_cluster("target", settings=settings))
    source = make_database(make_cluster("source"))
    writing = steady(source)
    task = make_task(src=source, dst=target).start().wait_streaming(120)

    def confirmed():
        return lsn_number(source.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE NOT temporary"))
    for _ in range(3):
        for _ in range(2):
            first = confirmed()
            wait_until(lambda: task.must_live() and confirmed() > first, 60, "something more is confirmed", 0.01, dump=task.describe)
        target.cluster.crash()
        latest = confirmed()
        task.kill()  # so that only what the crash left is read
        target.cluster.start()
        left = lsn_number(target.value("SELECT lsn FROM bascule.resume"))
        assert latest <= left, f"{latest:X} was confirmed, but the target has {left:X}"
        task.start().wait_streaming(120)
    assert writing.poll() is None, "nobody wrote"
    writing.terminate()
    writing.wait()
    task.wait_applied(source)
    oracle.assert_equal(source, target, schema=False, sequences=False)
