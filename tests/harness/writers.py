"""Applications that never stop writing: processes that run random transactions against the source, follow the move to
the target, and keep a ledger of what was acknowledged, so that loss, duplication and downtime can be counted.

A writer is writer.py; class Writers starts several and reads their ledgers.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import place
from .waiting import wait_until


class Writers:
    """Several writer processes.

    after: what they do when the source says that it has moved: "probe" (write only heartbeats on the other side),
    "continue" (go on there with everything, and back again when that side refuses) or "stop".
    """

    def __init__(self, source, target, count=3, seed=1, kind="random", after="probe", user="app", rate=None,
                 module="harness.workload", **spec):
        self.dir = tempfile.mkdtemp(prefix="writers-", dir=place.base())
        self.processes, self.ledgers = [], []
        self.count, self.seed = count, seed
        self.base = dict(source=source.conninfo(user), target=target.conninfo(user), set=kind, after=after, rate=rate,
                         module=module, **spec)

    def start(self):
        for number in range(len(self.processes), len(self.processes) + self.count):
            ledger = os.path.join(self.dir, f"{number}.ledger")
            spec = dict(self.base, number=number, seed=self.seed * 1000 + number, ledger=ledger)
            path = os.path.join(self.dir, f"{number}.json")
            Path(path).write_text(json.dumps(spec))
            Path(ledger).touch()
            log = open(os.path.join(self.dir, f"{number}.log"), "w")
            env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))
            self.processes.append(subprocess.Popen([sys.executable, "-m", "harness.writer", path], env=env,
                                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log))
            log.close()
            self.ledgers.append(ledger)
        # Each of them: one that is still starting does not know yet how to stop in good order.
        wait_until(lambda: self.must_live() and all(self._writes(p) for p in self.ledgers), 60, "writers write",
                   dump=self.logs)
        return self

    @staticmethod
    def _writes(ledger):
        return any(line[0] in "AH" for line in Path(ledger).read_text().splitlines())

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop(check=False)

    def stop(self, check=True):
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
        for p in self.processes:
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if check:
            bad = [p.returncode for p in self.processes if p.returncode != 0]
            assert not bad, f"a writer ended with {bad}:\n{self.logs()}"
        return self

    def wait_all_stopped(self, timeout=60):
        wait_until(lambda: all(p.poll() is not None for p in self.processes), timeout, "writers noticed the move")
        return self.stop()

    def must_live(self):
        bad = [p.returncode for p in self.processes if p.poll()]
        assert not bad, f"a writer failed:\n{self.logs()}"
        return True

    def logs(self):
        return "\n".join(p.read_text()[-3000:] for p in sorted(Path(self.dir).glob("*.log")))

    def _lines(self, kinds):
        for path in self.ledgers:
            for line in Path(path).read_text().splitlines():
                if line[0] in kinds and line.count(" ") >= 1:
                    yield line.split(" ")

    def acknowledged_count(self):
        return sum(1 for _ in self._lines("AH"))

    def wait_more(self, commits, timeout=60):
        goal = self.acknowledged_count() + commits
        return wait_until(lambda: self.must_live() and self.acknowledged_count() >= goal, timeout,
                          f"{commits} more commits", dump=self.logs)

    def wait_moved(self, timeout=30):
        """Until every writer has committed on the target."""
        def all_there():
            return len({p for p in self.ledgers for line in Path(p).read_text().splitlines()
                        if line[0] in "AH" and line.endswith(" 1")}) == len(self.ledgers)
        return wait_until(all_there, timeout, "writers work on the target", dump=self.logs)

    # what became of the writes -------------------------------------------------------------------
    def loss_and_duplication(self, db, others=False):
        """Lines of what is wrong in db's ledger table; [] when every acknowledged commit is there exactly once
        and nothing is there that no writer wrote (unless `others` wrote too)."""
        acknowledged = {line[1] for line in self._lines("A")}
        begun = {line[1] for line in self._lines("B")}
        rows = [r[0] for r in db.sql("SELECT id FROM ledger")]
        present = set(rows)
        out = [f"acknowledged but lost: {i}" for i in sorted(acknowledged - present)[:10]]
        if not others:
            out += [f"nobody wrote it: {i}" for i in sorted(present - begun)[:10]]
        if len(rows) != len(present):
            out.append(f"{len(rows) - len(present)} ledger rows are there twice")
        assert acknowledged, "the writers wrote nothing: the test is blind"
        return out

    def assert_nothing_lost(self, db, others=False):
        wrong = self.loss_and_duplication(db, others)
        assert not wrong, "\n".join(wrong)

    def _commits(self):
        """Per writer: sorted (time, side) of acknowledged writes."""
        for path in self.ledgers:
            times = []
            for line in Path(path).read_text().splitlines():
                words = line.split(" ")
                if words[0] == "A" and len(words) == 4:
                    times.append((float(words[2]), int(words[3])))
                elif words[0] == "H" and len(words) == 3:
                    times.append((float(words[1]), int(words[2])))
            yield sorted(times)

    def downtime(self):
        """Seconds between the last commit on the source and the first on the target, by the writer that waited
        longest; None when no writer moved."""
        gaps = []
        for times in self._commits():
            before, after = [t for t, s in times if s == 0], [t for t, s in times if s == 1]
            if before and after:
                gaps.append(min(after) - max(before))
        return max(gaps) if gaps else None

    def longest_gap(self):
        gaps = [b[0] - a[0] for times in self._commits() for a, b in zip(times, times[1:])]
        return max(gaps, default=0.0)

    def windows(self):
        """When which side took writes: (side, first, last) by all writers' acknowledged commits, in order of time."""
        out = []
        for t, side in sorted(c for times in self._commits() for c in times):
            if out and out[-1][0] == side:
                out[-1][2] = t
            else:
                out.append([side, t, t])
        return out

    def assert_windows(self, sides):
        """The sides were open one after the other, in this order, and never together."""
        seen = [w[0] for w in self.windows()]
        assert seen == list(sides), f"sides in order of their commits: {seen[:50]} instead of {list(sides)}"

    def wait_on(self, side, timeout=60):
        """Until every writer's newest commit is on that side (0 source, 1 target)."""
        def all_there():
            self.must_live()
            last = [times[-1][1] if times else None for times in self._commits()]
            return all(s == side for s in last)
        return wait_until(all_there, timeout, f"writers on side {side}", dump=self.logs)

    def assert_never_both_open(self):
        """No commit on the source after the first one on the target."""
        source = [t for times in self._commits() for t, s in times if s == 0]
        target = [t for times in self._commits() for t, s in times if s == 1]
        if source and target:
            # Both ends are taken after the answer came, so allow what a scheduler may add.
            assert max(source) < min(target) + 0.05, "both sides accepted writes"
