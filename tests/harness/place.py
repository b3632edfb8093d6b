"""Where things are: the tree, the binaries, a scratch directory, free ports, the servers' user."""
import atexit
import glob
import os
import pwd
import random
import shutil
import signal
import socket
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER_USER = "postgres"


def binary(release=False):
    """The bascule under test. The release build has no failpoints and no sanitizer: memory and time are
    measured with it."""
    name = "BASCULE_RELEASE_BIN" if release else "BASCULE_BIN"
    if os.environ.get(name):
        return os.environ[name]
    order = ["release", "debug"] if release else ["debug", "asan", "release"]
    for build in [f"build/{kind}" for kind in order] + ["build"]:
        path = ROOT / build / "bascule"
        if path.exists():
            return str(path)
    raise FileNotFoundError("no bascule binary: run tests/run, or set BASCULE_BIN")


def debian_bin():
    """The newest Debian server below /usr/lib/postgresql that has wal2json beside it, else the newest."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"),
                   key=lambda p: int(p.split("/")[4]))
    if not found:
        raise FileNotFoundError("no PostgreSQL server below /usr/lib/postgresql: install postgresql-15")
    with_plugin = [p for p in found if os.path.exists(p.replace("bin/postgres", "lib/wal2json.so"))]
    return os.path.dirname((with_plugin or found)[-1])


def as_server_user():
    """Command prefix: PostgreSQL refuses to run as root, so root hands it to another user."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups"]


def give_to_server_user(path):
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def server_dir(path, mode=0o700):
    """A directory that the servers' user owns."""
    os.makedirs(path, exist_ok=True)
    give_to_server_user(path)
    os.chmod(path, mode)
    return path


_base = None


def base():
    """One scratch directory a process, short enough for unix sockets, gone at exit unless
    BASCULE_TEST_KEEP is set."""
    global _base
    if _base is None:
        _base = tempfile.mkdtemp(prefix="bsc-", dir=os.environ.get("BASCULE_TEST_DIR", "/tmp"))
        os.chmod(_base, 0o755)
        if not os.environ.get("BASCULE_TEST_KEEP"):
            atexit.register(shutil.rmtree, _base, ignore_errors=True)
    return _base


_handed_out = set()


def free_port():
    """A free TCP port below the range that the kernel gives to outgoing connections. Parallel workers draw
    from separate parts of the range."""
    low, high = (int(x) for x in os.environ.get("BASCULE_TEST_PORTS", "20000-32000").split("-"))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    share = (high - low) // 8
    low += share * (int(worker[2:]) % 8)
    ports = [p for p in range(low, low + share) if p not in _handed_out]
    random.shuffle(ports)
    for port in ports:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise RuntimeError(f"no free port in {low}-{low + share}")


def children(pid):
    """Of all of its threads."""
    out = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as f:
                out += [int(child) for child in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # the thread ended
    return out


def state_of(pid):
    """The kernel's letter for it: T is stopped, Z is dead; None is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def lives(pid):
    return state_of(pid) not in (None, "Z")


def signal_to(pid, name):
    try:
        os.kill(pid, signal.Signals["SIG" + name])
    except ProcessLookupError:
        pass
