"""Commands one right behind the other, as a script types them: nothing is refused because the engine is still turning."""
from harness import oracle


def test_a_cutover_right_behind_a_rehearsal_and_a_rollback_right_behind_that(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    for _ in range(3):
        done = task.cutover("--rehearse", "--max-lag", "30s")
        assert done.code == 0, repr(done)
    done = task.cutover("--max-lag", "30s")
    assert done.code == 0, repr(done)
    target.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    done = task.rollback("--max-lag", "30s")
    assert done.code == 0, f"{done!r}\n{task.tail()}"
    oracle.assert_equal(target, app)
