"""bascule as its operator sees it: a configuration file, a process, exit codes, reports in JSON."""
import json
import os
import signal
import subprocess
import time

from . import place
from .waiting import wait_until

LATER_THAN_LOAD = ("catching-up", "streaming", "cutting-over", "cut-over", "reversing")


def yaml_lines(tree, indent=0):
    """Enough YAML for a configuration: mappings, lists, scalars."""
    lines = []
    for key, value in tree.items():
        pad = " " * indent
        if isinstance(value, dict):
            lines.append(f"{pad}{key}:")
            lines += yaml_lines(value, indent + 2)
        elif isinstance(value, list):
            lines.append(f"{pad}{key}: [{', '.join(json.dumps(v) for v in value)}]")
        elif isinstance(value, str):
            lines.append(f"{pad}{key}: {json.dumps(value, ensure_ascii=False)}")
        else:
            lines.append(f"{pad}{key}: {json.dumps(value)}")
    return lines


def merged(base, more):
    out = dict(base)
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        elif value is None:
            out.pop(key, None)
        else:
            out[key] = value
    return out


class Result:
    """One finished command."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    @property
    def text(self):
        return self.out + self.err

    def json(self):
        try:
            return json.loads(self.out)
        except json.JSONDecodeError as e:
            raise AssertionError(f"no JSON on stdout of {self!r}") from e

    def __repr__(self):
        return f"{' '.join(self.argv)}: exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Bascule:
    """A task: its directory, its configuration, and the engine process while there is one."""

    def __init__(self, directory, src=None, dst=None, /, release=False, task="move", **config):
        self.dir = str(directory)
        os.makedirs(self.dir, exist_ok=True)
        self.binary = place.binary(release)
        self.task = task
        tree = {"task": task, "work_dir": os.path.join(self.dir, "w")}
        if src is not None:
            tree["source"] = {"dsn": src if isinstance(src, str) else src.dsn}
        if dst is not None:
            tree["target"] = {"dsn": dst if isinstance(dst, str) else dst.dsn}
        self.config = merged(tree, config)
        self.file = os.path.join(self.dir, "bascule.yaml")
        self.log = os.path.join(self.dir, "run.log")
        self.process = None
        self.peak_rss_kb = 0
        self.write_config()

    def write_config(self, **changes):
        self.config = merged(self.config, changes)
        self.write_text("\n".join(yaml_lines(self.config)) + "\n")

    def write_text(self, text):
        with open(self.file, "w") as f:
            f.write(text)
        os.chmod(self.file, 0o600)

    @staticmethod
    def _environment(env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "BASCULE_"))}
        clean.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        clean.update(env or {})
        return clean

    # commands -----------------------------------------------------------------------------------
    def cmd(self, *args, timeout=60, env=None, stdin=subprocess.DEVNULL):
        argv = [self.binary, "--config", self.file, *args]
        done = subprocess.run(argv, stdin=stdin, capture_output=True, text=True, timeout=timeout,
                              env=self._environment(env), cwd=self.dir)
        return Result(argv, done.returncode, done.stdout, done.stderr)

    def ok(self, *args, **kw):
        done = self.cmd(*args, **kw)
        assert done.code == 0, repr(done)
        return done

    def status(self):
        return self.ok("status", "--json", timeout=20).json()

    def phase(self):
        """None while status cannot be had (the engine is just starting, or the task is not known yet)."""
        done = self.cmd("status", "--json", timeout=20)
        return done.json().get("phase") if done.code == 0 else None

    # the engine -----------------------------------------------------------------------------------
    def start(self, *args, env=None, preexec=None):
        assert self.process is None or self.process.poll() is not None, "already running"
        with open(self.log, "a") as log:
            log.write(f"--- bascule run {' '.join(args)} {env or ''}\n")
            log.flush()
            self.process = subprocess.Popen([self.binary, "--config", self.file, "run", *args],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self._environment(env), cwd=self.dir, preexec_fn=preexec)
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def tail(self, lines=60):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def must_live(self):
        if not self.alive():
            code = self.process.returncode if self.process else None
            raise AssertionError(f"bascule run ended with {code}:\n{self.tail()}")
        self.note_rss()
        return True

    def wait_phase(self, *phases, timeout=60):
        return wait_until(lambda: self.must_live() and self.phase() in phases, timeout,
                          f"phase {' or '.join(phases)}", 0.1, dump=self.describe)

    def wait_streaming(self, timeout=60):
        self.wait_phase("streaming", timeout=timeout)
        return self

    def wait_log(self, text, timeout=30):
        def seen():
            with open(self.log, errors="replace") as f:
                return text in f.read()
        return wait_until(seen, timeout, f"'{text}' in the log", 0.05, dump=self.tail)

    def describe(self):
        done = self.cmd("status", timeout=20)
        return f"status:\n{done.text}\nlog:\n{self.tail()}"

    def wait_applied(self, source_db, timeout=60):
        """Everything committed on the source so far is durable on the target."""
        lsn = source_db.value("SELECT pg_current_wal_insert_lsn()")
        source_db.sql("SELECT pg_logical_emit_message(true, 'test', 'nudge')")

        def reached():
            self.must_live()
            durable = self.status()["lsn"]["durable"]
            return durable and lsn_number(durable) >= lsn_number(lsn)
        wait_until(reached, timeout, f"durable up to {lsn}", 0.05, dump=self.describe)

    def wait_exit(self, timeout=60):
        wait_until(lambda: self.process.poll() is not None, timeout, "bascule run ends", dump=self.describe)
        return self.process.returncode

    def run_to_end(self, *args, timeout=60, env=None, preexec=None):
        """`run` in the foreground until it ends by itself; stdout and stderr are in .log."""
        start_of_log = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.start(*args, env=env, preexec=preexec)
        code = self.wait_exit(timeout)
        with open(self.log, errors="replace") as f:
            f.seek(start_of_log)
            return Result(["run", *args], code, "", f.read())

    def stop(self, timeout=30):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            return self.wait_exit(timeout)
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def note_rss(self):
        """Highest resident size seen so far, from the kernel's own high-water mark."""
        try:
            with open(f"/proc/{self.process.pid}/status") as f:
                for line in f:
                    if line.startswith("VmHWM:"):
                        self.peak_rss_kb = max(self.peak_rss_kb, int(line.split()[1]))
        except (FileNotFoundError, ProcessLookupError):
            pass
        return self.peak_rss_kb

    def cutover(self, *args, timeout=120, env=None):
        return self.cmd("cutover", "--yes", *args, timeout=timeout, env=env)

    def wait_back(self, timeout=60):
        """Until `status` says that a rollback would be accepted."""
        return wait_until(lambda: self.must_live() and self.status()["rollback"]["ready"], timeout,
                          "ready for rollback", 0.1, dump=self.describe)

    def rollback(self, *args, timeout=120, env=None):
        return self.cmd("rollback", "--yes", *args, timeout=timeout, env=env)

    def wait_ready(self, timeout=60):
        """Until `status` says that a cutover would be accepted."""
        return wait_until(lambda: self.must_live() and self.status()["ready_for_cutover"], timeout,
                          "ready for cutover", 0.1, dump=self.describe)


def lsn_number(text):
    if isinstance(text, bytes):  # from a database without an encoding
        text = text.decode()
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def limit_file_size(size):
    """For `preexec`: files of the process may not grow past `size` bytes (a full disk for spill files)."""
    def apply():
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return apply


def elapsed(call, *args, **kw):
    start = time.monotonic()
    value = call(*args, **kw)
    return time.monotonic() - start, value
