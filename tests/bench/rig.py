"""Two servers set up for measuring, and meters: time, CPU seconds by side, memory."""
import os
import subprocess
import threading
import time
from dataclasses import asdict, dataclass

from harness.server import Cluster

SETTINGS = {
    "shared_buffers": "'1GB'",
    "maintenance_work_mem": "'256MB'",
    "max_wal_size": "'8GB'",
    "checkpoint_timeout": "'1h'",
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "off",
    "max_wal_senders": "24",
    "max_replication_slots": "24",
    "max_worker_processes": "24",
    "max_logical_replication_workers": "12",
    "wal_retrieve_retry_interval": "'100ms'",
    "log_lock_waits": "off",
    "track_commit_timestamp": "off",
}
PLUGINS = "pgoutput, test_decoding, wal2json, pglogical_output"
TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Parent, own CPU seconds, CPU seconds of children that ended and were waited for."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS, (int(fields[13]) + int(fields[14])) / TICKS


def tree(root):
    """The process and its descendants that are alive."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = _stat(entry)[0]
            except (FileNotFoundError, ProcessLookupError):
                pass
    found, new = {root}, {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def cpu_of_tree(root):
    """CPU seconds of the process, of its living descendants, and of those that it has waited for."""
    total = 0.0
    for pid in tree(root):
        try:
            _, own, ended = _stat(pid)
            total += own + ended
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def pss_mb(root):
    """Proportional memory of a process tree: pages that are shared count once."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError, PermissionError, StopIteration):
            pass
    return total / 1024


class Server(Cluster):
    def __init__(self, name, preload):
        super().__init__(name, settings={**SETTINGS, "shared_preload_libraries": f"'{preload}'"}, plugins=PLUGINS)
        self.start().prepare_roles()
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            self.postmaster = int(f.readline())

    def cpu(self):
        return cpu_of_tree(self.postmaster)


@dataclass
class Sample:
    """What one run cost. cpu_tool is None for what runs inside the servers."""
    seconds: float
    cpu_source: float
    cpu_target: float
    cpu_tool: float | None = None
    peak_mb: float | None = None
    extra: dict | None = None

    def as_dict(self):
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items() if v is not None}


class Meter:
    """with Meter(rig) as meter: ...; meter.watch(pid) adds the tool. sample() tells the cost so far."""

    def __init__(self, rig):
        self.rig = rig
        self.pid, self.tool_before, self.peak = None, 0.0, None
        self.done = threading.Event()

    def __enter__(self):
        self.cpu = [server.cpu() for server in self.rig.servers]
        self.start = time.monotonic()
        return self

    def watch(self, pid):
        self.pid, self.peak, self.tool_before = pid, 0.0, 0.0
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self):
        while not self.done.wait(0.1):
            self.peak = max(self.peak, pss_mb(self.pid))

    def sample(self, tool_cpu=None):
        seconds = time.monotonic() - self.start
        after = [server.cpu() for server in self.rig.servers]
        if self.pid is not None and tool_cpu is None:
            tool_cpu = cpu_of_tree(self.pid)
        return Sample(seconds, after[0] - self.cpu[0], after[1] - self.cpu[1], tool_cpu, self.peak)

    def __exit__(self, *_):
        self.done.set()
        if self.pid is not None:
            self.thread.join()


class Failed(Exception):
    """A competitor that did not deliver."""


class Rig:
    def __init__(self, directory):
        self.dir = directory
        self.servers = []
        self.renew()

    def renew(self, preload=""):
        """Two new servers in place of the old ones. Only who measures pglogical has it loaded: with it a server cannot
        drop a database, its supervisor never answers the barrier that DROP DATABASE waits for."""
        self.destroy()
        self.servers = []
        for name in ("source", "target"):
            self.servers.append(Server(name, preload))
        self.source, self.target = self.servers

    def checkpoint(self):
        for server in self.servers:
            with server.connect() as c:
                c.execute("CHECKPOINT")

    def run(self, argv, env=None):
        """One command from start to end; its Sample. The command is a shell pipeline when it is a text."""
        log = os.path.join(self.dir, "command.log")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "BASCULE_"))}
        with open(log, "w") as out, Meter(self) as meter:
            process = subprocess.Popen(argv, shell=isinstance(argv, str), stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, env={**clean, **(env or {})}, cwd=self.dir)
            meter.watch(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            sample = meter.sample(usage.ru_utime + usage.ru_stime)
        if process.returncode != 0:
            with open(log, errors="replace") as f:
                raise Failed(f"exit code {process.returncode}: {f.read()[-600:]}")
        return sample

    def destroy(self):
        for server in self.servers:
            server.destroy()
