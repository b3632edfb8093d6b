"""The audit as somebody else reads it: the file, the copies, and the canonical form by another program."""
import hashlib
import json
import os
import re


def path_of(task):
    return os.path.join(task.dir, "w", "audit.log")


def lines_of(task):
    with open(path_of(task), "rb") as f:
        return f.read().split(b"\n")[:-1]


def records_of(task):
    return [json.loads(line) for line in lines_of(task)]


def canonical(value):
    """What docs/operations/audit.md says of the form, said again: by another program."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return re.sub(r"\\u[0-9a-f]{4}", lambda m: "\\u" + m.group()[2:].upper(), text).encode()


def digest(record):
    return hashlib.sha256(canonical({k: v for k, v in record.items() if k != "hash"})).hexdigest()


def steps(task):
    return [(r["action"], r["event"], r["result"]) for r in records_of(task)]


def assert_chain(task):
    before = "0" * 64
    for n, line in enumerate(lines_of(task), 1):
        record = json.loads(line)
        assert line == canonical(record)
        assert (record["seq"], record["prev"], record["hash"]) == (n, before, digest(record))
        before = record["hash"]


def copy_of(db):
    return [r[0].encode() for r in db.sql("SELECT record FROM bascule.audit ORDER BY log, seq")]


def check(task, code):
    done = task.cmd("audit", "verify", "--json")
    assert done.code == code, f"{done!r}\n{task.cmd('audit', 'verify').out}"
    return done.json()


def damage_copy(db, statement):
    """As somebody would who owns the table."""
    db.sql("ALTER TABLE bascule.audit DISABLE TRIGGER audit_refuse")
    db.sql(statement)
    db.sql("ALTER TABLE bascule.audit ENABLE ALWAYS TRIGGER audit_refuse")
