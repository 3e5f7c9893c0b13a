"""What people see at the relay's own address: without scripts and cookies, on a phone and at a desk, in light and
dark, and nothing about which devices there are."""
import datetime
import html
import html.parser
import re

import acme_client
import browser
import conftest
import pytest
import test_client_examples

LAB = {"settings": {"front": {"enrolment": "token"}, "relay": {"abuse_contact": "abuse@example.com"}}}
ID = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.fixture
def visitor(lab):
    client = conftest.new_client(lab)
    yield lambda path, method="GET": client.request(method, lab.base_url + path)
    client.close()


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.targets, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.targets += [value for name, value in attributes if name in ("href", "src", "action")]


def test_headers(visitor):
    for path in ("/", "/terms", f"/name/{ID}", f"/name/{ID}?address=192.168.7.9", "/name?id=x", "/style.css",
                 "/icon.svg", "/robots.txt", "/.well-known/security.txt"):
        response = visitor(path)
        assert response.status == (404 if path == "/name?id=x" else 200), path
        policy = response.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
            assert part in policy, policy
        assert "unsafe" not in policy and "script-src" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        for absent in ("Set-Cookie", "Access-Control-Allow-Origin", "Strict-Transport-Security"):
            assert absent not in response.headers, absent
        head = visitor(path, "HEAD")
        assert head.status == response.status and head.body == b""
    assert visitor("/favicon.ico").status == 204
    for path in ("/index.html", "/names", "/terms/", "/?x=1", "/terms?x=1", "//"):
        assert visitor(path).status == 404, path


def test_pages_are_only_read(visitor):
    """Another method is told which ones there are; where no page is, there is none for any method."""
    for path in ("/", "/terms", "/name", f"/name/{ID}", "/name?id=x", "/style.css", "/.well-known/security.txt"):
        for method in ("POST", "PUT", "DELETE"):
            response = visitor(path, method)
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD"), (method, path)
            assert "malformed" in response.body.decode()
    for path in ("/index.html", "/terms?x=1"):
        assert visitor(path, "POST").status == 404, path


def test_nothing_from_elsewhere(lab, visitor):
    for path in ("/", "/terms", f"/name/{ID}"):
        links = Links(visitor(path).body.decode())
        assert not {"script", "style", "iframe", "object"} & set(links.tags), links.tags
        for target in links.targets:
            own = target.startswith("/") or target == "#content"
            assert own or target == "mailto:abuse@example.com", target
            if target.startswith("/") and target not in ("/name",):
                assert visitor(target.partition("#")[0]).status == 200, target


def test_first_page_says_what_is_needed(lab, visitor):
    text = visitor("/").body.decode()
    for wanted in (lab.zone, lab.directory, "abuse@example.com", "certbot", "uacme", "lego", "pebble.test",
                   f"rebind-domain-ok=/{lab.zone}/", "--eab-kid"):
        assert wanted in text, wanted


@pytest.mark.parametrize("client, chain", [("certbot", "/etc/letsencrypt/live/*/fullchain.pem"),
                                           ("uacme", "/etc/ssl/uacme/*.test/cert.pem"),
                                           ("lego", "/root/.lego/certificates/*.test.crt")])
def test_lines_for_clients_work_as_they_are_shown(lab, visitor, tmp_path, client, chain):
    """With the token's two parts in place of KID and KEY."""
    conftest.need(client, "unshare")
    conftest.need_root()
    machine = test_client_examples.Machine(lab, tmp_path)
    page = visitor("/").body.decode()
    lines = html.unescape(re.search(rf"<summary>{client}</summary><pre>(.*?)</pre>", page, re.S).group(1))
    lines = lines.replace("KID", machine.kid).replace("KEY", machine.key)
    output = machine.run("set +e; cd /root\n" + lines)
    test_client_examples.judge(machine, test_client_examples.found_id(output), machine.chain(chain))


def test_name(lab, visitor):
    page = visitor(f"/name/{ID}?address=192.168.7.9").body.decode()
    assert f"https://192-168-7-9.{ID}.{lab.zone}/" in Links(page).targets
    assert visitor(f"/name?id=+{ID.upper()}+").status == 200
    refused = visitor(f"/name/{ID}?address=8.8.8.8").body.decode()
    assert "8.8.8.8" in refused and f"8-8-8-8.{ID}" not in refused
    evil = visitor(f"/name/{ID}?address=%22%3E%3Cscript%3E").body.decode()
    assert "<script>" not in evil and "&quot;&gt;&lt;script&gt;" in evil
    assert visitor(f"/name/{ID}?address=%zz").status == 200, "what can't be read is as if it were not there"
    assert visitor("/name/" + "a" * 127).status == 404


def test_name_does_not_tell_who_is_there(lab, visitor):
    """A device with a certificate and published addresses, one that is blocked, and one that never was."""
    kid, key = re.search(r"^(\S+):(\S+)$", conftest.run(
        [conftest.program("latchkey-relay"), "--config", lab.config_file, "token", "add"]).stdout, re.M).groups()
    device = conftest.new_client(lab)
    device.account(externalAccountBinding=device.eab(kid, acme_client.unb64(key)))
    name = device.name()
    device.certificate([f"*.{name}", name])
    published = device.post(device.directory()["meta"]["latchkey"]["addressesUrl"],
                            {"counter": 1, "addresses": ["192.168.7.9"]})
    assert published.status == 200
    pages = []
    for who in (device.key.id(), ID):
        response = visitor(f"/name/{who}")
        pages.append((response.status, sorted((key, value) for key, value in response.headers.items()
                                              if key not in ("Date", "Content-Length")),
                      response.body.replace(who.encode(), b"")))
    conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "block", device.key.id()])
    response = visitor(f"/name/{device.key.id()}")
    pages.append((response.status, pages[0][1], response.body.replace(device.key.id().encode(), b"")))
    assert pages[0] == pages[1] == pages[2]
    device.close()


def test_security_txt(lab, visitor):
    response = visitor("/.well-known/security.txt")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in response.body.decode().splitlines())
    assert fields["Contact"] == "mailto:abuse@example.com"
    assert fields["Canonical"] == f"{lab.base_url}/.well-known/security.txt"
    expires = datetime.datetime.strptime(fields["Expires"], "%Y-%m-%dT%H:%M:%SZ")
    left = expires - datetime.datetime.utcnow()
    assert datetime.timedelta(days=30) < left < datetime.timedelta(days=365)   # RFC 9116 2.5.5
    assert "Disallow: /name\n" in visitor("/robots.txt").body.decode()


def test_terms(lab, visitor):
    client = conftest.new_client(lab)
    meta = client.directory()["meta"]
    assert meta["website"] == lab.base_url + "/"
    assert meta["termsOfService"] == f"{lab.base_url}/terms/latchkey-1"
    path = meta["termsOfService"].removeprefix(lab.base_url)
    assert visitor(path).body == visitor("/terms").body
    assert visitor("/terms/9").status == 404
    client.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    conftest.need("chromium", "certutil")
    folder = str(tmp_path_factory.mktemp("browser"))
    chromium = browser.Browser(folder, browser.make_home(folder), arguments=("--ignore-certificate-errors",))
    yield chromium
    chromium.close()


def test_in_a_browser(lab, chromium):
    """Scripts are switched off: pages and form do without."""
    chromium.look(1280, scripts=False)
    assert chromium.open(lab.base_url + "/") is None
    assert lab.zone in chromium.text()
    assert chromium.evaluate("getComputedStyle(document.body).borderTopWidth") == "4px", "the style sheet is in use"
    chromium.evaluate(f"document.querySelector('#id').value = '{ID}'; document.querySelector('form').submit()")
    chromium.wait("location.pathname === '/name'", "the form's page")
    chromium.evaluate("document.querySelector('#address').value = '192.168.7.9'; "
                      "document.querySelector('form').submit()")
    link = f"https://192-168-7-9.{ID}.{lab.zone}/"
    chromium.wait(f"[...document.links].some(link => link.href === '{link}')", "the device's address")
    assert not chromium.complaints and not chromium.errors


@pytest.mark.parametrize("name, path", [("relay-home", "/"), ("relay-terms", "/terms"), ("relay-name", f"/name/{ID}"),
                                        ("relay-name-answer", f"/name/{ID}?address=fd12:3456::1"),
                                        ("relay-name-refused", f"/name/{ID}?address=8.8.8.8")])
def test_pictures(lab, chromium, name, path):
    """Nothing sticks out on a phone; nobody complains on the console."""
    chromium.look(1280)
    chromium.shoot_all(lab.base_url + path, name)
    assert not chromium.complaints and not chromium.errors, (chromium.complaints, chromium.errors)


def test_picture_of_the_lines_for_clients(lab, chromium):
    chromium.look(360)
    chromium.open(lab.base_url + "/")
    chromium.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    chromium.shoot("relay-home-lines-light-360")
