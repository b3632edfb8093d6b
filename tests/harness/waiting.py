"""Waiting for something to become true; the only place in the tests that lets time pass."""
import time


class Timeout(AssertionError):
    pass


def wait_until(condition, timeout=30.0, what="", interval=0.05, dump=None):
    """Calls `condition` until it returns something true and returns that. `dump()` is printed on timeout."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        last = condition()
        if last:
            return last
        if time.monotonic() >= deadline:
            name = what or getattr(condition, "__name__", "condition")
            extra = f"\n{dump()}" if dump else ""
            raise Timeout(f"after {timeout:g} s still not true: {name} (last value {last!r}){extra}")
        time.sleep(interval)
