"""The migration certificate: says what is proved and by what, and no byte of it changes unseen."""
import base64
import hashlib
import json
import os
import subprocess

import pytest
from harness.audit import canonical


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True)


@pytest.fixture
def keys(directory):
    pairs = []
    for name in ("operator", "stranger"):
        private, public = (os.path.join(directory, f"{name}.{kind}") for kind in ("key", "pub"))
        assert openssl("genpkey", "-algorithm", "ed25519", "-out", private).returncode == 0
        assert openssl("pkey", "-in", private, "-pubout", "-out", public).returncode == 0
        os.chmod(private, 0o600)
        pairs.append((private, public))
    return pairs


def table(document, name):
    return next(t for t in document["tables"] if t["table"] == name)


def make(task, code, *args):
    path = os.path.join(task.dir, "cert.json")
    done = task.cmd("certificate", "--output", path, *args)
    assert done.code == code, repr(done)
    with open(path, "rb") as f:
        return path, f.read(), done


def verify_by_openssl(directory, document, public):
    """With nothing of bascule: the digest again, and the signature over it."""
    body = {k: v for k, v in document.items() if k not in ("sha256", "signature")}
    assert hashlib.sha256(canonical(body)).hexdigest() == document["sha256"]
    message, signature = (os.path.join(directory, n) for n in ("message", "signature"))
    with open(message, "w") as f:
        f.write("bascule-certificate-1:" + document["sha256"])
    with open(signature, "wb") as f:
        f.write(base64.b64decode(document["signature"]["value"]))
    return openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", message, "-sigfile", signature)


def test_what_is_not_compared_is_unknown(app, target, make_task):
    task = make_task().start().wait_streaming()
    path, text, done = make(task, 6)
    document = json.loads(text)
    assert document["cutover"] is None and document["signature"] is None and "NOT SIGNED" in done.out
    assert document["summary"]["unknown"] == document["summary"]["tables"] == len(document["tables"]) > 5
    assert all(t["proved"] == "unknown" for t in document["tables"])
    assert task.cmd("certificate", "verify", path).code == 5
    task.ok("verify", "--tables", "public.account,public.ledger")
    document = json.loads(make(task, 6)[1])
    account = table(document, "account")
    assert (account["proved"], account["by"]) == ("full", "verify") and account["lsn"] != "unknown"
    rows = app.value("SELECT count(*) FROM account")
    assert account["rows_source"] == account["rows_target"] == rows > 0
    assert len(account["digest_source"]) == 32 and account["digest_source"] == account["digest_target"]
    assert table(document, "heartbeat")["proved"] == "unknown"
    task.ok("verify", "--counts")
    assert json.loads(make(task, 6)[1])["summary"]["full"] == 2, "counted is not compared"
    target.sql("ALTER TABLE account DISABLE TRIGGER USER; UPDATE account SET v = v + 1 WHERE id = 1")
    assert task.cmd("verify", "--tables", "public.account").code == 4
    assert table(json.loads(make(task, 4)[1]), "account")["proved"] == "different"


def test_after_the_cutover(app, target, make_task, keys, directory):
    (private, public), (_, other) = keys
    task = make_task(certificate={"key": private}).start().wait_streaming()
    task.wait_ready()
    assert task.cutover("--verify", "full").code == 0
    path, text, done = make(task, 0)
    document = json.loads(text)
    assert document["summary"]["full"] == document["summary"]["tables"] == len(document["tables"])
    assert document["cutover"]["opened"] == "target" and document["cutover"]["barrier_lsn"] != "unknown"
    account = table(document, "account")
    assert account["by"] == "cutover" and account["lsn"] == document["cutover"]["barrier_lsn"]
    assert account["rows_source"] == app.value("SELECT count(*) FROM account")
    assert document["source"]["database"] == app.name and document["target"]["database"] == target.name
    assert document["source"]["system_id"] == str(app.value("SELECT system_identifier FROM pg_control_system()"))
    assert document["audit"]["verdict"] == "intact" and document["audit"]["head"]["seq"] > 5
    made = [r for r in task.cmd("audit", "show", "--json").json() if r["result"] == "made"]
    assert len(made) == 1 and document["sha256"] in made[0]["detail"], made
    assert text == canonical(document) + b"\n"
    assert verify_by_openssl(directory, document, public).returncode == 0
    assert verify_by_openssl(directory, document, other).returncode != 0
    assert task.cmd("certificate", "verify", path, "--public-key", public).code == 0
    assert task.cmd("certificate", "verify", path, "--public-key", other).code == 4
    assert task.cmd("certificate", "verify", path).code == 5
    tampered(task, path, text, document, public)


def tampered(task, path, text, document, public):
    def refused(data, what):
        with open(path, "wb") as f:
            f.write(data)
        done = task.cmd("certificate", "verify", path, "--public-key", public)
        assert done.code == 4, f"{what}: {done!r}"
    for at in range(0, len(text), len(text) // 12):
        refused(text[:at] + bytes([text[at] ^ 1]) + text[at + 1:], f"byte {at}")
    refused(text[:-1], "cut")
    refused(text + b"\n", "longer")
    refused(json.dumps(document, indent=1).encode(), "written otherwise")
    forged = {k: v for k, v in document.items() if k not in ("sha256", "signature")}
    forged["summary"]["full"] += 1
    forged["sha256"] = hashlib.sha256(canonical(forged)).hexdigest()
    refused(canonical({**forged, "signature": document["signature"]}) + b"\n", "digest made anew")
    refused(canonical({**forged, "signature": None}) + b"\n", "signature taken off")


def test_only_counted(app, target, make_task):
    task = make_task().start().wait_streaming()
    task.wait_ready()
    assert task.cutover("--verify", "count").code == 0
    document = json.loads(make(task, 5)[1])
    assert document["summary"]["count"] == document["summary"]["tables"]
    assert table(document, "account")["digest_source"] == "unknown"


def test_keys_that_are_none(app, target, make_task, keys, directory):
    (private, public), _ = keys
    for bad in (public, "/nowhere", __file__):
        assert make_task(certificate={"key": bad}).cmd("certificate").code in (1, 2, 3)
    os.chmod(private, 0o644)
    task = make_task(certificate={"key": private}).start().wait_streaming()
    done = task.cmd("certificate")
    assert done.code == 2 and "read by others" in done.err, repr(done)
    for name, data in (("no", b"{}"), ("list", b"[1]"), ("empty", b""), ("rubbish", b"\xff\x00{")):
        path = os.path.join(directory, name)
        with open(path, "wb") as f:
            f.write(data)
        assert task.cmd("certificate", "verify", path).code == 4
    assert task.cmd("certificate", "verify", "/nowhere").code == 2
