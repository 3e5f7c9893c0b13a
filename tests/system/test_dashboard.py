"""The admin role: its pages in Chromium, who may read them, alerts, and what the CA logged."""
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest

import acme_client
import browser
import testbed
from conftest import BIN, TOP, check_stopped, make_lab, need, new_client  # noqa: F401

DAY = 86400


class Admin:
    """The admin role of LAB, with settings of its own."""

    def __init__(self, lab, admin=None, alert=None):
        self.lab = lab
        self.address = f"127.0.0.1:{testbed.free_port('127.0.0.1', set())}"
        self.ready = os.path.join(lab.folder, "admin.ready")
        lab.settings["admin"] = {"listen": self.address, "ready_file": self.ready, **(admin or {})}
        lab.settings["alert"] = {"check_delegation": "no", **(alert or {})}
        lab.write_config()
        self.process = testbed.Process("admin", [os.path.join(BIN, "latchkey-relay"), "--config",
                                                 lab.config_file, "admin"],
                                       os.path.join(lab.folder, "admin.log"))

    def start(self):
        if os.path.exists(self.ready):
            os.remove(self.ready)
        self.process.start()

        def serves():
            self.process.check()
            return os.path.exists(self.ready)
        testbed.wait_for(serves, "the admin role serves")
        return self

    def stop(self):
        assert self.process.stop() in (0, None), self.process.tail(40)

    def get(self, path, host=None, method="GET"):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.getheaders())
        finally:
            connection.close()

    def wait_for(self, pattern, path="/", seconds=30):
        return testbed.wait_for(lambda: re.search(pattern, self.get(path)[1], re.S), pattern, seconds)


def seed(lab, count=400, awake=0):
    """Devices with certificates of every age, as if the relay had run for weeks; the first AWAKE of those whose
    certificate has expired have published since."""
    now = int(time.time())
    front = sqlite3.connect(os.path.join(lab.store, "front.db"), timeout=20)
    issuer = sqlite3.connect(os.path.join(lab.store, "issuer.db"), timeout=20)
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    ids = []
    for i in range(count):
        name = "".join(letters[(i * 7 + j * j * 3 + i // 32 * (j + 1)) % 32] for j in range(32))
        ids.append(name)
        front.execute("INSERT OR IGNORE INTO accounts VALUES (?,?,0,'{}','{}','',?,'valid',?)",
                      (lab.zone, name, "[]", now - i * 3600))
        left = -2 * DAY if i < awake else (i * 41 % 440) / 10 * DAY + 3600
        end = int(now + left)
        issuer.execute(
            "INSERT OR REPLACE INTO certificates (zone, cert_id, rev, id, number, lane, ca, serial, names, spki_hash,"
            " csr_hash, chain, alternates, not_before_at, not_after_at, ari_start_at, ari_end_at, ari_checked_at)"
            " VALUES (?,?,0,?,?,'device','ca',?,?,'','','','[]',?,?,0,0,?)",
            (lab.zone, f"seed{i}", name, f"{i:032x}", f"{i + 0x1000:08x}", f"*.{name}.{lab.zone}",
             end - 45 * DAY, end, now))
        if i < awake:
            front.execute("INSERT OR REPLACE INTO addresses VALUES (?,?,0,1,'192.168.1.7','{}',?,0)",
                          (lab.zone, name, now - DAY))
    for i in range(min(30, count)):
        issuer.execute("INSERT OR REPLACE INTO queue VALUES (?,?,0,?,?,?,?,?)",
                       (lab.zone, i, ids[-1 - i], "the CA's certificates per domain and week", now - i * 700,
                        now + i * 4000, now + 2 * DAY))
    for level in (1, 2):
        issuer.execute("INSERT OR REPLACE INTO queue_blocks VALUES (?,?,0,?)", (lab.zone, level, min(30, count)))
    for database in (front, issuer):
        database.commit()
        database.close()
    return ids


@pytest.fixture
def admin_of(request):
    """admin_of(lab, ...) starts the admin role; it ends before the lab does."""
    started = []

    def make(lab, **options):
        started.append(Admin(lab, **options))
        return started[-1].start()

    yield make
    for one in started:
        one.stop()


def test_pages_in_a_browser(make_lab, admin_of, tmp_path):
    need("chromium", "certutil")
    lab = make_lab()
    client = new_client(lab)
    client.account()
    client.certificate()
    ids = seed(lab)
    relay = [os.path.join(BIN, "latchkey-relay"), "--config", lab.config_file]
    evil = "<img src=x onerror=alert(1)>&\"'"
    subprocess.run(relay + ["block", ids[3], evil], check=True)
    admin = admin_of(lab)
    for _ in range(40):
        testbed.dns_query(lab.address, lab.dns_port, f"192-168-1-51.{ids[0]}.{lab.zone}", 1)
    admin.wait_for(r"NOERROR")
    admin.wait_for(r"<b>401</b><span>devices")
    admin.wait_for(r"<b>30</b><span>wait for the CA")
    admin.wait_for(r"<b>[0-9.]+</b><span>DNS answers a second", seconds=90)
    page = browser.Browser(str(tmp_path), browser.make_home(str(tmp_path)))
    try:
        url = f"http://{admin.address}"
        for path, name in (("/", "dashboard"), ("/devices", "dashboard-devices"),
                           (f"/device/{client.key.id()}", "dashboard-device")):
            page.shoot_all(url + path, name)
            assert not page.complaints
        # What an operator wrote is text.
        page.open(url)
        assert evil in page.text()
        assert page.evaluate("document.querySelectorAll('img').length") == 0
        # Live: a new device appears without a reload.
        page.evaluate("window.kept = true")
        new_client(lab).account()
        page.wait("document.getElementById('live').textContent.startsWith('live, ')", "it fetches", 30)
        page.wait("/402\\s*devices/.test(document.body.innerText)", "the new device", 90)
        assert page.evaluate("window.kept") is True
        # Without scripts everything is there.
        page.look(360, scripts=False)
        page.open(url)
        assert "Certificates by days left" in page.text() and "What waits" in page.text()
        # Search and the next page.
        page.look(1280)
        page.open(f"{url}/devices?q={ids[5][:6].upper()}")
        assert ids[5] in page.text()
        page.open(f"{url}/devices")
        more = page.evaluate("document.querySelector('.more').href")
        first = page.text()
        page.open(more)
        assert page.text() != first and not page.complaints
    finally:
        page.close()


def test_who_may_read(make_lab, admin_of):
    lab = make_lab()
    admin = admin_of(lab)
    status, _, headers = admin.get("/")
    assert status == 200 and "Set-Cookie" not in headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert admin.get("/", host="evil.example")[0] == 421
    assert admin.get("/", host=f"localhost:{admin.address.split(':')[1]}")[0] == 200
    assert admin.get("/", method="POST")[0] == 405
    assert admin.get("/device/nobody")[0] == 404
    assert admin.get("/device/" + "a" * 32)[0] == 404
    assert admin.get("/nothing")[0] == 404
    assert admin.get("/healthz")[0] == 200


def test_a_public_address_is_refused(make_lab):
    lab = make_lab()
    for listen in ("0.0.0.0:9440", ":9440", "192.0.2.1:9440"):
        admin = Admin(lab, admin={"listen": listen})
        done = subprocess.run(admin.process.command, capture_output=True, text=True, timeout=20)
        assert done.returncode != 0
        assert f"[admin] listen = '{listen}': must be a loopback address" in done.stderr
    lab.settings.pop("admin"), lab.settings.pop("alert")
    lab.write_config()


def test_a_unix_socket(make_lab, admin_of):
    lab = make_lab()
    path = os.path.join(lab.folder, "admin.sock")
    admin_of(lab, admin={"listen": path})
    assert os.stat(path).st_mode & 0o007 == 0
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost:9440\r\nConnection: close\r\n\r\n")
        assert peer.makefile("rb").readline().startswith(b"HTTP/1.1 200 ")


def test_reload(make_lab, admin_of):
    """SIGHUP: a wrong file changes nothing, a right one does without a new process, and what can't change is named."""
    lab = make_lab()
    admin = admin_of(lab)

    def reload(pattern):
        lab.write_config()
        before = len(admin.process.log())
        admin.process.child.send_signal(signal.SIGHUP)
        testbed.wait_for(lambda: admin.process.check() and re.search(pattern, admin.process.log()[before:]),
                         f"'{pattern}' in the admin role's log")
        assert admin.get("/")[0] == 200
        return admin.process.log()[before:]

    pid = admin.process.pid
    lab.settings["admin"]["ct_url"] = "ftp://nowhere"
    reload("everything stays as it was")
    lab.settings["admin"]["ct_url"] = "https://127.0.0.1:1/?q=%s"
    lab.settings["alert"]["command"] = "/bin/true"
    said = reload("is read again")
    assert re.search(r"\[alert\] command: a change needs a restart", said), said
    # The new address is asked: nobody is there.
    testbed.wait_for(lambda: "certificates that the CA logged" in admin.process.log(), "the CT monitor is asked", 60)
    assert admin.process.running() and admin.process.pid == pid
    with open(f"/proc/{pid}/status") as file:
        assert re.search(r"^Seccomp:\s2$", file.read(), re.M), "confined, and reloading all the same"


def test_a_delegation_that_is_broken(make_lab, admin_of):
    """The alert is the first fault that check-delegation finds, not its advice: nobody answers at port 53 here."""
    lab = make_lab()
    admin = admin_of(lab, alert={"check_delegation": "yes"})
    testbed.wait_for(lambda: f"alert 'delegation-broken': {lab.zone}: ns.{lab.zone} (127.0.0.1:53): no answer"
                     in admin.process.log(), "the alert names the server", 60)


def test_metrics_and_rules(make_lab, admin_of):
    """Each series that the rules name is told by some role; promtool judges both texts."""
    lab = make_lab()
    admin = admin_of(lab)
    new_client(lab).account()
    rules = os.path.join(TOP, "deploy", "prometheus", "latchkey.rules.yml")
    text = admin.get("/metrics")[1]
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "rules", rules], check=True)
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True)
    for address in lab.status_addresses.values():
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/metrics")
        text += connection.getresponse().read().decode()
        connection.close()
    told = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    named = set(re.findall(r"\blatchkey_\w+", open(rules).read()))
    assert named and {re.sub("_bucket$", "", name) for name in named} <= told


def command(lab):
    """An alert command that keeps what it is told, and those lines."""
    path, told = os.path.join(lab.folder, "tell"), os.path.join(lab.folder, "told")
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\ncat >> {told}\n")
    os.chmod(path, 0o755)

    def lines():
        if not os.path.exists(told):
            return []
        with open(told) as file:
            return [(line["alert"], line["state"]) for line in map(json.loads, file)]
    return path, lines


def test_alerts_are_told_once_at_begin_and_end(make_lab, admin_of):
    lab = make_lab()
    path, told = command(lab)
    ids = seed(lab, 20, awake=2)
    admin = admin_of(lab, alert={"command": path})
    expired = ("expired-while-awake", "begin")
    testbed.wait_for(lambda: expired in told(), "the command hears of it")
    admin.wait_for(r"2 certificates expired while their device was awake")
    # A restart tells nothing twice.
    admin.stop()
    assert json.load(open(os.path.join(lab.store, "alerts.json")))[lab.zone]["expired-while-awake"]["active"]
    admin.start()
    admin.wait_for(r"2 certificates expired while their device was awake")
    looks = admin.process.log().count("alert 'expired-while-awake'")
    admin.stop()
    assert looks == 1 and told().count(expired) == 1
    # They get new certificates while it is down: the end is told.
    with sqlite3.connect(os.path.join(lab.store, "issuer.db"), timeout=20) as issuer:
        issuer.execute("UPDATE certificates SET not_after_at = not_after_at + 4000000 WHERE id IN (?, ?)", ids[:2])
    admin.start()
    testbed.wait_for(lambda: ("expired-while-awake", "end") in told(), "the command hears of the end")
    assert [line for line in told() if line[0] == expired[0]] == [expired, ("expired-while-awake", "end")]


def test_a_role_that_is_down_is_told(make_lab, admin_of):
    lab = make_lab()
    path, told = command(lab)
    admin = admin_of(lab, alert={"command": path})
    admin.wait_for(r"<b>dns</b> <span class=\"badge good\">well")
    lab.processes["dns"].stop()
    admin.wait_for(r"<b>dns</b> <span class=\"badge bad\">down")
    testbed.wait_for(lambda: ("dns-down", "begin") in told(), "the command hears of it", 120)
    lab.processes["dns"].start()
    testbed.wait_for(lambda: ("dns-down", "end") in told(), "the command hears of the end", 60)


class Monitor:
    """A CT monitor: HTTPS with a certificate of the lab's CA; `answer` is its body."""

    def __init__(self, lab):
        key, pem = lab.ca.issue("monitor", ["localhost"], ["127.0.0.1"])
        monitor = self
        self.answer, self.asked = b"[]", []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                monitor.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(monitor.answer)))
                self.end_headers()
                self.wfile.write(monitor.answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}/?q=%25.%s&output=json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def entry(serial, names="*.x.lab.test", begun_s=DAY):
    begin = time.gmtime(time.time() - begun_s)
    end = time.gmtime(time.time() + 30 * DAY)
    return {"serial_number": serial, "name_value": names, "issuer_name": "C=XX, O=Somebody Else",
            "not_before": time.strftime("%Y-%m-%dT%H:%M:%S", begin),
            "not_after": time.strftime("%Y-%m-%dT%H:%M:%S", end)}


def test_what_the_ca_logged(make_lab, admin_of):
    lab = make_lab()
    path, told = command(lab)
    client = new_client(lab)
    client.account()
    serial = f"{acme_client.leaf(client.certificate()).serial_number:x}"
    monitor = Monitor(lab)
    unknown = ("unknown-certificate", "begin")
    try:
        # Known, and one that is too fresh to be in the ledger for sure.
        monitor.answer = json.dumps([entry(serial), entry("00" + serial.upper()),
                                     entry("77", begun_s=60)]).encode()
        admin = admin_of(lab, admin={"ct_url": monitor.url, "ct_ca_file": lab.ca.ca_file},
                         alert={"command": path})
        admin.wait_for(r"2 logged certificates, all in the ledger")
        assert monitor.asked == [f"/?q=%25.{lab.zone}&output=json"]
        # What can't be read is no alert, but is said.
        for answer, why in ((b"<html>busy</html>", "is no list of certificates"),
                            (b"[" + b" " * (5 << 20) + b"]", "could not be looked up")):
            admin.stop()
            monitor.answer = answer
            before = len(admin.process.log())
            admin.start()
            testbed.wait_for(lambda: why in admin.process.log()[before:], why)
        assert told() == []
        admin.stop()
        monitor.answer = json.dumps([entry(serial), entry("0badc0de", "<b>evil</b>.lab.test")]).encode()
        admin.start()
        testbed.wait_for(lambda: unknown in told(), "the command hears of it")
        admin.wait_for(r"serial 0badc0de, for &lt;b&gt;evil&lt;/b&gt;.lab.test, by C=XX, O=Somebody Else")
    finally:
        monitor.close()
