"""kill -9 of the source, of the target, a path that is cut: at every step of the cutover and of the rollback. Nothing is
lost, never are both sides open, nobody is kept waiting by a switch that cannot go on, and the command again ends it."""
import pytest
from harness import oracle
from harness.struck import SWITCH, Crash, Cut, Struck
from test_kill import CUTOVER, DECIDED

PLACES = [f for f in CUTOVER if f not in DECIDED] + sorted(DECIDED)
ACCIDENTS = [(kind, side) for kind in ("crash", "cut") for side in (0, 1)]


@pytest.fixture
def struck(make_cluster, make_database, make_writers, make_task):
    one = Struck(make_cluster, make_database, make_writers, make_task)
    yield one
    one.close()


def visit(struck, direction, places, kind, side):
    task = struck.task.start().wait_streaming() and struck.task
    if direction == "rollback":
        struck.switch("cutover")
    back = "rollback" if direction == "cutover" else "cutover"
    for fault in places:
        struck.wait_for(direction)
        accident = Crash(struck, side) if kind == "crash" else Cut(struck, side, fault in DECIDED)
        done, decision = struck.go_to(direction, fault, accident)
        print(f"{direction}, {fault}, {kind} of side {side}: exit {done.code}, decision {decision}")
        if fault in DECIDED:
            assert decision in ("fenced", "opened"), f"{fault}: {decision}\n{done!r}"
        if decision in ("fenced", "opened"):
            if done.code != 0:
                again = task.cmd(direction, "--yes", timeout=120)
                assert again.code == 0, f"{fault}: {again!r}\n{task.tail(100)}"
            struck.arrived(direction)
            struck.switch(back)
        else:
            assert done.code not in (0, 6), f"{fault}: {decision} {done!r}"
            struck.writers.wait_more(20)
            struck.writers.assert_windows(struck.windows)
    # And it can be done as if nothing had been.
    struck.switch(direction)
    if direction == "cutover":
        struck.switch(back)
    struck.writers.stop()
    task.wait_applied(struck.source)
    oracle.assert_equal(struck.source, struck.target, schema=False, sequences=False)
    struck.writers.assert_nothing_lost(struck.source)


@pytest.mark.parametrize("kind, side", ACCIDENTS)
@pytest.mark.parametrize("direction", SWITCH)
def test_some_steps(direction, kind, side, struck):
    """Each step with one of the accidents."""
    first = ACCIDENTS.index((kind, side))
    visit(struck, direction, PLACES[first::len(ACCIDENTS)], kind, side)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind, side", ACCIDENTS)
@pytest.mark.parametrize("direction", SWITCH)
def test_every_step(direction, kind, side, struck):
    visit(struck, direction, PLACES, kind, side)
