"""The usual course of a test: start, stream, cut over, compare."""
from . import oracle


def assert_error(result, slug, code):
    """One clear error: the documented exit code, the error's code, and a remedy."""
    assert result.code == code, f"exit code {result.code} instead of {code}\n{result!r}"
    assert slug in result.text, f"error code '{slug}' is not in the answer\n{result!r}"
    assert "hint" in result.text.lower(), f"no remedy in the answer\n{result!r}"
    for trace in ("Assertion", "AddressSanitizer", "runtime error:", "bug"):
        assert trace not in result.err, repr(result)


def cut_over(task, writers=None, expect=0, timeout=120, args=()):
    """Cuts over once the engine is ready; with writers, they must have noticed and lost nothing."""
    task.wait_ready()
    done = task.cutover(*args, timeout=timeout)
    assert done.code == expect, f"{done!r}\n{task.tail(100)}"
    return done


def finish(task, source, target, writers=None, **compare):
    """From streaming to the end: a cutover under the writers (started with after='stop' or 'probe'), then the
    oracle. Returns the cutover's result."""
    done = cut_over(task, writers)
    if writers is not None:
        if writers.base["after"] == "stop":
            writers.wait_all_stopped()
        else:
            writers.wait_moved()
            writers.stop()
            writers.assert_never_both_open()
            compare.setdefault("where", {"public.heartbeat": "via <> 'after'"})
    oracle.assert_equal(source, target, **compare)
    if writers is not None:
        writers.assert_nothing_lost(target)
    return done


def caught_up_and_equal(task, source, target, **compare):
    """Without a cutover: everything committed so far is on the target, and the slot is not ahead of it."""
    task.wait_applied(source)
    oracle.assert_slot_behind_target(source, target, task.task)
    # bascule keeps the application's triggers and sequences for the cutover.
    compare.setdefault("schema", False)
    compare.setdefault("sequences", False)
    oracle.assert_equal(source, target, **compare)


def there_and_back(task, writers, before_rollback=lambda: None):
    """From the load to the stream after a rollback, with a kill on either way; the writers follow."""
    task.start().wait_streaming()
    writers.wait_more(100)
    task.kill()
    task.start().wait_streaming()
    assert task.ok("verify", timeout=120).code == 0
    cut_over(task, args=("--max-downtime", "30s"))
    writers.wait_on(1)
    task.wait_phase("reversing")
    writers.wait_more(100)
    task.kill()
    task.start().wait_back()
    writers.wait_more(50)
    before_rollback()
    assert task.rollback("--max-downtime", "30s").code == 0, task.tail(100)
    writers.wait_on(0)
    task.wait_streaming()
    writers.wait_more(50)
