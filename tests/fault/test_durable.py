"""What the target has not yet on its disk is never confirmed to the source."""
import pytest
from harness import workload
from harness.daemon import lsn_number
from harness.flow import finish
from harness.waiting import wait_until


@pytest.mark.parametrize("settings", [{"wal_writer_delay": "'200ms'"}, {"wal_writer_delay": "'10s'", "wal_writer_flush_after": "'2GB'"},
                                      {"synchronous_standby_names": "''", "wal_writer_delay": "'1ms'"}],
                         ids=["default", "lazy", "eager"])
def test_a_crash_of_the_target_under_a_steady_stream(settings, make_cluster, make_database, make_task, make_writers):
    """Commits on the target are asynchronous: whether its WAL writer flushes them at once, in a moment or hardly ever, the
    slot of the source stays behind what a crash leaves."""
    target = make_database(make_cluster("target", settings=settings))
    source = workload.create(make_database(make_cluster("source")))
    writers = make_writers(src=source, dst=target, count=3, kind="gentle")
    task = make_task(src=source, dst=target).start().wait_streaming()

    def confirmed():
        return lsn_number(source.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE NOT temporary"))
    for _ in range(3):
        first = confirmed()
        writers.wait_more(300)
        wait_until(lambda: task.must_live() and confirmed() > first, 60, "something more is confirmed", dump=task.describe)
        writers.wait_more(20)
        before = confirmed()
        target.cluster.crash()
        latest = confirmed()
        task.kill()  # so that only what the crash left is read
        target.cluster.start()
        left = lsn_number(target.value("SELECT lsn FROM bascule.resume"))
        assert before <= latest <= left, f"confirmed {before:X}, then {latest:X}, but the target has {left:X}"
        task.start().wait_streaming()
    finish(task, source, target, writers)
