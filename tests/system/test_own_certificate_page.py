"""The owner's own certificate, on the pages: name, request, upload, trial and confirmation, in Chromium. The PKI is
the test's own; no relay is needed."""
import datetime
import http.client
import ssl
import urllib.parse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import browser
import conftest
import testbed

HOST = "nas.example.test"


class Authority:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Our <own> CA")])
        self.root = self.sign(self.name, self.key.public_key(), [], True)

    def sign(self, subject, key, names, is_ca=False):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=90))
                   .add_extension(x509.BasicConstraints(is_ca, None), True))
        if not is_ca:
            builder = (builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
                       .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False))
        return builder.sign(self.key, hashes.SHA256())

    def answer(self, csr, names=(HOST,), key=None):
        leaf = self.sign(x509.Name([]), key or csr.public_key(), names)
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.root, leaf))


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    conftest.need("chromium", "certutil")
    folder = tmp_path_factory.mktemp("own")
    agent = testbed.Agent(str(folder / "device"), conftest.BIN, "https://127.0.0.1:1/acme/directory", "",
                          "127.0.0.1:0", settings={"address": "192.168.77.51"}).start()
    chromium = None
    try:
        log = testbed.wait_for(lambda: "certificate on port" in agent.process.tail(50) and agent.process.tail(50),
                               "HTTPS", 15)
        agent.port = int(log.split("certificate on port ")[1].split()[0])
        agent.secret = conftest.run(agent.command("admin-secret")).stdout.strip()
        chromium = browser.Browser(str(folder), browser.make_home(str(folder)), arguments=(
            "--ignore-certificate-errors", f"--host-resolver-rules=MAP {HOST} 127.0.0.1"))
        chromium.look(1280)
        agent.chromium, agent.folder, agent.authority = chromium, folder, Authority()
        agent.url = f"https://127.0.0.1:{agent.port}"
        yield agent
    finally:
        if chromium:
            chromium.close()
        agent.stop()
    assert not conftest.sanitizer_reports(str(folder))


def log_in(device):
    chromium = device.chromium
    chromium.open(f"{device.url}/certificate")
    assert "Your session has ended" in chromium.text()   # nothing without a session
    chromium.evaluate(f"document.getElementById('secret').value = '{device.secret}'")
    press(chromium, "/login")
    chromium.wait("document.body.innerText.includes('Log out')", "being logged in")
    chromium.open(f"{device.url}/certificate")


def press(chromium, action):
    """Sends the form ACTION, and waits for the page that comes."""
    chromium.evaluate(f"window.isOld = true; document.querySelector('form[action=\"{action}\"] button').click()")
    chromium.wait("!window.isOld && document.readyState === 'complete'", f"what {action} answers")


def post(device, path, values, csrf=None, cookie=None, **headers):
    connection = http.client.HTTPSConnection("127.0.0.1", device.port, timeout=10,
                                             context=ssl._create_unverified_context())
    if csrf:
        values = {**values, "csrf": csrf}
    if cookie:
        headers["Cookie"] = cookie
    connection.request("POST", path, urllib.parse.urlencode(values), {
        "Content-Type": "application/x-www-form-urlencoded", **headers})
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def upload(device, name, data):
    path = device.folder / name
    path.write_bytes(data)
    chromium = device.chromium
    node = chromium.call("DOM.querySelector", nodeId=chromium.call("DOM.getDocument")["root"]["nodeId"],
                         selector="#file")["nodeId"]
    chromium.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
    press(chromium, "/certificate/upload")


def test_the_whole_way(device):
    chromium = device.chromium
    log_in(device)
    chromium.shoot_all(f"{device.url}/certificate", "own-start")
    for bad in ("192.168.1.1", "a..b", "<script>"):
        chromium.evaluate(f"document.getElementById('host').value = '{bad}'")
        press(chromium, "/certificate/request")
        assert "That is no host name" in chromium.text(), bad
    chromium.shoot("own-bad-name")
    chromium.open(f"{device.url}/certificate")
    chromium.evaluate(f"document.getElementById('host').value = '{HOST.upper()}'")
    press(chromium, "/certificate/request")
    assert "2. Have it signed" in chromium.text()

    # The request as a download; another request with a forged or without a token brings nothing.
    csrf = chromium.evaluate("document.querySelector('[name=csrf]').value")
    [session] = chromium.call("Network.getCookies")["cookies"]
    cookie = f"{session['name']}={session['value']}"
    status, headers, body = post(device, "/certificate/csr", {}, csrf, cookie)
    assert status == 200 and headers["Content-Disposition"] == f'attachment; filename="{HOST}.csr"'
    request = x509.load_pem_x509_csr(body)
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    for wrong in (post(device, "/certificate/csr", {}, "A" * 43, cookie),
                  post(device, "/certificate/csr", {}, None, cookie),
                  post(device, "/certificate/csr", {}, csrf, cookie, Origin="https://evil.example"),
                  post(device, "/certificate/remove", {}, csrf, cookie, **{"Sec-Fetch-Site": "cross-site"})):
        assert wrong[0] == 403, wrong
    assert post(device, "/certificate/csr", {}, csrf)[0] == 303   # to the login

    # Refused ones: another key, another name, a private key.
    other = ec.generate_private_key(ec.SECP256R1())
    secret = other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())
    for name, data in (("other-key.pem", device.authority.answer(request, key=other.public_key())),
                       ("private.pem", device.authority.answer(request) + secret), ("nothing.pem", b"hello"),
                       ("other-name.pem", device.authority.answer(request, names=("x.example.test",)))):
        chromium.open(f"{device.url}/certificate")
        upload(device, name, data)
        assert "The certificate was not taken" in chromium.text(), name
        assert chromium.evaluate("document.querySelectorAll('.level.fail').length") >= 1, name
    for dark in (False, True):
        for width in (360, 1280):
            chromium.look(width, dark)
            chromium.shoot(f"own-refused-{'dark' if dark else 'light'}-{width}")
    chromium.look(1280)

    # The right one, and back at once.
    for action in ("cancel", "confirm"):
        chromium.open(f"{device.url}/certificate")
        upload(device, "good.pem", device.authority.answer(request))
        assert "On trial" in chromium.text() and "proves nothing" in chromium.text()
        if action == "cancel":
            chromium.shoot_all(f"{device.url}/certificate", "own-trial")
            press(chromium, "/certificate/cancel")
            assert "On trial" not in chromium.text()
    # A connection that was shown another certificate confirms nothing.
    assert post(device, "/certificate/confirm", {}, csrf, cookie)[0] == 400
    link = chromium.evaluate("document.querySelector('a.button').href")
    assert link.startswith(f"https://{HOST}:{device.port}/certificate/trial?")
    chromium.shoot_all(link, "own-confirm")
    assert "so you can confirm it here" in chromium.text()
    press(chromium, "/certificate/confirm")
    assert "Done." in chromium.text() and HOST in chromium.text()
    chromium.shoot("own-done")
    # The ticket is used up.
    chromium.open(link)
    assert "Your session has ended" in chromium.text()
    chromium.shoot_all(f"{device.url}/certificate", "own-active")
    assert f"Your certificate is in use for {HOST}" in chromium.text() and "Our \\<own\\> CA" in chromium.text()
    assert device.status()["ownerHost"] == HOST

    press(chromium, "/certificate/remove")
    assert "is in use for" not in chromium.text()
