"""The cutover's protocol, searched whole by spin: its transitions are those of the program's own table."""
import re
import shutil
import subprocess

import pytest
from harness import place
from harness.waiting import wait_until

MODEL = place.ROOT / "tests" / "model" / "cutover.pml"
MISTAKES = {
    1: "the target is opened before the fence's COMMIT",
    2: "the verdict is set without looking whether it was set",
    3: "the lock is let go before the fence is on",
    4: "a lost answer to the COMMIT is taken for a yes",
    5: "the drain does not wait for the barrier",
    6: "the barrier is written before the lock is held",
    7: "the freeze does not wait for transactions that have written already",
    8: "an epoch is used twice",
    9: "abort takes the fence off before it revokes",
    10: "a fence is taken off without looking whether it still is the one that was revoked",
    11: "what is discarded is read before the lock is held",
}
# The same kind of mistake made in the table: a row of fsm_next() that says something else.
WRONG_ROWS = {
    "an unanswered COMMIT gives back": (r"(st == S_committing && ev == E_lost) -> .*",
                                        r"\1 -> st = S_opening; act = A_open"),
    "nothing in the way opens": (r"(st == S_checking && ev == E_done && [^\n]*) -> st = S_arming; act = A_arm",
                                 r"\1 -> st = S_opening; act = A_open"),
    "proving is followed by opening": (r"(st == S_proving && ev == E_done && !\(G_rehearse\)) -> .*",
                                       r"\1 -> st = S_opening; act = A_open"),
}


@pytest.fixture(scope="module")
def table():
    done = subprocess.run([place.binary(), "inspect", "fsm", "cutover", "--format", "promela"], check=True,
                          capture_output=True, text=True)
    assert "inline fsm_next" in done.stdout
    return done.stdout


def search(directory, table, mistake=0):
    """Output of the exhaustive search and whether an assertion failed."""
    shutil.copy(MODEL, directory)
    (directory / "cutover_fsm.pml").write_text(table)
    for argv in (["spin", "-a", f"-DMISTAKE={mistake}", "cutover.pml"],
                 ["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-o", "pan", "pan.c"]):
        done = subprocess.run(argv, cwd=directory, capture_output=True, text=True)
        assert done.returncode == 0 and "Error" not in done.stdout, done.stdout + done.stderr
    # -E: a process that waits for ever is not what is looked for
    done = subprocess.run(["./pan", "-E", "-m400000", "-w22"], cwd=directory, capture_output=True, text=True, timeout=300)
    assert "max search depth too small" not in done.stdout and "out of memory" not in done.stdout, done.stdout
    errors = int(re.search(r"errors: (\d+)", done.stdout).group(1))
    return done.stdout, errors


def test_never_both_open_and_nothing_lost(tmp_path, table):
    out, errors = search(tmp_path, table)
    assert errors == 0, out
    states = int(re.search(r"(\d+) states, stored", out).group(1))
    assert states > 100_000, f"only {states} states: the model does nothing"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda n: MISTAKES[n].replace(" ", "_"))
def test_planted_mistake_is_found(tmp_path, table, mistake):
    out, errors = search(tmp_path, table, mistake)
    assert errors > 0 and "assertion violated" in out, f"not found: {MISTAKES[mistake]}\n{out}"


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_wrong_row_in_the_table_is_found(tmp_path, table, name):
    pattern, replacement = WRONG_ROWS[name]
    wrong, count = re.subn(pattern, replacement, table)
    assert count == 1, f"the table has no such row any more: {pattern}"
    out, errors = search(tmp_path, wrong)
    assert errors > 0 and "assertion violated" in out, f"not found: {name}\n{out}"


def test_a_late_abort_does_not_take_a_newer_fence_off(app, target, make_task):
    """What the model found: abort revokes, is stopped, a whole cutover goes by, abort goes on."""
    task = make_task().start(env={"BASCULE_FAULT": "CUTOVER_COMMITTED:kill"}).wait_streaming()
    task.wait_ready()
    task.cutover()
    assert task.wait_exit() != 0
    late = subprocess.Popen([task.binary, "--config", task.file, "abort"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=dict(task._environment(None), BASCULE_FAULT="CUTOVER_REVOKED:stop=60000"))
    try:
        wait_until(lambda: target.value("SELECT verdict FROM bascule.verdict WHERE epoch = 1") == "REVOKED", 30, "revoked")
        done = task.cutover(timeout=90)
        assert done.code == 0, repr(done)
        assert target.value("SELECT verdict FROM bascule.verdict WHERE epoch = 2") == "OPENED"
        late.send_signal(18)  # SIGCONT
        out, err = late.communicate(timeout=60)
    finally:
        late.kill()
    assert late.returncode == 3 and "epoch 2 is in force" in out + err, out + err
    refused = task.cmd("abort")
    assert refused.code == 3, repr(refused)
    with pytest.raises(Exception, match="moved"):
        app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
