"""Lag is commits that the target does not have: neither the age of an open transaction nor of WAL that says nothing."""
import pytest
from harness.waiting import wait_until


@pytest.fixture
def streaming(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    return task


def is_ahead(db):
    """The server has written WAL that it has not flushed, and so cannot have sent."""
    return db.value("SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()")


def test_an_open_transaction_is_no_lag(app, target, streaming):
    """It writes on and on; what it writes stays unflushed on a server without another commit."""
    looks = set()

    def no_lag():
        holder.execute("UPDATE account SET v = v + 1 WHERE id = 1")
        ahead = is_ahead(app)
        if ahead:
            looks.update(app.sql("SELECT query_start FROM pg_stat_activity WHERE datname = current_database()"
                                 " AND application_name LIKE 'bascule:%ticker%'"))
        status = streaming.status()
        return (ahead and len(looks) > 5 and status["lag"]["bytes"] == 0 and status["lag"]["seconds"] == 0
                and status["ready_for_cutover"])

    with app.connect("app") as holder:
        holder.execute("BEGIN")
        wait_until(no_lag, 40, "no lag, however often it is measured while a transaction is open", 0.1,
                   dump=streaming.describe)
        checked = streaming.cmd("cutover", "--check")
        assert "behind, the limit" not in checked.text, repr(checked)
        holder.execute("COMMIT")
    streaming.wait_applied(app)
    assert target.value("SELECT v FROM account WHERE id = 1") == app.value("SELECT v FROM account WHERE id = 1")


def test_commits_that_wait_are_lag(app, target, streaming):
    """The other way round: what is committed and not applied counts, in bytes and in seconds."""
    with target.connect() as hold:
        hold.execute("BEGIN; LOCK TABLE account IN SHARE MODE")
        app.sql("UPDATE account SET v = v + 1", user="app")
        app.sql("CHECKPOINT")  # idle WAL behind it moves what was received, and not what was applied
        wait_until(lambda: (streaming.status()["lag"]["seconds"] or 0) > 1, 30, "lag", dump=streaming.describe)
        assert streaming.status()["lag"]["bytes"] > 0
        refused = streaming.cutover()
        assert refused.code == 3 and "behind, the limit is 1" in refused.text, repr(refused)
    wait_until(lambda: streaming.status()["lag"]["bytes"] == 0, 30, "caught up", dump=streaming.describe)
    # For a minute it is remembered; whoever asks later than that has seen a slow test.
    wait_until(lambda: "within the last minute the target was up to" in streaming.cmd("cutover", "--check").text, 30,
               "the last minute's lag is a warning", 0.5)
