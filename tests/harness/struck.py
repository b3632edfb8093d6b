"""A switch that is stopped at a place of it, while something happens to a server or to the path to it."""
import threading
from concurrent.futures import ThreadPoolExecutor

from . import place, workload
from .relay import Relay
from .waiting import wait_until

SWITCH = {"cutover": (0, 1), "rollback": (1, 0)}  # the side that writers leave, and where they go
SETTINGS = {"wal_sender_timeout": "3s"}


class Struck:
    """Two servers of its own, a path to each that can be cut, an application that follows the switch, and a task."""

    def __init__(self, make_cluster, make_database, make_writers, make_task):
        databases = [make_database(make_cluster(name, settings=SETTINGS)) for name in ("source", "target")]
        self.source, self.target = self.sides = workload.create(databases[0]), databases[1]
        self.relays = [Relay("127.0.0.1", db.cluster.port) for db in self.sides]
        paths = [db.conninfo(host="127.0.0.1", port=relay.port, sslmode="disable") for db, relay in zip(self.sides, self.relays)]
        self.writers = make_writers(src=self.source, dst=self.target, count=2, kind="gentle", after="continue")
        self.task = make_task(src=paths[0], dst=paths[1], cutover={"max_downtime": "4s", "max_lag": "30s", "max_lag_size": "256MB"})
        self.windows = [0]

    def close(self):
        for relay in self.relays:
            relay.close()

    def crash(self, side):
        """kill -9 of the whole server, which comes back."""
        self.sides[side].cluster.kill9()
        self.sides[side].cluster.start()

    def wait_for(self, direction):
        return self.task.wait_ready() if direction == "cutover" else self.task.wait_back()

    def switch(self, direction):
        """Without any accident."""
        self.wait_for(direction)
        done = self.task.cmd(direction, "--yes", "--max-downtime", "30s", timeout=120)
        assert done.code == 0, f"{done!r}\n{self.task.tail(100)}"
        self.arrived(direction)

    def arrived(self, direction):
        self.writers.wait_on(SWITCH[direction][1])
        self.windows.append(SWITCH[direction][1])
        self.writers.assert_windows(self.windows)

    def go_to(self, direction, place_of_it, accident):
        """Runs the switch up to that place, lets the accident happen there, and goes on: the result, and what was decided."""
        task = self.task
        task.stop()
        task.start(env={"BASCULE_FAULT": f"{place_of_it}@1:stop=300000"})
        self.wait_for(direction)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(task.cmd, direction, "--yes", timeout=120)
            wait_until(lambda: asked.done() or place.state_of(task.process.pid) == "T", 60, f"{direction} comes to {place_of_it}")
            assert not asked.done(), f"{place_of_it}: {asked.result()!r}\n{task.tail(100)}"
            try:
                accident.happen()
            finally:
                self.go_on()
            accident.end()
            done = asked.result()
        if not task.alive():
            task.start()
        decision = wait_until(lambda: self.decision(direction), 60, "the decision can be read", dump=task.describe)
        return done, decision

    def go_on(self):
        """The failpoint waits for a child of the engine that would wake it up later."""
        place.signal_to(self.task.process.pid, "CONT")
        for pid in place.children(self.task.process.pid):
            place.signal_to(pid, "KILL")

    def decision(self, direction):
        done = self.task.cmd("status", "--json", timeout=60)
        return done.json()[direction]["decision"] if done.code == 0 else None


class Crash:
    """The server is killed while the switch stands still, and is back before it goes on."""

    def __init__(self, struck, side):
        self.struck, self.side = struck, side

    def happen(self):
        self.struck.crash(self.side)

    def end(self):
        pass


class Cut:
    """Nothing gets through to the server from then on. Whoever writes is let go by the servers alone, if anybody may write;
    then the path is there again."""

    def __init__(self, struck, side, decided):
        self.struck, self.side, self.decided = struck, side, decided
        self.over = threading.Event()

    def happen(self):
        assert self.struck.relays[self.side].cut() > 0

    def end(self):
        try:
            if self.decided:
                self.over.wait(1)
            else:
                self.struck.writers.wait_more(20)
        finally:
            self.struck.relays[self.side].mend()
