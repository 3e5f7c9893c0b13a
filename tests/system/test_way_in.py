"""The way in: what a person meets who types the device's address. Chromium on a LAN whose resolver answers as it
should, or drops private answers (dnsmasq --stop-dns-rebind); with trust in the CA and without; with scripts and
without. A screenshot of every page is kept, narrow and wide, light and dark."""
import os
import shutil
import socket
import subprocess

import pytest

import browser
import conftest
import test_namespaces
import testbed

PLAIN = "http://192.168.77.51"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    conftest.need("chromium", "certutil", "dnsmasq")
    home = test_namespaces.make_home(tmp_path_factory.mktemp("way"),
                                     settings={"interface": "lan0", "http": ":80"})
    try:
        home.up()
        yield home
    finally:
        test_namespaces.take_down(home)


def open_browser(home, trusting=True):
    return browser.Browser(home.folder, browser.make_home(home.folder, home.env["LAB_ROOTS_FILE"] if trusting
                                                          else None), home.nets.inside("pc"))


@pytest.fixture(scope="module")
def chromium(home):
    chromium = open_browser(home)
    chromium.look(1280)
    yield chromium
    chromium.close()


def arrive(chromium, url, at):
    """Opens URL and waits until the browser has moved to AT by itself."""
    chromium.open(url)
    chromium.wait(f"location.href === '{at}' && document.readyState === 'complete'", f"being at {at}")


@pytest.mark.parametrize("path", ("/", "/photos/1?size=2#top"))
def test_lands_on_the_trusted_name(home, chromium, path):
    name = home.name("192-168-77-51")
    arrive(chromium, PLAIN + path, f"https://{name}{path}")
    assert chromium.security == "secure"
    assert not [text for text in chromium.complaints if "404" not in text], chromium.complaints


def test_lands_on_the_stable_name_it_was_called_by(home, chromium):
    testbed.wait_for(lambda: home.dig(home.name("home")) == ["192.168.77.51"], "home's address", 30, 0.3)
    arrive(chromium, f"http://{home.name('home')}/", f"https://{home.name('home')}/")
    assert chromium.security == "secure"
    assert "Browsers trust this device" in chromium.text()


def test_without_scripts_the_link_is_there(home, chromium):
    chromium.look(1280, scripts=False)
    try:
        chromium.open(PLAIN)
        assert "Scripts are off" in chromium.text()
        links = chromium.call("DOM.getDocument", depth=-1)
        text = str(links)
        assert f"https://{home.name('192-168-77-51')}/" in text
        assert "https://192.168.77.51/" in text
        chromium.shoot("way-in-no-scripts")
    finally:
        chromium.look(1280)


FAILED = "document.getElementById('failed') && !document.getElementById('failed').hidden"


def test_a_filtering_resolver_is_named(home):
    """The router drops private answers: the page stays, says so, and offers the device's own certificate."""
    home.nets.ip("rtr", "addr", "add", "192.168.77.2/24", "dev", "br0")
    resolver = testbed.Process("dnsmasq", home.nets.inside(
        "rtr", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
        "--server=192.168.77.1", "--stop-dns-rebind", "--listen-address=192.168.77.2", "--bind-interfaces",
        "--user=root", "--pid-file="), os.path.join(home.folder, "dnsmasq.log")).start()
    settings, of_device = (f"/etc/netns/{home.nets.name(host)}/resolv.conf" for host in ("pc", "dev"))
    with open(settings) as file:
        before = file.read()
    chromium = None
    try:
        with open(settings, "w") as file:
            file.write("nameserver 192.168.77.2\n")
        chromium = open_browser(home)
        chromium.shoot_all(PLAIN, "way-in-filtered", FAILED)
        assert chromium.evaluate("location.href") == PLAIN + "/"
        text = chromium.text()
        assert "could not find" in text and home.name("192-168-77-51") in text and "rebinding" in text, text
        links = chromium.evaluate("[...document.querySelectorAll('a.button')].filter(a => a.offsetParent)"
                                  ".map(a => a.href)")
        assert links == ["https://192.168.77.51/"], links
        # The device looks too, with the same resolver: now the page is sure, and has the router's setting.
        with open(of_device, "w") as file:
            file.write("nameserver 192.168.77.2\n")
        conftest.run(home.agent.command("doctor"), check=False)
        chromium.shoot_all(PLAIN, "way-in-filter-known", FAILED)
        assert "The device has looked too" in chromium.text()
        chromium.evaluate("[...document.querySelectorAll('summary')].find(s => s.innerText.includes('OpenWrt'))"
                          ".click()")
        assert "rebind" in chromium.text() and home.zone in chromium.text()
        chromium.shoot("way-in-filter-setting")
        chromium.call("Security.setIgnoreCertificateErrors", ignore=True)
        chromium.shoot_all("https://192.168.77.51/", "status-filter")
        assert "What is wrong, and what helps" in chromium.text()
    finally:
        if chromium:
            chromium.close()
        for path in (settings, of_device):
            with open(path, "w") as file:
                file.write(before)
        resolver.stop()


def test_a_browser_that_does_not_accept_the_certificate(home):
    chromium = open_browser(home, trusting=False)
    try:
        chromium.shoot_all(PLAIN, "way-in-untrusted", FAILED)
        assert chromium.evaluate("location.href") == PLAIN + "/"
        assert "did not accept its certificate" in chromium.text()
        assert "could not find" not in chromium.text()
    finally:
        chromium.close()


def goes_on_by_itself(home, chromium):
    """A new device without the internet: the page waits, and moves when the certificate has come."""
    home.agent.stop()
    shutil.rmtree(home.agent.state_folder)
    home.nets.uplink(False)
    home.agent.start()
    testbed.wait_for(home.agent.status, "the new device", 15)
    chromium.open(PLAIN)
    assert "no trusted certificate yet" in chromium.text()
    home.nets.uplink(True)
    conftest.run(home.agent.command("renew"))
    home.id = home.agent.wait_trusted(60)["id"]
    chromium.wait(f"location.href === 'https://{home.name('192-168-77-51')}/'", "the page to move on", 30)


def test_with_a_backend_behind_https(tmp_path):
    """The maker's program answers the ping with whatever it has: the browser comes to it all the same."""
    conftest.need("chromium", "certutil")
    home = test_namespaces.make_home(tmp_path, settings={"interface": "lan0", "http": ":80", "pages": ":8443",
                                                         "backend": "127.0.0.1:8099"})
    backend = chromium = None
    os.makedirs(tmp_path / "web")
    (tmp_path / "web" / "index.html").write_text("<title>cam</title><h1>The camera's own page</h1>")
    try:
        home.up()
        backend = testbed.Process("backend", home.nets.inside(
            "dev", "/usr/bin/python3", "-m", "http.server", "8099", "--bind", "127.0.0.1", "--directory",
            str(tmp_path / "web")), str(tmp_path / "backend.log")).start()
        chromium = open_browser(home)
        chromium.look(1280)
        name = home.name("192-168-77-51")
        arrive(chromium, PLAIN, f"https://{name}/")
        assert "The camera's own page" in chromium.text() and chromium.security == "secure"
        assert chromium.open(f"https://{name}:8443/") is None
        assert "Browsers trust this device" in chromium.text()
        # The links lead to the maker's pages, where people want to go.
        assert f"https://{name}/" in chromium.evaluate("[...document.links].map(a => a.href)")
        goes_on_by_itself(home, chromium)
    finally:
        for part in (chromium and chromium.close, backend and backend.stop):
            if part:
                part()
        test_namespaces.take_down(home)


def ask(home, *lines):
    """The response to a request of these lines on port 80."""
    request = "\r\n".join(lines) + "\r\n\r\n"
    script = ("import socket,sys\ns = socket.create_connection(('192.168.77.51', 80), 5)\n"
              "s.sendall(sys.argv[1].encode('latin-1'))\ns.shutdown(1)\nd = b''\n"
              "while True:\n p = s.recv(65536)\n if not p: break\n d += p\n"
              "sys.stdout.buffer.write(d)")
    done = subprocess.run(home.nets.inside("pc", "/usr/bin/python3", "-c", script, request),
                          stdout=subprocess.PIPE, timeout=20)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, head.decode("latin-1"), body.decode("utf-8", "replace")


@pytest.mark.parametrize("host,status", (
    ("evil.example", 421), ("127.0.0.1:81@x", 421), ("192.168.77.51.evil.example", 421), ("192.168.77.051", 421),
    ("0x7f.1", 421), ("3232255795", 421), ("", 421), ("[::1", 421), ("192.168.77.51:80:80", 421),
    ("192.168.77.51", 200), ("192.168.77.51:80", 200), ("localhost", 200)))
def test_only_its_own_names(home, host, status):
    code, head, body = ask(home, "GET / HTTP/1.1", f"Host: {host}", "Connection: close")
    # What is no host at all is refused before it comes to names.
    assert code == status or (status == 421 and code == 400), head
    if status == 421:
        assert home.id not in body and home.id not in head


def test_other_bad_requests(home):
    assert ask(home, "GET / HTTP/1.1", "Connection: close")[0] in (400, 421)
    assert ask(home, "GET / HTTP/1.1", "Host: 192.168.77.51", "Host: evil.example")[0] == 400
    code, head, _ = ask(home, "POST / HTTP/1.1", "Host: 192.168.77.51", "Content-Length: 0", "Connection: close")
    assert code == 405 and "Allow: GET, HEAD" in head


@pytest.mark.parametrize("path", ("/", "/.well-known/latchkey/ping", "/.well-known/latchkey/status.json",
                                  "/.well-known/latchkey/style.css", "/.well-known/latchkey/way-in.js",
                                  "/.well-known/latchkey/logo", "/.well-known/latchkey/nothing", "/favicon.ico"))
def test_headers_of_every_path(home, path):
    _, head, _ = ask(home, f"GET {path} HTTP/1.1", "Host: 192.168.77.51", "Connection: close")
    lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    policy = lines["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
    # A style inside an SVG is its own; pages and scripts have none.
    assert "unsafe-inline" not in policy or "sandbox" in policy
    assert lines["x-content-type-options"] == "nosniff"
    for name in ("set-cookie", "strict-transport-security", "access-control-allow-origin", "server"):
        assert name not in lines
    assert lines.get("cross-origin-resource-policy") == ("cross-origin" if path.endswith("ping") else None)


@pytest.mark.parametrize("path", ("/", "/login", "/certificate", "/nothing", "/.well-known/latchkey/ping",
                                  "/.well-known/latchkey/status.json", "/.well-known/latchkey/nothing"))
def test_headers_of_every_page_by_https(home, path):
    look = ("import http.client, ssl, sys\n"
            "c = http.client.HTTPSConnection('192.168.77.51', 443, context=ssl._create_unverified_context())\n"
            "c.request('GET', sys.argv[1], headers={'Host': sys.argv[2]})\nr = c.getresponse()\n"
            "print(r.status, r.headers)")
    for host, refused in (("192.168.77.51", False), ("evil.example", True)):
        text = conftest.run(home.nets.inside("pc", "/usr/bin/python3", "-c", look, path, host)).stdout.lower()
        assert text.startswith("421") == refused, text
        assert "content-security-policy: default-src 'none'" in text and "nosniff" in text
        assert "unsafe-inline" not in text or "sandbox" in text
        for name in ("set-cookie", "strict-transport-security", "access-control-allow"):
            assert name not in text


def test_before_there_is_a_certificate(tmp_path):
    """No relay: the page says why and goes on by itself. The port that is taken is named, and HTTPS is served."""
    conftest.need("chromium", "certutil")
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    agent = testbed.Agent(str(tmp_path / "device"), conftest.BIN, "https://127.0.0.1:1/acme/directory", "",
                          "127.0.0.1:0", settings={"address": "192.168.77.51", "http":
                                                   f"127.0.0.1:{port} 127.0.0.1:0"}).start()
    chromium = None
    try:
        log = testbed.wait_for(lambda: "HTTPS: serving" in agent.process.tail(50) and agent.process.tail(50),
                               "HTTPS", 15)
        warning = [line for line in log.splitlines() if f"http = '127.0.0.1:{port}'" in line]
        assert warning and "warning" in warning[0] and "taken by" in warning[0], log
        at = log.split("the way in is at port ")[1].split()[0]
        chromium = browser.Browser(str(tmp_path), browser.make_home(str(tmp_path)),
                                   arguments=("--ignore-certificate-errors",))
        chromium.shoot_all(f"http://127.0.0.1:{at}/", "way-in-waiting")
        assert "no trusted certificate yet" in chromium.text()
        link = chromium.evaluate("document.querySelector('a.button').href")
        chromium.shoot_all(link, "status-fallback")
        assert "No trusted certificate yet" in chromium.text()
        assert "does not show the fingerprint" in chromium.text()
    finally:
        if chromium:
            chromium.close()
        agent.stop()
        taken.close()
    assert not conftest.sanitizer_reports(str(tmp_path))


def test_the_status_page(home, chromium):
    name = home.name("192-168-77-51")
    chromium.shoot_all(f"https://{name}/", "status-trusted")
    assert chromium.security == "secure" and not chromium.complaints
    chromium.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.shoot("status-trusted-unfolded")
    assert "SHA-256" in chromium.text()


def test_logging_in(home, chromium):
    """The owner sees more; a stranger, a forged form and a second wrong word do not get in."""
    url = f"https://{home.name('192-168-77-51')}"
    secret = conftest.run(home.agent.command("admin-secret")).stdout.strip()
    assert len(secret) == 23 and os.stat(os.path.join(home.agent.state_folder, "admin-secret")).st_mode & 0o777 == 0o600
    assert secret not in home.agent.process.tail(10000)
    chromium.shoot_all(f"{url}/login", "login")
    for word, message in (("AAAAA-AAAAA-AAAAA-AAAAA", "not the admin secret"), (secret.lower(), None)):
        chromium.open(f"{url}/login")
        chromium.evaluate(f"document.getElementById('secret').value = '{word}'")
        chromium.evaluate("document.querySelector('form[action=\"/login\"] button').click()")
        if message:
            chromium.wait(f"document.body.innerText.includes('{message}')", message)
            chromium.shoot("login-wrong")
        else:
            chromium.wait("document.body.innerText.includes('Log out')", "being logged in")
    assert chromium.evaluate("document.cookie") == ""   # no script can read it
    cookies = chromium.call("Network.getCookies")["cookies"]
    assert [(c["name"], c["secure"], c["httpOnly"], c["sameSite"]) for c in cookies] == [
        ("__Host-latchkey", True, True, "Strict")]
    chromium.shoot_all(f"{url}/", "status-owner")
    # Without the session's token nothing happens.
    assert chromium.evaluate("fetch('/logout', {method: 'POST', body: new URLSearchParams({csrf: 'x'})})"
                             ".then(r => r.status, e => 'refused by policy')") in (403, "refused by policy")
    chromium.open(f"{url}/")
    assert "Log out" in chromium.text()
    chromium.evaluate("document.querySelector('form[action=\"/logout\"] button').click()")
    chromium.wait("!document.body.innerText.includes('Log out')", "being logged out")
    assert chromium.call("Network.getCookies")["cookies"] == []


LOGIN = """
import http.client, json, ssl, sys
context = ssl._create_unverified_context()
def post(body, **headers):
    c = http.client.HTTPSConnection("192.168.77.51", 443, timeout=5, context=context)
    c.request("POST", "/login", body, {"Content-Type": "application/x-www-form-urlencoded", **headers})
    r = c.getresponse(); r.read()
    return r.status
secret = sys.argv[1]
print(json.dumps([
    post("secret=" + secret, Origin="https://evil.example"),
    post("secret=" + secret, **{"Sec-Fetch-Site": "same-site"}),
    post("secret=" + secret, **{"Content-Type": "text/plain"}),
    post("{}", **{"Content-Type": "application/json"}),
    post("secret=%"), post("secret=" + "A" * 3000), post(""),
    post("secret=wrongwrongwrong"), post("secret=wrongwrongwrong"), post("secret=wrongwrongwrong"),
    post("secret=" + secret)]))
"""


def test_wrong_logins_are_counted(home):
    """Forged and malformed ones get no try; after three wrong ones a minute passes, for the right one too."""
    secret = conftest.run(home.agent.command("admin-secret")).stdout.strip()
    done = conftest.run(home.nets.inside("pc", "/usr/bin/python3", "-c", LOGIN, secret))
    statuses = testbed.json.loads(done.stdout)
    assert statuses[:5] == [400] * 5 and statuses[6] == 400, statuses
    assert statuses[5] == 403 and statuses[-1] == 429 and 403 in statuses[7:10], statuses
