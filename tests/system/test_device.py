"""The device's agent and its commands, with a relay whose answers these tests bend (fake_relay.py). The
whole path with the real relay is in test_device_lab.py."""
import hashlib
import json
import os
import random
import re
import socket
import ssl
import stat
import subprocess
import sys
import time

import pytest

import conftest
import testbed
from fake_relay import FakeRelay, ZONE

LATCHKEY = conftest.program("latchkey")


@pytest.fixture
def relay(tmp_path):
    folder = tmp_path / "relay"
    folder.mkdir()
    server = FakeRelay(folder)
    yield server
    server.close()


class Device(testbed.Agent):
    """An agent on a free port, with what tests want to know of it."""

    def __init__(self, folder, relay, **settings):
        self.port = testbed.free_port("127.0.0.1", set())
        settings = {"address": "127.0.0.1", "worker": conftest.program("latchkey-worker"),
                    "local_name": "camera.local", **settings}
        super().__init__(str(folder), conftest.BIN, relay.directory, relay.ca_file,
                         f"127.0.0.1:{self.port}", settings=settings)

    def file(self, name):
        return os.path.join(self.state_folder, name)

    def id(self):
        return self.wait_status()["id"]

    def name(self, label="home"):
        return f"{label}.{self.id()}.{ZONE}"

    def wait_status(self, condition=lambda status: True, seconds=20):
        def there():
            self.process.check()
            status = self.status()
            return status if status is not None and condition(status) else None
        return testbed.wait_for(there, "the agent's status", seconds, 0.05)

    def wait_trusted(self, seconds=60):
        """Also past the trial: the device has seen it served."""
        return self.wait_status(lambda s: s["state"] == "trusted" and s["serving"] == "trusted",
                                seconds)

    def wait_failure(self, code, seconds=20):
        return self.wait_status(lambda s: s.get("failure", {}).get("code") == code, seconds)

    def connect(self, name=None, timeout=10):
        """A TLS connection without judging the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), timeout)
        return context.wrap_socket(raw, server_hostname=name)

    def served(self, name=None):
        """SHA-256 of the leaf that is served to NAME."""
        with self.connect(name) as connection:
            return hashlib.sha256(connection.getpeercert(True)).hexdigest()

    def wait_https(self, seconds=10):
        def there():
            self.process.check()
            try:
                return self.served()
            except OSError:
                return None
        return testbed.wait_for(there, "HTTPS", seconds, 0.01)

    def get(self, path="/", host=None, name=None, method="GET"):
        with self.connect(name) as connection:
            return ask(connection, path, host or f"127.0.0.1:{self.port}", method)


def ask(connection, path, host, method="GET", close=True):
    """One request over a connection: (status, headers, body)."""
    end = "Connection: close\r\n" if close else ""
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{end}\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    size = int(headers.get("content-length", 0)) if method != "HEAD" else 0
    while len(body) < size:
        more = connection.recv(65536)
        assert more, "the body ended early"
        body += more
    return int(lines[0].split()[1]), headers, body


@pytest.fixture
def make_device(request, tmp_path, relay):
    devices = []

    def make(start=True, **settings):
        device = Device(tmp_path / f"device{len(devices)}", relay, **settings)
        devices.append(device)
        if start:
            device.start()
        return device

    yield make
    for device in devices:
        if not os.path.exists(device.process.log_path):
            continue  # it was never started
        running = device.process.running()
        status = device.stop()
        log = device.process.log()
        assert not conftest.sanitizer_reports(device.folder), log[-4000:]
        assert not running or status in (0, None), f"status {status}\n{log[-2000:]}"
        assert "worker: ended with status" not in log, log[-4000:]


def command(*arguments, status=0, **options):
    done = subprocess.run([LATCHKEY, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, **options)
    assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


# --- first boot ---

def test_first_boot_without_a_relay(make_device, relay):
    relay.close()
    device = make_device()
    fallback = device.wait_https()
    status = device.wait_failure("net")
    assert status["serving"] == "fallback" and status["reason"] == "no-certificate-yet"
    assert status["fallback"]["sha256"] == fallback
    assert status["nextTryInSeconds"] >= 1
    assert stat.S_IMODE(os.stat(device.state_folder).st_mode) == 0o700
    for name in ("identity.pem", "fallback.pem", "state.json"):
        assert stat.S_IMODE(os.stat(device.file(name)).st_mode) == 0o600, name
    chain = conftest.run(["openssl", "s_client", "-connect", f"127.0.0.1:{device.port}", "-showcerts"])
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=chain.stdout, text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    assert "DNS:camera.local" in text and "IP Address" not in text
    assert "TLS Web Server Authentication" in text


def test_fallback_chain_is_by_the_identity_key(make_device, relay, tmp_path):
    """The fallback leads to an identity certificate whose key makes the id and the pin."""
    relay.refuse["new-account"] = (503, "serverInternal", "not today")
    device = make_device()
    device.wait_https()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    with open(device.file("fallback.pem"), "rb") as file:
        blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", file.read(),
                            re.S)
    assert len(blocks) == 2
    root = x509.load_pem_x509_certificate(blocks[1])
    spki = root.public_key().public_bytes(serialization.Encoding.DER,
                                          serialization.PublicFormat.SubjectPublicKeyInfo)
    import base64
    pin = base64.b32encode(hashlib.sha256(spki).digest()).decode().rstrip("=").lower()
    status = device.wait_status()
    assert status["pin"] == pin and status["id"] == pin[:32]
    root_file, leaf_file = tmp_path / "root.pem", tmp_path / "leaf.pem"
    root_file.write_bytes(blocks[1])
    leaf_file.write_bytes(blocks[0])
    for name in ("camera.local", f"latchkey-{pin[:8]}.local"):
        conftest.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                      str(root_file), "-verify_hostname", name, str(leaf_file)])


def test_second_start_keeps_name_and_fallback(make_device, relay):
    relay.refuse["new-account"] = (503, "serverInternal", "not today")
    device = make_device()
    fallback, first = device.wait_https(), device.id()
    assert device.stop() == 0
    device.start()
    assert device.wait_https() == fallback
    assert device.id() == first


def test_a_second_agent_is_refused(make_device):
    device = make_device()
    device.wait_https()
    done = subprocess.run(device.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20)
    assert done.returncode == 1 and "another latchkey runs" in done.stdout


def test_a_taken_port_is_named(make_device):
    device = make_device(start=False)
    with socket.create_server(("127.0.0.1", device.port)):
        done = subprocess.run(device.command("run"), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20)
    assert done.returncode == 1
    assert re.search(rf"serve = '127.0.0.1:{device.port}': taken by \S+ \(pid {os.getpid()}\)", done.stdout)


def test_a_damaged_identity_is_not_replaced(make_device):
    device = make_device(start=False)
    os.makedirs(device.state_folder)
    with open(device.file("identity.pem"), "w") as file:
        file.write("damaged")
    done = subprocess.run(device.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20)
    assert done.returncode == 1 and "identity.pem" in done.stdout and "never replaced" in done.stdout
    with open(device.file("identity.pem")) as file:
        assert file.read() == "damaged"


# --- pages ---

def test_page_by_curl(make_device, relay):
    device = make_device()
    status = device.wait_trusted()
    name = device.name()
    done = conftest.run(["curl", "--silent", "--show-error", "--fail", "--include", "--cacert",
                         relay.ca_file, "--resolve", f"{name}:{device.port}:127.0.0.1", "--noproxy",
                         "*", f"https://{name}:{device.port}/"])
    head, page = done.stdout.split("\n\n", 1) if "\n\n" in done.stdout else (done.stdout, "")
    text = done.stdout
    assert "Browsers trust this device" in text and "<svg" in text
    assert status["trusted"]["serial"] in text
    assert f"https://127-0-0-1.{device.id()}.{ZONE}:{device.port}/" in text
    assert "Content-Security-Policy: default-src 'none'" in text
    assert "Strict-Transport-Security" not in text and "<script" not in text
    assert "Your browser has checked that this page comes from the device" in text


def test_other_paths_and_hosts(make_device):
    device = make_device()
    device.wait_https()
    assert device.get("/.well-known/latchkey/style.css")[1]["content-type"].startswith("text/css")
    assert device.get("/.well-known/latchkey/logo")[1]["content-type"] == "image/svg+xml"
    for path in ("/status.json", "/.well-known/latchkey/status.json"):
        code, headers, body = device.get(path)
        assert code == 200 and json.loads(body)["id"] == device.id()
        assert headers["cache-control"] == "no-store"
    assert device.get("/nothing")[0] == 404
    assert device.get("/identity.pem")[0] == 404
    assert device.get("/../state.json")[0] in (400, 404)
    assert device.get("/", host="evil.example")[0] == 421
    assert device.get("/status.json", host=f"x.{ZONE}")[0] == 421
    assert device.get("/", host="camera.local")[0] == 200
    code, headers, _ = device.get("/", method="POST")
    assert code == 405 and headers["allow"] == "GET, HEAD"
    assert device.get("/", method="HEAD")[0] == 200


# --- the trusted certificate ---

def test_trusted_by_name_fallback_else(make_device, relay):
    device = make_device()
    status = device.wait_trusted()
    trusted, fallback = status["trusted"]["sha256"], status["fallback"]["sha256"]
    device_id = status["id"]
    assert device.served(f"home.{device_id}.{ZONE}") == trusted
    assert device.served(f"192-168-1-51.{device_id}.{ZONE}") == trusted
    assert device.served() == fallback
    assert device.served("camera.local") == fallback
    assert device.served(f"a.b.{device_id}.{ZONE}") == fallback
    assert len(relay.finalized) == 1
    assert not os.path.exists(device.file("pending.pem"))
    assert stat.S_IMODE(os.stat(device.file("trusted.pem")).st_mode) == 0o600
    conftest.run(["openssl", "verify", "-CAfile", relay.ca_file, "-verify_hostname",
                  f"home.{device_id}.{ZONE}", device.file("trusted.pem")])


def test_restart_serves_at_once_without_an_order(make_device, relay):
    device = make_device()
    trusted = device.wait_trusted()["trusted"]["sha256"]
    name = device.name()
    assert device.stop() == 0
    orders = len(relay.orders)
    device.start()
    device.wait_https()
    assert device.served(name) == trusted
    device.wait_status(lambda s: s.get("publishedAt"))
    assert len(relay.orders) == orders


def test_swap_drops_no_connection(make_device, relay):
    device = make_device()
    before = device.wait_trusted()["trusted"]
    name = device.name()
    old = device.connect(name)
    assert ask(old, "/status.json", name, close=False)[0] == 200
    command("renew", "--config", device.config_file)
    after = device.wait_status(lambda s: s["trusted"]["serial"] != before["serial"] and
                               s["state"] == "trusted")["trusted"]
    # The connection that was there lives on with what it was made with; new ones get the new one.
    code, _, body = ask(old, "/status.json", name, close=False)
    assert code == 200 and json.loads(body)["trusted"]["serial"] == after["serial"]
    assert hashlib.sha256(old.getpeercert(True)).hexdigest() == before["sha256"]
    assert device.served(name) == after["sha256"]
    old.close()
    # Each certificate has a key of its own, and the renewal names what it replaces.
    assert len(set(relay.finalized)) == 2
    assert relay.orders["2"]["replaces"] and not relay.orders["1"]["replaces"]


def test_addresses_are_published_once(make_device, relay):
    device = make_device(address="127.0.0.1 192.168.77.51")
    device.wait_status(lambda s: s.get("publishedAt"))
    assert [p["addresses"] for p in relay.published] == [["127.0.0.1", "192.168.77.51"]]
    first = relay.published[0]["counter"]
    device.stop()
    device.start()
    testbed.wait_for(lambda: len(relay.published) == 2, "another publication", 20)
    assert relay.published[1]["counter"] > first


def test_another_relay_is_turned_to(make_device, relay, tmp_path):
    device = make_device()
    first = device.wait_trusted()["trusted"]["serial"]
    device.stop()
    folder = tmp_path / "other"
    folder.mkdir()
    other = FakeRelay(folder)
    other.zone = "other.example.net"
    try:
        text = open(device.config_file).read()
        with open(device.config_file, "w") as file:
            file.write(text.replace(relay.directory, other.directory).replace(relay.ca_file,
                                                                              other.ca_file))
        device.start()
        status = device.wait_status(lambda s: s.get("trusted", {}).get("serial") != first and
                                    s["state"] == "trusted")
        assert status["zone"] == "other.example.net" and other.accounts
        device.wait_status(lambda s: s.get("publishedAt"))
        device.stop()
    finally:
        other.close()


def test_advice_of_the_relay_is_followed(make_device, relay):
    relay.window = (86400 * 3, 86400 * 4)
    device = make_device()
    status = device.wait_status(lambda s: s.get("renewAdvised"))
    left_s = time.mktime(time.strptime(status["renewAt"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(
        time.gmtime())
    assert 86400 * 3 - 60 <= left_s <= 86400 * 4 + 60


# --- a relay that is wrong ---

@pytest.mark.parametrize("chain", ["foreign-key", "foreign-name", "extra-name", "expired", "garbage"])
def test_wrong_chains_are_refused(make_device, relay, chain):
    device = make_device()
    good = device.wait_trusted()["trusted"]
    relay.chain = chain
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: "failure" in s)
    assert status["serving"] == "trusted" and status["trusted"]["serial"] == good["serial"]
    assert status["failure"]["code"] in ("chain", "device", "protocol")
    assert device.served(device.name()) == good["sha256"]
    relay.chain = "good"
    command("renew", "--config", device.config_file)
    device.wait_status(lambda s: s["trusted"]["serial"] != good["serial"] and s["state"] == "trusted")


def test_a_retry_sends_the_same_request(make_device, relay):
    """The relay hands out what it has for a request it knows, and counts new keys per name."""
    relay.chain = "foreign-name"
    device = make_device()
    device.wait_status(lambda s: "failure" in s)
    pending = open(device.file("pending.pem")).read()
    relay.chain = "good"
    command("renew", "--config", device.config_file)
    device.wait_trusted()
    assert len(relay.finalized) == 2 and len(set(relay.finalized)) == 1
    assert pending.split("-----")[2] in open(device.file("trusted.pem")).read()


def test_refusals_are_shown_and_waits_kept(make_device, relay):
    relay.refuse["new-order"] = (429, "rateLimited", "place 7 in the queue", [("Retry-After", "120")])
    device = make_device()
    status = device.wait_failure("rate-limit")
    assert "place 7" in status["failure"]["detail"]
    assert 110 <= status["nextTryInSeconds"] <= 132
    assert b"asks the device to wait" in device.get("/")[2]
    # A restart does not come back earlier.
    device.stop()
    asked = relay.log.count("new-order")
    device.start()
    status = device.wait_status()
    assert 90 <= status["nextTryInSeconds"] <= 132
    time.sleep(1)
    assert relay.log.count("new-order") == asked


def test_bad_nonces_are_tried_again(make_device, relay):
    relay.nonce_errors = 4
    make_device().wait_trusted()


def test_another_acme_server_is_no_relay(make_device, relay):
    relay.zone = None
    device = make_device()
    status = device.wait_failure("no-relay")
    assert "no latchkey relay" in status["failure"]["sentence"]


def test_enrolment_token(make_device, relay, tmp_path):
    import base64
    relay.token = ("abcdefghij234567", os.urandom(32))
    device = make_device()
    status = device.wait_failure("eab")
    assert "enrolment token" in status["failure"]["sentence"]
    device.stop()
    token = tmp_path / "token"
    key = base64.urlsafe_b64encode(relay.token[1]).rstrip(b"=").decode()
    token.write_text(f"{relay.token[0]}:{key}\n")
    enrolled = make_device(token_file=str(token))
    enrolled.wait_trusted()
    assert key not in enrolled.process.log()


def test_wrong_token_files(make_device, tmp_path):
    token = tmp_path / "token"
    token.write_text("no colon here")
    for path in (token, tmp_path / "missing"):
        device = make_device(token_file=str(path))
        device.wait_status(lambda s: "failure" in s)
        assert str(path) in device.process.log() and "token add" in device.process.log()


# --- short lives ---

def test_short_certificates_are_renewed_in_time(make_device, relay):
    relay.life = 18  # a third of it is left for a renewal, on a machine that does other things too
    device = make_device()
    device.wait_trusted()
    name, serials, until = device.name(), set(), time.monotonic() + 32
    while time.monotonic() < until:
        status = device.status()
        assert status["serving"] == "trusted", device.process.tail(30)
        with device.connect(name) as connection:
            assert hashlib.sha256(connection.getpeercert(True)).hexdigest() != \
                status["fallback"]["sha256"]
        serials.add(status["trusted"]["serial"])
        time.sleep(0.25)
    assert 3 <= len(serials) <= 8


def test_expiry_falls_back_and_recovers(make_device, relay):
    relay.life = 12
    device = make_device()
    status = device.wait_trusted()
    name, fallback = device.name(), None
    relay.down = True
    device.wait_status(lambda s: s["serving"] == "fallback", 30)
    status = device.wait_failure("net", 30)
    assert status["reason"] == "expired" and status["serving"] == "fallback"
    fallback = status["fallback"]["sha256"]
    assert device.served(name) == fallback
    page = device.get("/", host=name)[2]
    assert b"has run out" in page and b"reached" in page
    relay.down = False
    relay.life = 86400
    status = device.wait_status(lambda s: s["state"] == "trusted", 40)
    assert "failure" not in status
    assert device.served(name) != fallback


# --- crashes ---

def test_killed_at_any_time(make_device, relay):
    """kill -9 at random moments of first boot and renewal: the next start is valid, the name stays, and
    there are never more requests than keys that were needed."""
    device = make_device(start=False)
    rounds = 60 if conftest.SOAK else 15
    identity = None
    generator = random.Random(20261121)
    for i in range(rounds):
        device.start()
        if generator.random() < 0.4 and identity is not None:
            device.wait_status()
            subprocess.run(device.command("renew"), stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(0.005, 0.5))
        device.process.kill()
        for name in os.listdir(device.state_folder) if os.path.isdir(device.state_folder) else []:
            if name.endswith(".pem"):
                text = open(device.file(name)).read()
                assert text.endswith("-----\n"), (name, text)
            if name == "state.json":
                json.load(open(device.file(name)))
        if os.path.exists(device.file("identity.pem")):
            text = open(device.file("identity.pem")).read()
            assert identity in (None, text)
            identity = text
    device.start()
    status = device.wait_trusted()
    assert device.served(f"home.{status['id']}.{ZONE}") == status["trusted"]["sha256"]
    assert len(set(relay.finalized)) <= rounds + 1


def test_killed_while_the_relay_holds_finalize(make_device, relay):
    """The order that was in work is gone on with: one order, one request."""
    relay.hold.clear()
    device = make_device()
    testbed.wait_for(lambda: any(p.startswith("finalize") for p in relay.log), "finalize", 20)
    device.process.kill()
    relay.hold.set()
    testbed.wait_for(lambda: relay.finalized, "the first finalize to end", 20)
    device.start()
    device.wait_trusted()
    assert "going on with the last order" in device.process.log()
    assert len(relay.orders) == 1 and len(set(relay.finalized)) == 1


def test_a_damaged_state_file_costs_an_order_at_most(make_device, relay):
    device = make_device()
    trusted = device.wait_trusted()["trusted"]
    device.stop()
    with open(device.file("state.json"), "w") as file:
        file.write("{\"version\":1,")
    device.start()
    status = device.wait_status(lambda s: s["serving"] == "trusted")
    assert status["trusted"]["serial"] == trusted["serial"]
    assert "starting without it" in device.process.log()


def test_a_full_disk_is_reported_and_https_goes_on(make_device, relay, tmp_path):
    conftest.need_root()
    conftest.need("mount")
    folder = tmp_path / "small"
    folder.mkdir()
    conftest.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)])
    try:
        relay.down = True
        device = make_device(state_folder=str(folder))
        device.state_folder = str(folder)
        fallback = device.wait_https()
        device.wait_status(lambda s: "failure" in s)
        ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError):
            while True:
                os.write(ballast, b"x" * 4096)
        os.close(ballast)
        relay.down = False
        command("renew", "--config", device.config_file)
        status = device.wait_failure("disk", 30)
        assert "storage" in status["failure"]["sentence"]
        assert device.served() == fallback
        os.remove(folder / "ballast")
        command("renew", "--config", device.config_file)
        device.wait_trusted()
        device.stop()
    finally:
        conftest.run(["umount", "-l", str(folder)])


# --- a worker that was captured ---

WORKER = """#!/usr/bin/python3
import base64, json, os, socket, struct, sys, time
channel = socket.socket(fileno=int(sys.argv[2]))
channel.setblocking(True)
def b64(data):
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()
def send(message):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    channel.sendall(struct.pack(">I", len(data)) + data)
def receive():
    head = channel.recv(4, socket.MSG_WAITALL)
    return json.loads(channel.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL))
task = receive()
assert "PRIVATE" not in json.dumps(task) and '"d"' not in json.dumps(task)
base = task["directory"].rsplit("/", 1)[0]
def header(**changes):
    return {{"alg": "ES256", "jwk": task["key"], "nonce": "n", "url": base + "/new-account", **changes}}
def ask(protected, payload):
    send({{"type": "sign_jws", "input": b64(protected) + "." + b64(payload)}})
    return receive()["type"]
{script}
"""


def captured(make_device, tmp_path, script):
    path = tmp_path / "captured-worker"
    path.write_text(WORKER.format(script=script))
    path.chmod(0o755)
    device = make_device(worker=str(path))
    return device


def test_a_captured_worker_gets_no_foreign_signature(make_device, tmp_path):
    result = tmp_path / "answers"
    device = captured(make_device, tmp_path, f"""
answers = [
    ask(header(), {{"termsOfServiceAgreed": True}}),
    ask(header(url="https://evil.example/acme/new-account"), {{}}),
    ask(header(alg="none"), {{}}),
    ask(header(), {{"status": "deactivated"}}),
    ask(header(), {{"csr": "AAAA"}}),
    ask(header(), {{"identifiers": [{{"type": "dns", "value": "*.lan.example.com"}}]}}),
    ask(header(extra=1), {{}}),
]
send({{"type": "sign_csr", "zone": "evil/../zone"}})
answers.append(receive()["type"])
send({{"type": "certificate", "chain": "-----BEGIN CERTIFICATE-----"}})
answers.append(receive()["type"])
send({{"type": "save", "account_url": "https://evil.example/acme/acct/1"}})
answers.append(receive()["type"])
open({str(result)!r} + ".new", "w").write(json.dumps(answers))
os.rename({str(result)!r} + ".new", {str(result)!r})
send({{"type": "failed", "code": "net", "text": "that was all"}})
""")
    testbed.wait_for(result.exists, "the worker's answers", 20)
    assert json.loads(result.read_text()) == ["signature"] + ["refused"] * 9
    device.wait_failure("net")
    assert "refused to sign" in device.process.log()


# Makes a certificate for the agent's own request, as a relay would.
ISSUE = """
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
if task["task"] != "certify":
    os._exit(0)  # it may be asked to publish first
send({"type": "relay", "zone": "lan.example.com"})
assert receive()["type"] == "saved"
send({"type": "sign_csr", "zone": "lan.example.com"})
text = receive()["csr"]
csr = x509.load_der_x509_csr(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
key = ec.generate_private_key(ec.SECP256R1())
issuer = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "Captured")])
now = datetime.datetime.utcnow()
cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer)
        .public_key(csr.public_key()).serial_number(0x5eed5eed)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(csr.extensions[0].value, True)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256()))
send({"type": "certificate", "chain": cert.public_bytes(serialization.Encoding.PEM).decode()})
answer = receive()
assert answer["type"] == "installed", answer
"""


@pytest.mark.parametrize("end", ['send({"type": "failed", "code": "net", "text": "it went away"})',
                                 "os._exit(0)"])
def test_a_good_chain_counts_whatever_the_worker_says_then(make_device, tmp_path, end):
    """The agent has checked it, and looks itself whether it is served."""
    device = captured(make_device, tmp_path, ISSUE + end)
    status = device.wait_trusted()
    assert status["trusted"]["serial"] == "5eed5eed" and "failure" not in status
    assert device.served(device.name()) == status["trusted"]["sha256"]
    assert not os.path.exists(device.file("candidate.pem"))


def test_what_was_not_seen_served_is_taken_back(make_device, relay):
    """Another server has the address at which the agent is to look."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        device = make_device(verify=f"127.0.0.1:{deaf.getsockname()[1]}")
        deaf.close()
        status = device.wait_failure("not-served", 40)
    assert status["serving"] == "fallback" and "trusted" not in status
    assert not os.path.exists(device.file("trusted.pem"))
    assert device.served(device.name()) == status["fallback"]["sha256"]
    assert len(relay.orders) == 1


@pytest.mark.parametrize("script, text", [
    ("os._exit(0)", "ended without a result"),
    ("channel.sendall(b'\\xff\\xff\\xff\\xff')\ntime.sleep(30)", "broke the protocol"),
    ("send(b'{}')\ntime.sleep(30)", "broke the protocol"),
    ("send({{'type': 'task'}})\ntime.sleep(30)", "broke the protocol"),
    ("send({{'type': 'done', 'extra': 1}})\ntime.sleep(30)", "broke the protocol"),
])
def test_a_worker_that_misbehaves_is_ended(make_device, tmp_path, script, text):
    device = captured(make_device, tmp_path, script.replace("{{", "{").replace("}}", "}"))
    status = device.wait_failure("worker")
    assert text in status["failure"]["detail"]
    children = subprocess.run(["ps", "--ppid", str(device.process.pid), "-o", "pid="],
                              stdout=subprocess.PIPE, text=True).stdout.split()
    assert not children, "the worker outlived its task"


def test_a_missing_worker_is_named(make_device):
    device = make_device(worker="/nonexistent/latchkey-worker")
    status = device.wait_failure("worker")
    assert "/nonexistent/latchkey-worker" in status["failure"]["detail"]


def test_absurd_waits_are_held_to_a_day(make_device, tmp_path):
    device = captured(make_device, tmp_path, 'send({"type": "failed", "code": "rate-limit", '
                      '"text": "later", "retry_after_s": 2**63 - 1})')
    status = device.wait_failure("rate-limit")
    assert 86400 - 60 <= status["nextTryInSeconds"] <= 86400 * 1.1 + 1
    device.stop()
    with open(device.file("state.json")) as file:
        state = json.load(file)
    assert 0 < state["hold_until_at"] <= time.time() + 86400 * 1.1 + 1
    # What a wrong clock or an older version has left: it would be held anew at each start.
    state["hold_until_at"] = int(time.time()) + 50 * 365 * 86400
    with open(device.file("state.json"), "w") as file:
        json.dump(state, file)
    device.start()
    assert device.wait_failure("rate-limit")["failure"]["at"] >= status["failure"]["at"]
    testbed.wait_for(lambda: device.process.log().count("asking") == 2, "an order at once", 10)


def test_names_stay_those_of_the_certificate(make_device, relay):
    device = make_device()
    device.wait_trusted()
    name = device.name()
    relay.zone = "elsewhere.example"
    relay.refuse["new-order"] = (403, "unauthorized", "not now", [])
    command("renew", "--config", device.config_file)
    device.wait_status(lambda s: "failure" in s)
    for _ in range(2):
        status, _, body = device.get(host=name, name=name)
        assert status == 200 and name.encode() in body.replace(b"</span><wbr><span>", b"")
        assert b"elsewhere" not in body
        device.stop()
        device.start()
        device.wait_status()


def test_a_foreign_account_is_forgotten(make_device):
    device = make_device()
    device.wait_trusted()
    device.stop()
    with open(device.file("state.json")) as file:
        state = json.load(file)
    state["account_url"] = "https://evil.example/acme/acct/1"
    with open(device.file("state.json"), "w") as file:
        json.dump(state, file)
    device.start()
    device.wait_status()
    command("renew", "--config", device.config_file)
    device.wait_status(lambda s: s.get("account", "").endswith("/acct/" + s["id"]))
    assert "is not at the configured relay" in device.process.log()


def test_what_a_power_cut_left_is_removed(make_device):
    device = make_device()
    device.wait_status()
    device.stop()
    left = [device.file(f"{name}.77-0.tmp") for name in ("identity.pem", "pending.pem", "state.json")]
    for path in left:
        with open(path, "w") as file:
            file.write("half")
    mine = device.file("notes.tmp")
    with open(mine, "w") as file:
        file.write("the owner's")
    device.start()
    device.wait_status()
    assert not [path for path in left if os.path.exists(path)]
    assert os.path.exists(mine)


# --- commands ---

def test_status_and_its_faults(make_device, tmp_path):
    device = make_device()
    device.wait_trusted()
    text = command("status", "--config", device.config_file).stdout
    assert device.id() in text and "trusted" in text
    assert command("status", "--state", device.state_folder).stdout
    device.stop()
    done = command("status", "--config", device.config_file, status=3)
    assert "no agent answers" in done.stderr and device.state_folder in done.stderr
    command("renew", "--state", str(tmp_path), status=3)
    done = command("status", "--config", str(tmp_path / "missing"), status=1)
    assert "missing" in done.stderr
    done = command("status", "--colour", status=2)
    assert "'--colour'" in done.stderr
    assert "needs a value" in command("status", "--config", status=2).stderr


def test_qr(make_device):
    device = make_device()
    device.wait_https()
    pin = device.wait_status()["pin"]
    done = command("qr", "--config", device.config_file)
    assert f"LATCHKEY:1/K{pin.upper()}/A127.0.0.1:{device.port}" in done.stdout
    assert "\u2588" in done.stdout
    # The fallback is made anew when the device learns its zone from the relay, which may be now.
    testbed.wait_for(lambda: device.wait_status()["fallback"]["sha256"] in
                     re.sub(r"\s", "", command("qr", "--config", device.config_file).stdout),
                     "the fingerprint of the device's own certificate is shown")
    svg = command("qr", "--svg", "--config", device.config_file).stdout
    import xml.etree.ElementTree
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    device.stop()  # it is read from the folder: no agent is needed
    assert pin.upper() in command("qr", "--config", device.config_file).stdout


def test_qr_without_identity(tmp_path):
    done = command("qr", "--state", str(tmp_path), status=1)
    assert "identity.pem" in done.stderr and "first runs" in done.stderr


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_name_of_pem(tmp_path, kind):
    import acme_client
    key = acme_client.Key(kind)
    path = tmp_path / "key.pem"
    path.write_bytes(key.pem() if isinstance(key.pem(), bytes) else key.pem().encode())
    expected = key.id() if callable(key.id) else key.id
    text = command("name", str(path), "LAN.example.com.").stdout
    assert expected in text and f"*.{expected}.lan.example.com" in text


def test_name_of_certbots_key(tmp_path):
    from cryptography.hazmat.primitives.asymmetric import rsa
    import acme_client
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.private_numbers()
    jwk = {"kty": "RSA", "n": acme_client.number(numbers.public_numbers.n),
           "e": acme_client.number(numbers.public_numbers.e), "d": acme_client.number(numbers.d),
           "p": acme_client.number(numbers.p), "q": acme_client.number(numbers.q),
           "dp": acme_client.number(numbers.dmp1), "dq": acme_client.number(numbers.dmq1),
           "qi": acme_client.number(numbers.iqmp)}
    path = tmp_path / "private_key.json"
    path.write_text(json.dumps(jwk))
    key = acme_client.Key(private=private)
    expected = key.id() if callable(key.id) else key.id
    assert expected in command("name", str(path), "lan.example.com").stdout


def test_wrong_arguments(tmp_path):
    junk = tmp_path / "junk"
    junk.write_text("not a key")
    assert "KEYFILE ZONE" in command("name", status=2).stderr
    assert "'no zone'" in command("name", str(junk), "no zone", status=2).stderr
    done = command("name", str(junk), "lan.example.com", status=1)
    assert "junk" in done.stderr and "PEM" in done.stderr
    assert "missing" in command("name", str(tmp_path / "missing"), "x.y", status=1).stderr
    done = command("publish", str(junk), "192.168.1.51", status=2)
    assert "--relay" in done.stderr
    url = "https://127.0.0.1:1/acme/directory"
    assert "'8.8.8.8' is no private" in command("publish", str(junk), "8.8.8.8", "--relay", url,
                                                status=2).stderr
    assert "'home'" in command("publish", str(junk), "home", "--relay", url, status=2).stderr
    assert "https" in command("publish", str(junk), "192.168.1.51", "--relay", "http://x/y",
                              status=2).stderr
    nine = [f"192.168.1.{i}" for i in range(9)]
    assert "at most 8" in command("publish", str(junk), *nine, "--relay", url, status=2).stderr
    assert "'frobnicate'" in command("frobnicate", status=2).stderr
    assert "Usage" in command(status=2).stderr


def test_help_version_and_check(make_device, tmp_path, relay):
    worker = conftest.program("latchkey-worker")
    for path in (LATCHKEY, worker):
        assert "Usage" in conftest.run([path, "--help"]).stdout
        assert re.search(r"\d+\.\d+", conftest.run([path, "--version"]).stdout)
    device = make_device(start=False)
    bad = tmp_path / "bad.conf"
    bad.write_text("[device]\nrelay = http://x\nnmae = home\nserve = here\n")
    for path in (LATCHKEY, worker):
        assert "good" in conftest.run([path, "--check", "--config", device.config_file]).stdout
        done = conftest.run([path, "--check", "--config", str(bad)], check=False)
        assert done.returncode == 1
        missing = tmp_path / "missing.conf"
        missing.write_text(f"[device]\nrelay = {relay.directory}\nca_file = /nonexistent/ca.pem\n")
        done_missing = conftest.run([path, "--check", "--config", str(missing)], check=False)
        assert done_missing.returncode == 1 and "/nonexistent/ca.pem" in done_missing.stdout
        for part in ("bad.conf:2", "bad.conf:3", "bad.conf:4", "https://", "nmae", "'here'"):
            assert part in done.stdout, (part, done.stdout)
    done = conftest.run([worker], check=False)
    assert done.returncode == 2
    done = conftest.run([worker, "--socket", "0"], check=False)
    assert done.returncode == 2 and "no socket" in done.stdout


def test_publish_for_another_client(relay, tmp_path):
    import acme_client
    key = acme_client.Key("p256")
    path = tmp_path / "key.pem"
    path.write_bytes(key.pem() if isinstance(key.pem(), bytes) else key.pem().encode())
    arguments = ["publish", str(path), "192.168.1.51", "fd12::1", "--relay", relay.directory,
                 "--ca-file", relay.ca_file]
    done = command(*arguments, status=1)
    assert "must have made its account" in done.stderr
    device = key.id() if callable(key.id) else key.id
    relay.accounts[f"{relay.base}/acct/{device}"] = key.jwk() if callable(key.jwk) else key.jwk
    assert "Published" in command(*arguments).stdout
    assert relay.published[0]["addresses"] == ["192.168.1.51", "fd12::1"]
    assert abs(relay.published[0]["counter"] - time.time()) < 60
