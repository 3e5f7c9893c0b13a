"""A certificate of the owner's own CA beside the relay's: request, upload, trial, confirmation, the way
back, and what must be refused."""
import datetime
import os
import socket
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import conftest
import testbed
from fake_relay import ZONE
from test_device import Device, command, make_device, relay  # noqa: F401 (fixtures)

HOST = "nas.example.test"


def subject(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A CA as an owner may have one: a root and an intermediate."""

    def __init__(self):
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self.make("Own Root", self.root_key.public_key(), "Own Root", self.root_key, ca=True)
        self.intermediate = self.make("Own Issuer", self.key.public_key(), "Own Root", self.root_key,
                                      ca=True)

    @staticmethod
    def make(name, key, issuer, issuer_key, ca=False, names=(), start=-3600, life=86400 * 90,
             usage=(ExtendedKeyUsageOID.SERVER_AUTH,), digest=hashes.SHA256, serial=None):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject(name)).issuer_name(subject(issuer))
                   .public_key(key).serial_number(serial or x509.random_serial_number())
                   .not_valid_before(now + datetime.timedelta(seconds=start))
                   .not_valid_after(now + datetime.timedelta(seconds=life))
                   .add_extension(x509.BasicConstraints(ca, None), True))
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        if usage and not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(usage)), False)
        return builder.sign(issuer_key, digest())

    def sign(self, csr, name="device", **changes):
        changes.setdefault("names", (HOST,))
        key = changes.pop("key", csr.public_key())
        return self.make(name, key, "Own Issuer", self.key, **changes)


def pem(*certificates):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def spki(request):
    return request.public_key().public_bytes(serialization.Encoding.DER,
                                             serialization.PublicFormat.SubjectPublicKeyInfo)


def sha256(certificate):
    return certificate.fingerprint(hashes.SHA256()).hex()


@pytest.fixture
def authority():
    return Authority()


def request(device, host=HOST, status=0):
    done = command("csr", host, "--config", device.config_file, status=status)
    if status != 0:
        return done.stderr
    csr = x509.load_pem_x509_csr(done.stdout.encode())
    assert csr.is_signature_valid
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host.lower()]
    return csr


def install(device, *arguments, status=0, tmp_path=None):
    """Arguments are bytes of files, or words."""
    words = []
    for i, argument in enumerate(arguments):
        if isinstance(argument, bytes):
            path = os.path.join(device.folder, f"upload{i}")
            with open(path, "wb") as file:
                file.write(argument)
            argument = path
        words.append(argument)
    return command("install", *words, "--config", device.config_file, status=status)


def own(device):
    return device.wait_status().get("own", {"state": "none"})


def test_from_request_to_use(make_device, relay, authority):
    device = make_device()
    device.wait_trusted()
    fallback = device.wait_status()["fallback"]["sha256"]
    csr = request(device)
    assert own(device) == {"state": "requested", "requestHost": HOST}
    assert spki(request(device)) == spki(csr)  # asked twice: the same key
    binary = subprocess.run(device.command("csr", HOST, "--der"), stdout=subprocess.PIPE, check=True)
    assert spki(x509.load_der_x509_csr(binary.stdout)) == spki(csr)
    leaf = authority.sign(csr)
    # Files in any order, PEM and DER mixed, root and all.
    done = install(device, der(authority.root), pem(leaf), pem(authority.intermediate))
    assert done.stdout.count("good ") == 8 and "install --confirm" in done.stdout
    assert device.served(HOST) == sha256(leaf)
    name = device.name()
    status = device.wait_status()
    assert status["own"]["state"] == "trial" and 290 < status["own"]["trialSeconds"] <= 300
    assert device.served(name) == status["trusted"]["sha256"]  # the relay's names go on
    shown = command("status", "--config", device.config_file).stdout
    assert f"own           trial for {HOST}, until " in shown
    # Only the certificate on trial confirms.
    install(device, "--confirm")
    status = device.wait_status()["own"]
    assert status["state"] == "active" and status["certificate"]["sha256"] == sha256(leaf)
    assert "trialSeconds" not in status
    assert "nothing is on trial" in install(device, "--confirm", status=1).stderr
    # It verifies with the owner's root alone: the intermediate is sent, the root is not.
    roots = os.path.join(device.folder, "root.pem")
    open(roots, "wb").write(pem(authority.root))
    context = ssl.create_default_context(cafile=roots)
    with socket.create_connection(("127.0.0.1", device.port), 5) as raw:
        with context.wrap_socket(raw, server_hostname=HOST) as connection:
            assert connection.getpeercert()["subjectAltName"] == (("DNS", HOST),)
    for path in ("own", "own/active.pem"):
        assert os.stat(device.file(path)).st_mode & 0o077 == 0
    assert not os.path.exists(device.file("own/request.pem"))
    # live/ holds it, and a restart keeps it.
    assert device.wait_status(lambda s: s["live"]["holds"] == "own")["live"]["sha256"] == sha256(leaf)
    device.process.kill()
    device.start()
    assert own(device)["state"] == "active" and device.served(HOST) == sha256(leaf)
    # The same request signed once more renews it.
    again = authority.sign(csr)
    install(device, pem(again, authority.intermediate), "--confirm")
    assert device.served(HOST) == sha256(again)
    # Back to the relay's.
    install(device, "--remove")
    assert own(device)["state"] == "none" and device.served(HOST) == fallback
    assert not os.path.exists(device.file("own/active.pem"))
    assert device.wait_status(lambda s: s["live"]["holds"] == "trusted")


def test_a_trial_ends_with_the_program(make_device, relay, authority):
    device = make_device()
    device.wait_status()
    csr = request(device)
    first, second = authority.sign(csr), authority.sign(csr)
    install(device, pem(first, authority.intermediate), "--confirm")
    install(device, pem(second, authority.intermediate))
    assert device.served(HOST) == sha256(second)
    device.process.kill()
    device.start()
    assert own(device)["state"] == "active" and device.served(HOST) == sha256(first)
    device.wait_status(lambda s: s["live"]["sha256"] == sha256(first))
    shown = command("status", "--config", device.config_file).stdout
    assert f"own           active for {HOST}" in shown and "live/         own" in shown
    # Taken back by the owner.
    install(device, pem(second, authority.intermediate))
    install(device, "--cancel")
    assert device.served(HOST) == sha256(first)
    # Another upload takes the place of the one on trial; what was shown the old one does not confirm.
    install(device, pem(second, authority.intermediate))
    third = authority.sign(csr)
    install(device, pem(third, authority.intermediate))
    answer = control(device, "POST", f"/own/confirm?{sha256(second)}")
    assert b"another certificate was seen" in answer
    assert b"confirmed" in control(device, "POST", f"/own/confirm?{sha256(third)}")


if conftest.SOAK:
    def test_nobody_confirms(make_device, relay, authority):
        device = make_device()
        device.wait_status()
        csr = request(device)
        first, second = authority.sign(csr), authority.sign(csr)
        install(device, pem(first, authority.intermediate), "--confirm")
        install(device, pem(second, authority.intermediate))
        started = time.monotonic()
        testbed.wait_for(lambda: device.served(HOST) == sha256(first), "the way back", 320, 1)
        assert 295 <= time.monotonic() - started <= 310
        assert "nobody confirmed it in time" in own(device)["failure"]
        device.wait_status(lambda s: s["live"]["sha256"] == sha256(first))


def control(device, method, path, body=b""):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(device.file("control.sock"))
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        data = b""
        while more := connection.recv(65536):
            data += more
    return data


def test_it_ends_by_itself(make_device, relay, authority):
    device = make_device()
    fallback = device.wait_https()
    csr = request(device)
    leaf = authority.sign(csr, life=6)
    install(device, pem(leaf, authority.intermediate), "--confirm")
    status = own(device)
    assert status["endsWithinDays"] == 1
    assert f"'{HOST}' ends within 1 days" in device.process.log()
    testbed.wait_for(lambda: device.served(HOST) != sha256(leaf), "the end of the certificate", 20, 0.1)
    assert own(device)["state"] == "expired"
    device.wait_status(lambda s: s["live"]["holds"] != "own")
    device.stop()
    device.start()
    assert own(device)["state"] == "expired" and device.served(HOST) != sha256(leaf)
    assert fallback


def refusals(authority, csr):
    """Uploads that must be refused, with the code of the verdict."""
    other = ec.generate_private_key(ec.SECP256R1())
    weak = rsa.generate_private_key(65537, 1024)
    good, chain = authority.sign(csr), authority.intermediate
    weak_ca = authority.make("Weak", weak.public_key(), "Own Root", authority.root_key, ca=True)
    by_weak = authority.make("device", csr.public_key(), "Weak", weak, names=(HOST,))
    leaf_der = der(good)
    return {
        "other-key": pem(authority.sign(csr, key=other.public_key()), chain),
        "other-name": pem(authority.sign(csr, names=("other.example.test",)), chain),
        "common-name-only": pem(authority.sign(csr, name=HOST, names=()), chain),
        "expired": pem(authority.sign(csr, start=-7200, life=-3600), chain),
        "not-yet-valid": pem(authority.sign(csr, start=86400), chain),
        "is-ca": pem(authority.sign(csr, ca=True), chain),
        "not-for-servers": pem(authority.sign(csr, usage=(ExtendedKeyUsageOID.CLIENT_AUTH,)), chain),
        "weak-key": pem(by_weak, weak_ca),
        "weak-digest": pem(authority.sign(csr, digest=hashes.SHA1), chain),
        "chain-broken": pem(good, authority.root),
        "two-leafs": pem(good, authority.sign(csr), chain),
        "too-many": pem(*[authority.make(f"CA {i}", authority.root_key.public_key(), "Own Root",
                                         authority.root_key, ca=True) for i in range(11)]),
        "private-key": pem(good) + other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()),
        "empty": b"",
        "not-a-certificate": leaf_der[:-1],
        "not-a-certificate 2": b"\x30\x80" + leaf_der[4:] + b"\0\0",
        "not-a-certificate 3": b"\x30\x84" * 20000,
        "not-a-certificate 4": pem(good).replace(b"\n", b"\n\0", 1),
        "not-a-certificate 5": csr.public_bytes(serialization.Encoding.PEM),
        "not-a-certificate 6": pem(good).replace(b"-----END", b"-----EN"),
        "not-a-certificate 7": leaf_der + b"x",
    }


def test_what_must_be_refused(make_device, relay, authority):
    device = make_device()
    device.wait_trusted()
    assert "there is no request" in install(device, pem(authority.root), status=1).stderr
    csr = request(device)
    fallback = device.served(HOST)
    for code, upload in refusals(authority, csr).items():
        done = install(device, upload, status=1)
        assert f"({code.split()[0]})" in done.stdout, (code, done)
    done = install(device, b"x" * (64 * 1024 + 1), status=1)
    assert "too-large" in done.stderr
    assert b'"too-large"' in control(device, "POST", "/own/offer", b"x" * (64 * 1024 + 1))
    assert b" 413 " in control(device, "POST", "/own/offer", b"x" * (97 * 1024))
    assert device.served(HOST) == fallback and own(device)["state"] == "requested"
    # Line ends and a byte order mark are no faults.
    good = pem(authority.sign(csr), authority.intermediate)
    install(device, b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))
    assert own(device)["state"] == "trial"


@pytest.mark.parametrize("host", [
    "-a.test", "a-.test", "a..b", "a" * 64 + ".test", "192.168.1.1", "<script>", "xn--999999999.test",
    "xn--.test", "localhost", "wpad.example.test", "isatap", "a.test.", ".a", "a b", "../x", "12345",
    "bücher.test", "ab--cd.test", "x" * 254, "a.0x7f"])
def test_wrong_host_names(host):
    """Nobody is asked about them."""
    done = command("csr", host, "--state", "/nonexistent", status=2 if host[0] == "-" else 1)
    assert done.stdout == "" and f"'{host}'" in done.stderr and "no agent" not in done.stderr


def test_names_that_are_the_relays(make_device, relay):
    device = make_device()
    device.wait_trusted()
    assert "in the relay's zone" in request(device, device.name(), status=1)


def test_other_servers_confirm_too(make_device, relay, authority, tmp_path):
    """serve = none: the trial is in live/, and the look is at the server that takes it."""
    from test_servers import Server, live_leaf
    server = Server("nginx", tmp_path / "server")
    relay.down = True
    device = make_device(serve="none", verify=f"127.0.0.1:{server.port}", reload=server.reload())
    device.wait_status(lambda s: s["live"]["holds"] == "fallback" and not s["live"]["working"])
    server.start(device.file("live"))
    try:
        csr = request(device)
        leaf = authority.sign(csr)
        install(device, pem(leaf, authority.intermediate))
        device.wait_status(lambda s: not s["live"]["working"] and s["live"]["holds"] == "own")
        assert server.served(HOST) == sha256(leaf)
        install(device, "--confirm")
        assert own(device)["state"] == "active" and live_leaf(device) == sha256(leaf)
    finally:
        server.stop()
