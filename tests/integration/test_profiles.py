"""Profiles: one file for several environments; production asks before it is written to; optional tables."""
import os
import pty
import select
import subprocess

import pytest
from harness.flow import assert_error
from harness.scripts import Folder
from harness.witness import Untouched

BASE = """task: shop
work_dir: {dir}/w
source: {{ dsn: "{source}" }}
load: {{ jobs: 1 }}
tables: {{ include: ["public.%"], optional: ["public.maybe"] }}
profiles:
  sandbox:
    target: {{ dsn: "{sandbox}" }}
    load: {{ jobs: 3 }}
  production:
    target: {{ dsn: "{production}" }}
    tables: {{ include: ["public.kept"] }}
    schema: {{ scripts: {scripts} }}
  closed:
    confirm: true
    task: other
    target: {{ password: "${{NOT_SET}}" }}
"""


@pytest.fixture
def sandbox(clusters, make_database):
    return make_database(clusters[1])


@pytest.fixture
def task(make_task, source, target, sandbox, directory):
    source.sql("CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE rest (id int PRIMARY KEY)")
    b = make_task(task="shop_production")
    b.scripts = Folder(os.path.join(directory, "sql"))
    b.write_text(BASE.format(dir=b.dir, source=source.dsn, sandbox=sandbox.dsn, production=target.dsn,
                             scripts=b.scripts.path))
    return b


def options(task, *args, env=None):
    report = task.ok("config", "show", "--json", *args, env=env).json()
    return report["profile"], {o["option"]: (o["value"], o["from"]) for o in report["options"]}


def test_a_profile_stands_over_the_base(task, sandbox):
    name, base = options(task)
    assert name is None and base["load.jobs"][0] == "1" and base["task"][0] == "shop" and base["confirm"][0] == "false"
    assert base["target.dsn"][0] is None
    name, values = options(task, "--profile", "sandbox")
    assert name == "sandbox" and sandbox.name in values["target.dsn"][0]
    value, place = values["load.jobs"]
    assert value == "3" and place.startswith("profile ") and ":9:" in place, place
    assert values["source.dsn"][1].startswith("file ")
    # what would let two profiles meet is not shared
    assert values["task"][0] == "shop_sandbox" and values["work_dir"][0] == base["work_dir"][0] + "/sandbox"
    assert values["slot.name"] == ("bascule_shop_sandbox", "default")
    assert options(task, env={"BASCULE_PROFILE": "sandbox"})[0] == "sandbox"
    name, values = options(task, "--profile", "production", env={"BASCULE_PROFILE": "sandbox", "BASCULE_LOAD_JOBS": "5"})
    assert name == "production" and values["load.jobs"] == ("5", "env BASCULE_LOAD_JOBS")
    assert values["confirm"][0] == "true" and values["tables.include"][0] == "public.kept"
    assert "profile is production" in task.ok("config", "--profile=production").out


def test_the_base_does_not_switch_off_what_production_has(task):
    """`confirm: false` for everybody is not production's own word."""
    with open(task.file) as f:
        text = f.read()
    task.write_text("confirm: false\n" + text)
    assert options(task, "--profile", "production")[1]["confirm"][0] == "true"
    assert options(task, "--profile", "sandbox")[1]["confirm"][0] == "false"
    task.write_text(text.replace("  production:\n", "  production:\n    confirm: false\n"))
    assert options(task, "--profile", "production")[1]["confirm"][0] == "false"


def test_mistakes(task):
    done = task.cmd("config", "--profile", "prod")
    assert_error(done, "config", 2)
    assert "sandbox, production, closed" in done.err
    assert_error(task.cmd("config", "--profile", "closed"), "config", 2)  # only now its password is wanted
    with open(task.file) as f:
        good = f.read()
    for change, says in [
            (("jobs: 3", "jobbs: 3"), "unknown option 'jobbs'"),  # also of a profile that is not used
            (("  sandbox:", "  Sand-Box:"), "a name has lower-case letters"),
            (("confirm: true", "profiles: {}"), "unknown option 'profiles'"),
            (("task: shop", "task: shop\nslot: { name: s }"), "which would all use the same"),
    ]:
        task.write_text(good.replace(*change, 1))
        done = task.cmd("config", "--profile", "production")
        assert_error(done, "config", 2)
        assert says in done.err, repr(done)


def test_production_wants_to_be_confirmed(task, source, target):
    task.scripts.put("1_kept.sql", "CREATE TABLE kept (id int PRIMARY KEY);")
    production = ["--profile", "production"]
    with Untouched(source, target):
        for args in (["run"], ["run", "--confirm", "nothing"], ["schema", "migrate"],
                     ["schema", "fix-history", "--target-revision", "1", "--yes"]):
            done = task.cmd(*args, *production, "--target-prepare", "nothing") if args[0] == "run" else \
                task.cmd(*args, *production)
            assert_error(done, "not-confirmed", 3)
            assert f"--confirm={target.name}" in done.err
        task.ok("schema", "migrate", "--dry-run", *production)
    task.ok("schema", "migrate", f"--confirm={target.name}", *production)
    assert task.cmd("schema", "migrate", *production).code == 0  # nothing to run, nothing to ask
    until = ["--until", "caught-up", "--target-prepare", "nothing"]
    task.ok("run", *until, *production, f"--confirm={target.name}")
    assert target.value("SELECT count(*) FROM kept") == 0
    # a task that is under way is not asked for again: a service restarts it
    task.ok("run", *until, *production)
    assert_error(task.cmd("cleanup", "--yes", *production), "not-confirmed", 3)
    assert source.slots() == ["bascule_shop_production"]
    task.ok("cleanup", f"--confirm={target.name}", *production)
    assert source.slots() == []


def typed(task, answer, *args):
    """The command on a terminal where somebody types this."""
    here, there = pty.openpty()
    process = subprocess.Popen([task.binary, "--config", task.file, *args], stdin=there, stdout=there, stderr=there,
                               env=task._environment(None), start_new_session=True)
    os.close(there)
    seen = b""
    try:
        while process.poll() is None or select.select([here], [], [], 0)[0]:
            if not select.select([here], [], [], 30)[0]:
                break
            try:
                data = os.read(here, 4096)
            except OSError:
                break
            seen += data
            if answer is not None and seen.rstrip().endswith(b":") and b"Type the name" in seen:
                os.write(here, answer.encode() + b"\n")
                answer = None
        process.wait(30)
    finally:
        process.kill()
        os.close(here)
    return process.returncode, seen.decode()


def test_somebody_types_the_name(task, target):
    task.scripts.put("1_kept.sql", "CREATE TABLE kept (id int PRIMARY KEY);")
    code, text = typed(task, "yes", "schema", "migrate", "--profile", "production")
    assert code == 3 and "not-confirmed" in text and "Profile production" in text, text
    assert not target.has_schema()
    code, text = typed(task, target.name, "schema", "migrate", "--profile", "production")
    assert code == 0 and "1 scripts applied" in text, text


def test_optional_tables(make_task, source, target):
    source.sql("CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE maybe (id int PRIMARY KEY);"
               "CREATE TABLE rest (id int PRIMARY KEY)")
    missing = make_task(tables={"include": ["public.kept", "public.gone"], "optional": ["public.maybe"]})
    done = missing.run_to_end()
    assert done.code == 3 and "public.gone" in done.text, repr(done)
    task = make_task(tables={"include": ["public.kept"], "optional": ["public.maybe", "public.never"]})
    assert "public.never" in task.cmd("check").text
    task.start().wait_streaming()
    task.wait_log("optional table 'public.never' is not on the source")
    assert {t["table"] for t in task.status()["tables"]} == {"public.kept", "public.maybe"}
    task.stop()
    task.ok("cleanup", "--yes")
    target.sql("DROP TABLE kept, maybe")
    # without an include every table moves
    task = make_task(tables={"optional": ["public.never"]})
    task.start().wait_streaming()
    assert {t["table"] for t in task.status()["tables"]} == {"public.kept", "public.maybe", "public.rest"}
