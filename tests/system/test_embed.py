"""A product with its own web interface: the device's program is the backend behind HTTPS, its page embeds
latchkey's status under a strict policy, and everything it needs comes by its own origin. In the maker's language,
with the maker's name, logo and colour."""
import http.client
import http.server
import json
import os
import struct
import subprocess
import threading
import zlib

import pytest

import browser
import conftest
import testbed

EXAMPLE = os.path.join(conftest.TOP, "docs", "embed-example.html")
GERMAN = os.path.join(conftest.TOP, "device", "texts", "de.conf")
POLICY = "default-src 'self'; require-trusted-types-for 'script'; base-uri 'none'; frame-ancestors 'none'"


def png():
    """An image of 40 by 20, blue."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + b"\x20\x60\xd0" * 40) * 20
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 20, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


SVG = ('<?xml version="1.0"?><!-- a logo --><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30" width="90" '
       'height="30"><script>document.title="ran"</script><style>rect{fill:#7a1fa2}</style>'
       '<rect width="90" height="30" rx="4"/></svg>')


class Maker(http.server.BaseHTTPRequestHandler):
    """The maker's web server: the example page, and the agent's paths passed on to its plain HTTP."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/.well-known/latchkey/"):
            agent = http.client.HTTPConnection("127.0.0.1", self.server.agent_port, timeout=5)
            agent.request("GET", self.path, headers={"Host": "localhost"})
            response = agent.getresponse()
            body, kind, status = response.read(), response.headers["Content-Type"], response.status
        else:
            with open(EXAMPLE, "rb") as file:
                body, kind, status = file.read(), "text/html; charset=utf-8", 200
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    conftest.need("chromium", "certutil", "ss")
    folder = tmp_path_factory.mktemp("embed")
    maker = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Maker)
    threading.Thread(target=maker.serve_forever, daemon=True).start()
    (folder / "logo.svg").write_text(SVG)
    agent = testbed.Agent(str(folder / "device"), conftest.BIN, "https://127.0.0.1:1/acme/directory", "",
                          "127.0.0.1:0", settings={
                              "address": "192.168.77.51", "http": "127.0.0.1:0", "pages": "127.0.0.1:0",
                              "backend": f"127.0.0.1:{maker.server_address[1]}", "brand_name": "Näh & Co <Kamera>",
                              "brand_logo": str(folder / "logo.svg"), "brand_color": "#ffd54f",
                              "texts_file": GERMAN}).start()
    try:
        log = testbed.wait_for(lambda: "way in is at port" in agent.process.tail(50)
                               and "HTTPS: serving" in agent.process.tail(50) and agent.process.tail(50), "HTTPS", 15)
        maker.agent_port = int(log.split("the way in is at port ")[1].split()[0])
        agent.maker, agent.log = maker, log
        agent.listening = conftest.run(["ss", "-Hltnp"]).stdout
        yield agent
    finally:
        agent.stop()
        maker.shutdown()
    assert not conftest.sanitizer_reports(str(folder))


@pytest.fixture(scope="module")
def chromium(device, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("browser"))
    chromium = browser.Browser(folder, browser.make_home(folder), arguments=("--ignore-certificate-errors",))
    chromium.look(800)
    yield chromium
    chromium.close()


def ports(device):
    """The ports at which the agent listens by TCP, without that of plain HTTP."""
    pid = device.process.child.pid
    found = [line.split()[3].rpartition(":")[2] for line in device.listening.splitlines() if f"pid={pid}," in line]
    return [int(port) for port in found if int(port) != device.maker.agent_port]


def find_ports(device, chromium):
    """(the one with the backend, the one with the pages)"""
    found = {}
    for port in ports(device):
        chromium.open(f"https://127.0.0.1:{port}/")
        found["maker" if "My camera" in chromium.text() else "pages"] = port
    return found["maker"], found["pages"]


def test_the_element_in_a_makers_page(device, chromium):
    maker, _ = find_ports(device, chromium)
    chromium.open(f"https://127.0.0.1:{maker}/")
    text = chromium.wait("(document.querySelector('latchkey-status').shadowRoot || {}).textContent || ''",
                         "the element's content")
    assert "Sichere Adresse nicht bereit" in text and "Relay" in text, text
    assert not chromium.complaints, chromium.complaints
    # Its style is there although the policy allows none inline.
    assert chromium.evaluate("getComputedStyle(document.querySelector('latchkey-status').shadowRoot"
                             ".querySelector('section')).borderTopStyle") == "solid"
    chromium.shoot("embed-example")


def ask(device, path):
    agent = http.client.HTTPConnection("127.0.0.1", device.maker.agent_port, timeout=5)
    agent.request("GET", path)
    response = agent.getresponse()
    return response.status, response.headers, response.read()


def test_what_a_stranger_may_know(device):
    status, headers, body = ask(device, "/.well-known/latchkey/status.json")
    facts = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert facts["serving"] == "fallback" and facts["failure"]["code"] == "net"
    assert set(facts) <= {"id", "pin", "zone", "localName", "mdnsName", "state", "serving", "reason", "now",
                          "addresses", "urls", "stableUrl", "trusted", "renewAt", "nextTryInSeconds", "ordering",
                          "obtainedAt", "worst", "attention", "failure"}
    assert set(facts["failure"]) == {"code", "sentence"}
    assert "127.0.0.1:1" not in body.decode()   # neither the relay nor its sentences


def test_the_makers_looks(device, chromium):
    _, pages = find_ports(device, chromium)
    chromium.shoot_all(f"https://127.0.0.1:{pages}/", "brand-status-german")
    assert "Näh & Co <Kamera>" in chromium.text() and "Noch kein vertrauenswürdiges" in chromium.text()
    assert chromium.evaluate("document.documentElement.lang") == "de"
    assert "ran" not in chromium.evaluate("document.title")
    assert chromium.evaluate("document.querySelector('.brand img').naturalWidth") == 90
    chromium.shoot_all(f"https://127.0.0.1:{pages}/login", "brand-login-german")
    # Black text on the light colour.
    colors = chromium.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle("
                               "document.querySelector('button.main')))")
    assert colors == ["rgb(255, 213, 79)", "rgb(0, 0, 0)"], colors
    chromium.shoot_all(f"http://127.0.0.1:{device.maker.agent_port}/", "brand-way-in-german")
    assert not chromium.complaints, chromium.complaints


def test_a_logo_opened_by_itself_runs_nothing(device, chromium):
    status, headers, _ = ask(device, "/.well-known/latchkey/logo")
    assert status == 200 and headers["Content-Type"] == "image/svg+xml"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    chromium.open(f"http://127.0.0.1:{device.maker.agent_port}/.well-known/latchkey/logo")
    assert chromium.evaluate("document.title") != "ran"


def check(tmp_path, **settings):
    agent = testbed.Agent(str(tmp_path / "checked"), conftest.BIN, "https://127.0.0.1:1/acme/directory", "",
                          "127.0.0.1:0", settings=settings)
    return subprocess.run([os.path.join(conftest.BIN, "latchkey"), "--check", "--config", agent.config_file],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def test_check_names_what_is_wrong(tmp_path):
    (tmp_path / "logo.png").write_bytes(png())
    (tmp_path / "big.svg").write_text("<svg>" + " " * 70000 + "</svg>")
    (tmp_path / "page.html").write_text("<html><script>1</script></html>")
    (tmp_path / "bad.conf").write_bytes(b"nav.login = \xff\n")
    (tmp_path / "part.conf").write_text("nav.login = Anmelden\nno.such = x\n")
    assert check(tmp_path, brand_logo=tmp_path / "logo.png", texts_file=GERMAN, brand_color="#0b6b53").returncode == 0
    for key, name, message in (("brand_logo", "big.svg", "at most 64 KiB"),
                               ("brand_logo", "page.html", "must be an SVG or PNG image"),
                               ("brand_logo", "none.svg", "none.svg"), ("texts_file", "bad.conf", "must be UTF-8"),
                               ("texts_file", "none.conf", "none.conf")):
        done = check(tmp_path, **{key: tmp_path / name})
        assert done.returncode == 1 and message in done.stderr, (key, name, done.stderr)
    done = check(tmp_path, texts_file=tmp_path / "part.conf")
    assert done.returncode == 0 and "unknown key 'no.such'" in done.stderr and "missing" in done.stderr


def test_texts_prints_what_translators_need(tmp_path):
    done = conftest.run([os.path.join(conftest.BIN, "latchkey"), "texts"])
    (tmp_path / "mine.conf").write_text(done.stdout)
    done = check(tmp_path, texts_file=tmp_path / "mine.conf")
    assert done.returncode == 0 and not done.stderr, done.stderr
