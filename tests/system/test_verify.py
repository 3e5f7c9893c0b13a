"""A device checked by what its QR code says (`latchkey verify`), and apps that enrol: everything that must
fail, against a hostile server and as a hostile app. Malformed payloads and the ten minutes of an invitation
are tables in tests/unit/device/test_pin_payload.c and test_enrolment.c, chains and clocks in
tests/unit/crypto/test_cert_pin.c."""
import base64
import contextlib
import datetime
import hashlib
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import conftest
import test_device
import testbed
from test_device import make_device, relay  # noqa: F401 (fixtures)

LATCHKEY = conftest.program("latchkey")
DAY = datetime.timedelta(days=1)


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def payload(key, port, invitation=None):
    pin = base64.b32encode(hashlib.sha256(spki(key)).digest()).decode().rstrip("=")
    text = f"LATCHKEY:1/K{pin}/A127.0.0.1:{port}"
    return text + (f"/T{invitation}" if invitation else "")


def verify(*arguments, status=0, **options):
    done = subprocess.run([LATCHKEY, "verify", *arguments], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode == status, (arguments, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


class Device(testbed.Agent):
    """An agent without a relay."""

    def __init__(self, folder, **settings):
        self.port = testbed.free_port("127.0.0.1", set())
        super().__init__(str(folder), conftest.BIN, "https://127.0.0.1:9/acme/directory", "",
                         f"127.0.0.1:{self.port}",
                         settings={"address": "127.0.0.1", "local_name": "camera.local",
                                   "worker": conftest.program("latchkey-worker"), **settings})

    def run(self, name, *arguments, status=0):
        done = subprocess.run(self.command(name, *arguments), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == status, (name, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def qr(self, *arguments):
        return re.search(r"LATCHKEY:\S+", self.run("qr", *arguments)).group()

    def apps(self):
        return json.loads(self.run("apps", "--json"))["apps"]

    def begin(self):
        self.start()
        testbed.wait_for(lambda: self.process.check() and self.status(), "the agent", 20, 0.05)


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    agent = Device(tmp_path_factory.mktemp("device"))
    agent.begin()
    yield agent
    assert agent.stop() == 0, agent.process.log()[-2000:]
    assert not conftest.sanitizer_reports(agent.folder)


@pytest.fixture
def invitation(device):
    """A payload with an open invitation, used up at the end of the test."""
    text = device.qr("--invite")
    yield text
    close_invitation(device, text)


def close_invitation(device, text):
    app = App()
    app.enrol(device, text)
    for entry in device.apps():
        device.run("apps", "remove", entry["id"])


class App:
    """An app that does what it is told: with its own key over TLS as the device asks for."""

    def __init__(self, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
        now = datetime.datetime.utcnow()
        self.cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                     .public_key(self.key.public_key()).serial_number(7).not_valid_before(now - DAY)
                     .not_valid_after(now + DAY).sign(self.key, hashes.SHA256()))

    def context(self, folder, with_cert=True, protocol="latchkey/1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if protocol:
            context.set_alpn_protocols([protocol])
        if with_cert:
            path = os.path.join(folder, f"app-{os.urandom(4).hex()}.pem")
            with open(path, "wb") as file:
                file.write(self.key.private_bytes(serialization.Encoding.PEM,
                                                  serialization.PrivateFormat.PKCS8,
                                                  serialization.NoEncryption()))
                file.write(self.cert.public_bytes(serialization.Encoding.PEM))
            context.load_cert_chain(path)
        return context

    def request(self, device, method, path, body=b"", context=None, kind="application/json"):
        context = context or self.context(device.folder)
        with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
            with context.wrap_socket(raw) as connection:
                head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n")
                connection.sendall(head.encode() + body)
                data = b""
                while True:
                    more = connection.recv(65536)
                    if not more:
                        break
                    data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(rest) if rest.startswith(b"{") else rest

    def body(self, text, **members):
        secret = text.rsplit("/T", 1)[1]
        secret += "=" * (-len(secret) % 8)
        return json.dumps({"v": 1, "t": b64(base64.b32decode(secret)), "name": "phone",
                           "spki": b64(spki(self.key)), **members}).encode()

    def enrol(self, device, text, **members):
        return self.request(device, "POST", "/.well-known/latchkey/enrol", self.body(text, **members))


# --- the good way ---

def test_verify_and_enrol(device, tmp_path):
    text = device.qr("--invite")
    assert re.fullmatch(r"LATCHKEY:1/K[A-Z2-7]{52}/A127\.0\.0\.1:\d+/T[A-Z2-7]{26}", text)
    store = tmp_path / "pins.json"
    out = verify(text, "--store", str(store), "--name", "my phone")
    assert "verified" in out and "enrolled     as 'my phone'" in out and str(store) in out
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    kept = json.loads(store.read_text())
    assert kept["id"] == device.status()["id"] and len(kept["pins"]) == 1
    assert [app["name"] for app in device.apps()] == ["my phone"]
    assert "knows this app" in verify("--pinned", str(store))
    # It lasts, and nobody can use the invitation again.
    secret = text.rsplit("/T", 1)[1]
    for name in os.listdir(device.state_folder):
        path = os.path.join(device.state_folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert secret.lower().encode() not in file.read().lower(), name
    assert secret not in device.process.log()
    message = verify(text, "--store", str(tmp_path / "other.json"), status=1)
    assert "not open" in message and not (tmp_path / "other.json").exists()
    # A file that may hold a key is not overwritten.
    fresh = device.qr("--invite")
    assert "exists" in verify(fresh, "--store", str(store), status=1)
    close_invitation(device, fresh)
    assert "was removed" in verify("--pinned", str(store), status=1)


def test_payload_from_the_standard_input(device, tmp_path):
    done = subprocess.run([LATCHKEY, "verify", "-"], input=device.qr() + "\n", text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode == 0 and "verified" in done.stdout, done.stdout


def test_without_an_invitation_only_pins_are_stored(device, tmp_path):
    store = tmp_path / "pins.json"
    verify(device.qr(), "--store", str(store))
    assert "key" not in json.loads(store.read_text())
    assert "verified" in verify("--pinned", str(store))


def test_pages_show_no_invitation(device, invitation):
    context = ssl._create_unverified_context()
    for path in ("/", "/status.json", "/.well-known/latchkey/status.json"):
        with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
            with context.wrap_socket(raw) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                   "Connection: close\r\n\r\n".encode())
                data = b""
                while more := connection.recv(65536):
                    data += more
        assert b"200 OK" in data and invitation.rsplit("/T", 1)[1].encode() not in data


def what_came(server):
    """The bytes of all connections to SERVER so far. The agent's diagnosis opens some and sends nothing."""
    data = b""
    server.settimeout(0.1)
    while True:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            return data
        with connection, contextlib.suppress(ConnectionResetError):
            data += connection.recv(4096)


def test_apps_reach_the_agent_past_a_backend(tmp_path):
    """Where everybody else's bytes go to the maker's program, an app still speaks to the agent."""
    with socket.create_server(("127.0.0.1", 0)) as backend:
        agent = Device(tmp_path, backend=f"127.0.0.1:{backend.getsockname()[1]}")
        agent.begin()
        try:
            store = str(tmp_path / "pins.json")
            assert "enrolled" in verify(agent.qr("--invite"), "--store", store)
            assert "knows this app" in verify("--pinned", store)
            assert what_came(backend) == b""
        finally:
            assert agent.stop() == 0
        assert not conftest.sanitizer_reports(agent.folder)


def test_the_identity_certificate_speaks_for_its_names_only(device, tmp_path):
    """openssl's own verifier, with the identity certificate as the root that somebody imported."""
    with open(os.path.join(device.state_folder, "fallback.pem"), "rb") as file:
        blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", file.read(),
                            re.S)
    leaf_cert, root = (x509.load_pem_x509_certificate(block) for block in blocks)
    with open(os.path.join(device.state_folder, "identity.pem"), "rb") as file:
        identity = serialization.load_pem_private_key(file.read(), None)
    short = f"latchkey-{device.status()['id'][:8]}.local"
    (tmp_path / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    import ipaddress
    rows = [([x509.DNSName("camera.local")], "camera.local", True),
            ([x509.DNSName(short)], short, True),
            ([x509.DNSName("bank.example")], "bank.example", False),
            ([x509.DNSName("other.local")], "other.local", False),
            ([x509.DNSName("camera.local"), x509.IPAddress(ipaddress.ip_address("192.168.1.1"))],
             "camera.local", False)]
    for names, host, good in rows:
        now = datetime.datetime.utcnow()
        cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(root.subject)
                .public_key(leaf_cert.public_key()).serial_number(9).not_valid_before(now - DAY)
                .not_valid_after(now + DAY)
                .add_extension(x509.SubjectAlternativeName(names), True)
                .sign(identity, hashes.SHA256()))
        (tmp_path / "leaf.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        done = conftest.run(["openssl", "verify", "-purpose", "sslserver", "-verify_hostname", host,
                             "-CAfile", str(tmp_path / "root.pem"), str(tmp_path / "leaf.pem")],
                            check=False)
        assert (done.returncode == 0) == good, (host, done.stdout)
        assert good or "subtree violation" in done.stdout, done.stdout


# --- a server that is not the device ---

class Hostile:
    """A TLS server with a chain of its own making; what it hears beyond the handshake is kept."""

    def __init__(self, folder, chain, key, version=None, protocols=("latchkey/1",)):
        path = os.path.join(folder, f"hostile-{os.urandom(4).hex()}.pem")
        with open(path, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM,
                                         serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
            for cert in chain:
                file.write(cert.public_bytes(serialization.Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)
        if protocols:
            self.context.set_alpn_protocols(list(protocols))
        if version:
            self.context.maximum_version = version
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        raw, _ = self.listener.accept()
        raw.settimeout(10)
        try:
            with self.context.wrap_socket(raw, server_side=True) as connection:
                self.heard += connection.recv(4096)
        except (OSError, ssl.SSLError):
            pass

    def close(self):
        self.thread.join(15)
        self.listener.close()


def certificate(issuer, issuer_key, key, subject, ca=False, start=-DAY, life=DAY, usage=True,
                length=None):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + start).not_valid_after(now + life)
               .add_extension(x509.BasicConstraints(ca, length), True))
    if usage:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    if ca and length == 0:
        builder = builder.add_extension(
            x509.KeyUsage(False, False, False, False, False, True, False, False, False), True)
    return builder.sign(issuer_key, hashes.SHA256())


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


IDENTITY, LEAF, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ROOT_NAME, LEAF_NAME = named("identity"), named("camera.local")
ROOT = certificate(ROOT_NAME, IDENTITY, IDENTITY, ROOT_NAME, ca=True, length=0)
OTHER_ROOT = certificate(ROOT_NAME, OTHER, OTHER, ROOT_NAME, ca=True, length=0)
PIN = hashlib.sha256(spki(IDENTITY)).hexdigest()


def leaf(**options):
    return certificate(ROOT_NAME, options.pop("signer", IDENTITY), LEAF,
                       options.pop("subject", LEAF_NAME), **options)


REFUSED = {
    "another device": (lambda: [leaf(signer=OTHER), OTHER_ROOT], {}, "identity key is another one"),
    "the pin in a name only": (lambda: [leaf(signer=OTHER, subject=named(PIN)), OTHER_ROOT], {},
                               "identity key is another one"),
    "a leaf that somebody else signed": (lambda: [leaf(signer=OTHER), ROOT], {}, "not signed by"),
    "a leaf that is a CA": (lambda: [leaf(ca=True), ROOT], {}, "one of a CA"),
    "a chain of three": (lambda: [leaf(), ROOT, OTHER_ROOT], {}, "sent 3 certificates"),
    "the leaf alone": (lambda: [leaf()], {}, "sent 1 certificate,"),
    "no TLS server": (lambda: [leaf(usage=False), ROOT], {}, "not one for TLS servers"),
    "a leaf that ran out": (lambda: [leaf(start=-3 * DAY, life=-DAY), ROOT], {}, "run out"),
    "TLS 1.2": (lambda: [leaf(), ROOT], {"version": ssl.TLSVersion.TLSv1_2}, "no TLS 1.3"),
    "no word of latchkey": (lambda: [leaf(), ROOT], {"protocols": ()}, "no TLS 1.3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_server_is_refused(case, tmp_path):
    make, options, expected = REFUSED[case]
    server = Hostile(str(tmp_path), make(), LEAF, **options)
    text = payload(IDENTITY, server.port, "AAAAAAAAAAAAAAAAAAAAAAAAAA")
    message = verify(text, "--store", str(tmp_path / "pins.json"), status=1)
    server.close()
    assert expected in message, message
    assert server.heard == b"" and not (tmp_path / "pins.json").exists()


def test_wrong_dates_that_must_pass(tmp_path):
    """An identity certificate that has expired, and a leaf of a device whose clock stands at 2038."""
    old_root = certificate(ROOT_NAME, IDENTITY, IDENTITY, ROOT_NAME, ca=True, length=0, start=-9 * DAY,
                           life=-8 * DAY)
    for chain in ([leaf(), old_root], [leaf(start=4000 * DAY, life=4397 * DAY), ROOT]):
        server = Hostile(str(tmp_path), chain, LEAF)
        assert "verified" in verify(payload(IDENTITY, server.port))
        server.close()


def test_the_code_of_another_device(device):
    text = device.qr()
    wrong = payload(OTHER, device.port)
    assert "another one" in verify(wrong, status=1)
    # An address given by hand changes nothing about the pin.
    server = Hostile(device.folder, [leaf(signer=OTHER), OTHER_ROOT], LEAF)
    assert "another one" in verify(text, "--address", f"127.0.0.1:{server.port}", status=1)
    server.close()


def test_bad_arguments(device):
    for arguments, expected in (([], "needs either"), (["LATCHKEY:1/K"], "its pin"),
                                (["x", "--pinned", "y"], "needs either"),
                                (["--pinned"], "needs a value"), (["a", "b"], "not understood"),
                                ([device.qr(), "--address", "8.8.8.8"], "private address"),
                                (["--pinned", "/nonexistent"], "can't be read")):
        done = subprocess.run([LATCHKEY, "verify", *arguments], text=True, stderr=subprocess.PIPE,
                              timeout=20)
        assert done.returncode in (1, 2) and expected in done.stderr, done.stderr


# --- an app that is none ---

def test_an_invitation_is_good_for_one_app(device):
    for _ in range(3):
        text = device.qr("--invite")
        results = []

        def enrol():
            results.append(App().enrol(device, text)[0])

        threads = [threading.Thread(target=enrol) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [200, 403]
        assert App().enrol(device, text)[0] == 403
        assert len(device.apps()) == 1
        device.run("apps", "remove", device.apps()[0]["id"])


def test_a_fourth_invitation_is_refused(device):
    texts = [device.qr("--invite") for _ in range(3)]
    assert "Three invitations are open" in device.run("qr", "--invite", status=1)
    for text in texts:
        close_invitation(device, text)


def test_requests_that_are_refused(device, invitation):
    app, other = App(), App()
    enrol = "/.well-known/latchkey/enrol"
    good = app.body(invitation)
    rows = [("key", 403, app.body(invitation, spki=b64(spki(other.key))), {}),
            ("no-app", 403, good, {"context": app.context(device.folder, with_cert=False)}),
            ("no-app", 403, good, {"context": app.context(device.folder, protocol=None)}),
            ("no-app", 403, good, {"context": app.context(device.folder, protocol="http/1.1")}),
            ("type", 415, good, {"kind": "text/plain"}),
            ("syntax", 400, app.body(invitation, v=2), {}),
            ("syntax", 400, app.body(invitation, extra=1), {}),
            ("syntax", 400, app.body(invitation, name="x" * 65), {}),
            ("syntax", 400, app.body(invitation, name="a\nb"), {}),
            ("syntax", 400, good + b"x", {}),
            ("invitation", 403, app.body("/TAAAAAAAAAAAAAAAAAAAAAAAAAA"), {})]
    for code, status, body, options in rows:
        got = app.request(device, "POST", enrol, body, **options)
        assert got[0] == status and got[1]["error"] == code, (code, got)
    assert app.request(device, "GET", enrol)[0] == 405
    assert app.request(device, "GET", "/.well-known/latchkey/app")[1]["error"] == "unknown"
    assert device.apps() == []
    # None of them has spent the invitation (the fixture's end uses it).


def test_apps_are_bounded(device):
    for number in range(16):
        assert App().enrol(device, device.qr("--invite"), name=f"phone {number}")[0] == 200
    text = device.qr("--invite")
    assert App().enrol(device, text)[1]["error"] == "full"
    for entry in device.apps():
        device.run("apps", "remove", entry["id"])
    assert "No app has this id" in device.run("apps", "remove", "0" * 16, status=1)


def test_only_tls_1_3_and_never_a_resumption(device):
    app = App()
    context = app.context(device.folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        app.request(device, "GET", "/", context=context)
    context = app.context(device.folder)
    session = None
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
            with context.wrap_socket(raw, session=session) as connection:
                connection.sendall(b"GET /status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert connection.recv(16)
                session = connection.session
                assert not connection.session_reused and not session.has_ticket
                assert connection.selected_alpn_protocol() == "latchkey/1"
    # A ticket of the pages is not taken either.
    plain = app.context(device.folder, protocol=None)
    with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
        with plain.wrap_socket(raw) as connection:
            connection.sendall(b"GET /status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(16)
            session = connection.session
    assert session.has_ticket
    plain.set_alpn_protocols(["latchkey/1"])
    with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
        with plain.wrap_socket(raw, session=session) as connection:
            assert not connection.session_reused


def test_browsers_are_not_asked_for_a_certificate(device):
    for protocol, asked in (("http/1.1", False), ("latchkey/1", True)):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{device.port}", "-msg",
                               "-alpn", protocol], input="", text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=20)
        assert ("CertificateRequest" in done.stdout) == asked, done.stdout[:3000]


# --- the trusted certificate, endorsed by the identity key ---

def endorsement(device, name):
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
        with context.wrap_socket(raw, server_hostname=name) as connection:
            status, _, body = test_device.ask(connection, "/.well-known/latchkey/endorse", name)
    return status, body


def test_the_trusted_certificate_is_endorsed(make_device, relay, tmp_path):  # noqa: F811
    device = make_device()
    device.wait_https()
    store = str(tmp_path / "pins.json")
    device.wait_trusted()
    text = re.search(r"LATCHKEY:\S+", test_device.command("qr", "--config", device.config_file,
                                                          "--invite").stdout).group()
    verify(text, "--store", store)
    assert "is endorsed by the pin's key" in verify("--pinned", store, "--trusted")
    kept = json.loads(open(store).read())
    status, body = endorsement(device, device.name())
    assert status == 200 and kept["counter"] == json.loads(
        base64.urlsafe_b64decode(json.loads(body)["payload"] + "=="))["ctr"]

    # Somebody who replays it with a key of his own, or by an old one that he has stolen.
    key = ec.generate_private_key(ec.SECP256R1())
    thief = Replayer(tmp_path, certificate(ROOT_NAME, OTHER, key, named(device.name())), key, device, body)
    try:
        message = verify("--pinned", store, "--trusted", "--address", f"127.0.0.1:{thief.port}", status=1)
        assert "of another key than the one that it serves with" in message, message
    finally:
        thief.close()
    kept["counter"] += 1
    with open(store, "w") as file:
        json.dump(kept, file)
    assert "older than one that was seen before" in verify("--pinned", store, "--trusted", status=1)


class Replayer:
    """Passes an app's own connections on to the device, and answers those by name itself."""

    def __init__(self, folder, cert, key, device, body):
        self.device = device
        path = os.path.join(str(folder), "thief.pem")
        with open(path, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
            file.write(cert.public_bytes(serialization.Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)
        self.context.set_alpn_protocols(["http/1.1"])
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            raw.settimeout(10)
            hello = raw.recv(4096, socket.MSG_PEEK)
            if b"latchkey/1" in hello:
                threading.Thread(target=self.relay, args=(raw,), daemon=True).start()
                continue
            try:
                with self.context.wrap_socket(raw, server_side=True) as connection:
                    connection.recv(4096)
                    connection.sendall(self.answer)
                    connection.unwrap()
            except (OSError, ssl.SSLError):
                pass

    def relay(self, raw):
        with socket.create_connection(("127.0.0.1", self.device.port)) as other:
            def copy(source, target):
                try:
                    while data := source.recv(65536):
                        target.sendall(data)
                    target.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            thread = threading.Thread(target=copy, args=(other, raw), daemon=True)
            thread.start()
            copy(raw, other)
            thread.join(10)
        raw.close()

    def close(self):
        self.listener.close()
