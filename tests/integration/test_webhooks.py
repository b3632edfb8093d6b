"""Webhooks: what is sent, to whom, how it is signed, and what happens when the other end is rude."""
import hashlib
import hmac
import http.server
import json
import os
import ssl
import threading

import pytest
from harness import tls
from harness.waiting import wait_until
from test_cutover_plan import last_report

PHASES = ("preflight", "arm", "freeze", "drain", "sequences", "prove", "commit", "open")


class Listener:
    """A real HTTP server. `answer` maps an event to a status, a list of statuses one after the other, or "hang"."""

    def __init__(self, context=None):
        listener = self
        self.seen, self.answer, self.release = [], {}, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = json.loads(body)["event"]
                listener.seen.append((event, dict(self.headers), body))
                answer = listener.answer.get(event, 200)
                if isinstance(answer, list):
                    answer = answer.pop(0) if answer else 200
                if answer == "hang":
                    listener.release.wait(60)
                    answer = 200
                try:
                    self.send_response(answer)
                    if answer == 302:
                        self.send_header("Location", f"http://127.0.0.1:{listener.port}/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # gave up on us

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/hook/s3cretpath"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        return [event for event, _, _ in self.seen]

    def bodies(self, event):
        return [json.loads(body) for seen, _, body in self.seen if seen == event]

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def listen():
    made = []

    def make(context=None):
        made.append(Listener(context))
        return made[-1]
    yield make
    for listener in made:
        listener.stop()


def test_every_point_is_told_and_signed(app, target, make_task, listen, directory):
    other = listen()
    key = os.path.join(directory, "key")
    with open(key, "w") as f:
        f.write("the key of the signature\n")
    os.chmod(key, 0o600)
    task = make_task(hooks={"webhooks": [f"every 20s abort {other.url}"], "webhook_secret": f"${{file:{key}}}",
                            "webhook_headers": ["Authorization: Bearer hush-hush-token"]}).start().wait_streaming()
    task.wait_ready()
    shown = task.cmd("cutover", "--dry-run")
    assert shown.code == 0 and other.seen == [], repr(shown)
    late = app.connect("app", application_name="nightly report")
    done = task.cutover("--json")
    late.close()
    assert done.code == 0, repr(done)
    report = last_report(done)
    assert report["rollback_command"] == f"bascule --config {task.file} rollback" and report["drained_bytes"] >= 0
    assert [h["point"] for h in report["hooks"]] == other.events() and all(h["done"] for h in report["hooks"])
    assert [s["application"] for s in report["left_behind"]] == ["nightly report"]
    assert other.events() == [f"{when}-{phase}" for phase in PHASES for when in ("before", "after")] + ["end"]
    for _, headers, body in other.seen:
        signed = f"{headers['X-Bascule-Timestamp']}.".encode() + body
        expected = hmac.new(b"the key of the signature", signed, hashlib.sha256).hexdigest()
        assert headers["X-Bascule-Signature"] == f"sha256={expected}"
        assert headers["Authorization"] == "Bearer hush-hush-token"
    assert len({headers["X-Bascule-Delivery"] for _, headers, _ in other.seen}) == len(other.seen)
    drained, end = other.bodies("after-drain")[0], other.bodies("end")[0]
    assert drained["phase"] == "drain" and drained["frozen_ms"] > 0 and "/" in drained["barrier_lsn"]
    assert drained["to"]["database"] == target.name and drained["report"] is None
    assert end["phase"] is None and end["outcome"] == "cut-over" and end["epoch"] == 1
    assert end["report"]["outcome"] == "cut-over" and end["report"]["downtime_ms"] > 0
    assert all(t["verdict"] == "equal" for t in end["report"]["tables"])
    for secret in ("hush-hush-token", "s3cretpath", "the key of"):
        assert secret not in done.text + shown.text + task.tail(500) + task.cmd("config").text


def test_an_answer_that_does_not_come(app, target, make_task, listen):
    """Time limits and policies: abort gives the writes back, warn goes on; a redirect is not followed."""
    rude = listen()
    rude.answer = {"after-drain": "hang", "before-arm": 500, "after-arm": 302}
    task = make_task(hooks={"webhooks": [f"after-drain 1s abort {rude.url}", f"before-arm warn {rude.url}",
                                         f"after-arm warn {rude.url}"]}).start().wait_streaming()
    task.wait_ready()
    done = task.cutover()
    assert done.code == 7 and "no answer within 1" in done.text, repr(done)
    assert "HTTP status 500" in done.text and "redirects are not followed" in done.text, repr(done)
    assert rude.events() == ["before-arm", "after-arm", "after-drain"], "nothing was tried again, or elsewhere"
    app.sql("UPDATE account SET v = v + 1 WHERE id = 1", user="app")
    rude.answer = {}
    task.wait_ready()
    assert task.cutover("--max-lag", "30s").code == 0


def test_told_again_once_the_target_is_open(app, target, make_task, listen):
    shaky = listen()
    shaky.answer = {"after-open": [503, 429], "end": [400], "before-open": [500]}
    task = make_task(hooks={"webhooks": [f"every warn {shaky.url}"]}).start().wait_streaming()
    task.wait_ready()
    done = task.cutover()
    assert done.code == 0, repr(done)
    assert shaky.events().count("after-open") == 3 and shaky.events().count("end") == 1
    assert shaky.events().count("before-open") == 1, "nobody tries again while writers wait"
    ids = {h["X-Bascule-Delivery"] for event, h, _ in shaky.seen if event == "after-open"}
    assert len(ids) == 1, "one delivery"
    assert "HTTP status 400" in done.text


def test_a_certificate_that_nobody_signed_is_refused(app, target, make_task, listen, directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls.server_certificate(directory))  # for "localhost"
    secure = listen(context)
    named = secure.url.replace("127.0.0.1", "localhost")
    task = make_task(hooks={"webhooks": [f"before-arm abort {named}"]}).start()
    for url, authority in ((named, None), (secure.url, tls.good_ca(directory)), (named, tls.other_ca(directory))):
        task.stop()
        task.write_config(hooks={"webhooks": [f"before-arm abort {url}"], "webhook_ca": authority})
        task.start().wait_streaming()
        task.wait_ready()
        done = task.cutover("--max-lag", "30s")
        assert done.code == 7 and "certificate is not trusted" in done.text, repr(done)
    assert secure.seen == []
    task.stop()
    task.write_config(hooks={"webhooks": [f"before-arm abort {named}"], "webhook_ca": tls.good_ca(directory)})
    task.start().wait_streaming()
    task.wait_ready()
    assert task.cutover("--max-lag", "30s").code == 0
    wait_until(lambda: secure.events() == ["before-arm"], 10, "it was told")


def test_lines_that_cannot_be_meant(make_task):
    for hooks, words in (({"webhooks": ["before-lunch https://x/s3cret"]}, "names no point"),
                         ({"webhooks": ["end ftp://x/s3cret"]}, "one http or https URL"),
                         ({"webhooks": ["end https://x/s3cret twice"]}, "one http or https URL"),
                         ({"webhook_headers": ["no colon s3cret"]}, "item 1 is no 'Name: value'")):
        bad = make_task(hooks=hooks).cmd("check")
        assert bad.code == 2 and words in bad.text and "s3cret" not in bad.text, repr(bad)
