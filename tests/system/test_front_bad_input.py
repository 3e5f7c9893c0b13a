"""Bad requests to the front: each gets the right RFC 8555 problem or a closed connection, the front goes on
serving, and nothing is spent at the CA."""
import ipaddress
import json
import resource
import select
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

import acme_client
import conftest
from acme_client import Key, b64, csr

CLOSED_WITHIN_S = 15
IDLE_CLIENTS = 2000


@pytest.fixture(scope="module", autouse=True)
def nothing_spent(lab):
    """Whatever this module sends, the CA sees no order for it but the good ones that are counted."""
    before = conftest.ca_orders(lab)
    lab.good_orders = 0
    yield
    assert conftest.ca_orders(lab) - before == lab.good_orders


@pytest.fixture
def client(lab):
    device = conftest.new_client(lab)
    yield device
    device.close()


@pytest.fixture
def enrolled(client):
    client.account()
    return client


def expect(response, status, *problems):
    assert response.status in ((status,) if isinstance(status, int) else status), response
    assert response.problem() in problems, response
    assert response.json().get("detail"), response
    # RFC 8555 6.5: an error carries a nonce too, so that the client can go on.
    assert response.headers.get("Replay-Nonce"), response


# JWS -------------------------------------------------------------------------------------------

def new_account(client, header=None, payload=None, key=None):
    """A newAccount request with a header or a payload of the test's own."""
    url = client.directory()["newAccount"]
    header = header if header is not None else client.header(url, use_jwk=True)
    payload = payload if payload is not None else {"termsOfServiceAgreed": True}
    return client.send(url, client.jws(header, payload, key))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES512", "PS256", "es256", ""])
def test_algorithm_is_refused(client, alg):
    url = client.directory()["newAccount"]
    response = new_account(client, client.header(url, use_jwk=True, alg=alg))
    expect(response, 400, "badSignatureAlgorithm")
    assert "ES256" in response.json()["algorithms"]


@pytest.mark.parametrize("kind, alg", [("p256", "RS256"), ("p256", "ES384"), ("rsa2048", "ES256"),
                                       ("p384", "ES256"), ("ed25519", "ES256")])
def test_algorithm_is_not_the_keys(lab, kind, alg):
    client = conftest.new_client(lab, Key(kind))
    url = client.directory()["newAccount"]
    expect(new_account(client, client.header(url, use_jwk=True, alg=alg)), 400,
           "badSignatureAlgorithm")


def test_signature_of_another_key(client):
    expect(new_account(client, key=Key()), (400, 401, 403), "unauthorized", "malformed")


def test_signature_in_der(client):
    url = client.directory()["newAccount"]
    jws = client.jws(client.header(url, use_jwk=True), {})
    jws["signature"] = b64(client.key.sign(f"{jws['protected']}.{jws['payload']}".encode(), der=True))
    expect(client.send(url, jws), (400, 401, 403), "unauthorized", "malformed")


def test_signature_of_zeros(client):
    url = client.directory()["newAccount"]
    jws = client.jws(client.header(url, use_jwk=True), {})
    jws["signature"] = b64(bytes(64))
    expect(client.send(url, jws), (400, 401, 403), "unauthorized", "malformed")


def test_nonce_is_replayed(client):
    url = client.directory()["newAccount"]
    nonce = client.nonce()
    assert new_account(client, client.header(url, use_jwk=True, nonce=nonce)).status == 201
    expect(new_account(client, client.header(url, use_jwk=True, nonce=nonce)), 400, "badNonce")


@pytest.mark.parametrize("change", [
    lambda nonce: "never-seen", lambda nonce: nonce[:-2] + ("AA" if nonce[-2:] != "AA" else "BB"),
    lambda nonce: nonce + "A", lambda nonce: "", lambda nonce: "A" * 3000, lambda nonce: nonce + "="])
def test_nonce_is_made_up(client, change):
    url = client.directory()["newAccount"]
    header = client.header(url, use_jwk=True, nonce=change(client.nonce()))
    expect(new_account(client, header), 400, "badNonce", "malformed")


def test_nonce_is_missing(client):
    url = client.directory()["newAccount"]
    expect(new_account(client, client.header(url, use_jwk=True, nonce=None)), 400,
           "badNonce", "malformed")


def test_url_is_another(client):
    url = client.directory()["newAccount"]
    for other in (client.directory()["newOrder"], url + "/", url.replace("https:", "http:"),
                  url.replace("localhost", "evil.example"), "", "x" * 5000):
        header = client.header(url, use_jwk=True, url=other)
        expect(new_account(client, header), (400, 401, 403), "unauthorized", "malformed")


@pytest.mark.parametrize("changes", [
    {"kid": "https://localhost/acme/acct/x"},     # both
    {"jwk": None},                                # neither
    {"crit": ["b64"], "b64": False}, {"crit": []}, {"b64": True},
    {"jwk": "text"}, {"jwk": {}}, {"alg": 1}, {"nonce": 1}, {"url": None}])
def test_header_is_wrong(client, changes):
    url = client.directory()["newAccount"]
    header = client.header(url, use_jwk=True, **changes)
    expect(new_account(client, header), (400, 401), "malformed", "badPublicKey",
           "badSignatureAlgorithm", "unauthorized", "badNonce")


@pytest.mark.parametrize("jwk_of", [
    lambda key: {**key.jwk(), "d": b64(bytes(31) + b"\1")},                  # a private member
    lambda key: {**key.jwk(), "y": key.jwk()["x"]},                         # not on the curve
    lambda key: {**key.jwk(), "x": b64(b"\0" + acme_client.unb64(key.jwk()["x"]))},
    lambda key: {**key.jwk(), "x": key.jwk()["x"][:-2]},
    lambda key: {**key.jwk(), "x": key.jwk()["x"] + "="},
    lambda key: {**key.jwk(), "crv": "P-521"},
    lambda key: {**key.jwk(), "kty": "oct", "k": "AAAA"},
    lambda key: {"kty": "EC", "crv": "P-256", "x": b64(bytes(32)), "y": b64(bytes(32))}])
def test_key_is_bad(client, jwk_of):
    url = client.directory()["newAccount"]
    header = client.header(url, use_jwk=True, jwk=jwk_of(client.key))
    expect(new_account(client, header), 400, "badPublicKey", "malformed", "badSignatureAlgorithm")


def test_key_is_weak(lab):
    client = conftest.new_client(lab, Key("rsa1024"))
    expect(new_account(client), 400, "badPublicKey")


def test_key_has_a_leading_zero(lab):
    client = conftest.new_client(lab, Key("rsa2048"))
    url = client.directory()["newAccount"]
    jwk = client.key.jwk()
    jwk["n"] = b64(b"\0" + acme_client.unb64(jwk["n"]))
    expect(new_account(client, client.header(url, use_jwk=True, jwk=jwk)), 400,
           "badPublicKey", "malformed")


# JSON, HTTP ------------------------------------------------------------------------------------

def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("payload", [
    '{"termsOfServiceAgreed":true,"termsOfServiceAgreed":true}', '{"a":' + nested(40) + "}",
    nested(20000), "{", "[]", "null", '"text"', '{"contact":"mailto:a@example.com"}',
    '{"contact":[1]}', '{"a":"\xff"}'.encode("latin-1"), '{"a":"\\u0000"}{"b":1}', "{}garbage"])
def test_payload_is_wrong(client, payload):
    expect(new_account(client, payload=payload), (400, 413), "malformed", "invalidContact")


@pytest.mark.parametrize("body", [
    "", "{", "null", "[]", "{}", nested(20000), '{"protected":"","payload":"","signature":""}',
    '{"protected":"e30","payload":"e30","signature":"AA","signature":"AA"}',
    '{"protected":"e30","payload":"e30","signature":"AA","header":{}}',
    '{"protected":"e30","payload":"e30","signatures":[]}', b"\0\1\2\3", b"\xff" * 100])
def test_body_is_wrong(client, body):
    client.directory()
    expect(client.send(client.directory()["newAccount"], body), (400, 413), "malformed")


def test_protected_header_has_a_key_twice(client):
    url = client.directory()["newAccount"]
    text = json.dumps(client.header(url, use_jwk=True))
    expect(new_account(client, text[:-1] + ',"alg":"ES256"}'), 400, "malformed")


def test_unprotected_header(client):
    url = client.directory()["newAccount"]
    jws = client.jws(client.header(url, use_jwk=True), {})
    expect(client.send(url, {**jws, "header": {"alg": "ES256"}}), 400, "malformed")


def test_body_of_a_mebibyte(client):
    """Refused from its length, or the connection is closed; either way the front goes on."""
    url = client.directory()["newAccount"]
    try:
        response = client.send(url, b"x" * (1 << 20))
        assert response.status in (400, 413), response
    except OSError:
        pass
    client.close()
    assert client.request("GET", client.directory_url).status == 200


def test_method_and_content_type(enrolled):
    directory = enrolled.directory()
    for resource_url in (directory["newAccount"], directory["newOrder"], enrolled.kid):
        assert enrolled.request("GET", resource_url).status == 405
    assert enrolled.request("PUT", directory["newOrder"], b"{}").status == 405
    jws = enrolled.jws(enrolled.header(enrolled.kid), "")
    for content_type in ("application/json", "text/plain", ""):
        assert enrolled.send(enrolled.kid, jws, content_type).status == 415
    assert enrolled.request("GET", enrolled.directory_url + "/../secret").status == 404
    assert enrolled.request("GET", enrolled.directory_url.replace("directory", "%00")).status in (
        400, 404)


def raw_exchange(lab, data, seconds=10):
    """What the server says to DATA before it closes or falls silent."""
    context = ssl.create_default_context(cafile=lab.ca.ca_file)
    with socket.create_connection((lab.address, lab.front_port), seconds) as tcp, \
            context.wrap_socket(tcp, server_hostname="localhost") as tls:
        tls.settimeout(seconds)
        tls.sendall(data)
        said = b""
        try:
            while b"\r\n\r\n" not in said:
                chunk = tls.recv(65536)
                if not chunk:
                    break
                said += chunk
        except (socket.timeout, ConnectionResetError, ssl.SSLError):
            pass
        return said


@pytest.mark.parametrize("request_text", [
    b"GET /acme/directory HTTP/9.9\r\nHost: x\r\n\r\n", b"GARBAGE\r\n\r\n",
    b"GET  /acme/directory HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /acme/directory HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /acme/directory HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET /acme/directory HTTP/1.1\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
    b"POST /acme/new-order HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /acme/new-order HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /acme/new-order HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    b"POST /acme/new-order HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /acme/directory HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET /acme\0/directory HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_http_is_wrong(lab, request_text):
    said = raw_exchange(lab, request_text)
    assert not said or said.split(b" ")[1][:1] in (b"4", b"5"), said[:200]


# Orders ----------------------------------------------------------------------------------------

def test_identifier_is_not_ours(lab, enrolled):
    other, zone, name = Key().id(), lab.zone, enrolled.name()
    new_order = enrolled.directory()["newOrder"]
    for names in ([f"*.{other}.{zone}"], [f"{other}.{zone}"], [zone], [f"*.{zone}"],
                  [f"relay.{zone}"], ["example.com"], [f"192-168-1-1.{name}"], [f"*.*.{name}"],
                  [f"*.{name}", "example.com"], [f"*.{name}", f"*.{other}.{zone}"],
                  [f"*.{name}."], [""], ["*"], [f"*.{name}\0.example.com"], [f"*.{name}"] * 5,
                  ["a" * 3000], [f"*.{enrolled.key.id()[:-1]}.{zone}"]):
        payload = {"identifiers": [{"type": "dns", "value": value} for value in names]}
        expect(enrolled.post(new_order, payload), (400, 403), "rejectedIdentifier", "malformed",
               "compound")
    for payload in ({}, {"identifiers": []}, {"identifiers": "x"}, {"identifiers": [1]},
                    {"identifiers": [{"type": "dns"}]}, {"identifiers": [{"value": f"*.{name}"}]},
                    {"identifiers": [{"type": "ip", "value": "192.168.1.1"}]}):
        expect(enrolled.post(new_order, payload), (400, 403), "malformed", "rejectedIdentifier",
               "unsupportedIdentifier")


def test_account_is_not_known(client):
    client.kid = f"{client.directory_url.rpartition('/')[0]}/acct/{client.key.id()}"
    expect(client.post(client.directory()["newOrder"], {"identifiers": []}), (400, 401),
           "accountDoesNotExist")
    response = client.post(client.directory()["newAccount"], {"onlyReturnExisting": True},
                           use_jwk=True)
    expect(response, 400, "accountDoesNotExist")


def test_account_of_another(lab, enrolled):
    """Signed by my key in another one's name, and another one's order: refused."""
    victim = conftest.new_client(lab)
    victim.account()
    order_url, order = victim.order([f"*.{victim.name()}"])
    header = enrolled.header(order_url, kid=victim.kid)
    expect(enrolled.send(order_url, enrolled.jws(header, "")), (400, 401, 403), "unauthorized",
           "malformed")
    for url in (order_url, order["authorizations"][0], victim.kid):
        expect(enrolled.post(url), (401, 403, 404), "unauthorized", "malformed")
    der = csr([f"*.{victim.name()}"], Key())
    expect(enrolled.post(order["finalize"], {"csr": b64(der)}), (401, 403, 404), "unauthorized",
           "malformed")
    victim.close()


# CSR -------------------------------------------------------------------------------------------

def bad_requests(device):
    """(what, DER) of each CSR that must be refused for an order of DEVICE's wildcard."""
    wildcard, key = f"*.{device.name()}", Key()
    other = f"*.{Key().id()}.{device.zone()}"
    ca = x509.BasicConstraints(ca=True, path_length=None)
    good = csr([wildcard], key)
    marked = csr([wildcard.replace("*", "Q", 1)], key)
    yield "foreign name", csr([other], key)
    yield "extra name", csr([wildcard, "example.com"], key)
    yield "name not in the order", csr([wildcard, device.name()], key)
    yield "no name", csr([], key)
    yield "only a common name", csr([], key, common_name=device.name())
    yield "foreign common name", csr([wildcard], key, common_name="example.com")
    yield "IP", csr([wildcard], key,
                    general_names=[x509.IPAddress(ipaddress.ip_address("192.168.1.1"))])
    yield "mail", csr([wildcard], key, general_names=[x509.RFC822Name("a@example.com")])
    yield "upper case", csr([wildcard.upper()], key)
    yield "NUL", acme_client.resign(marked, key, lambda info: info.replace(b"Q.", b"\0.", 1))
    yield "CA:TRUE", csr([wildcard], key, extensions=[ca])
    yield "RSA of 1024 bits", csr([wildcard], Key("rsa1024"))
    yield "RSA with exponent 3", csr([wildcard], Key(private=rsa.generate_private_key(3, 2048)))
    yield "the identity key", csr([wildcard], device.key)
    yield "signature by another key", csr([wildcard], key, signer=Key())
    yield "signature cut off", good[:-4]
    yield "trailing bytes", good + b"\0"
    yield "not DER", b"\x30\x80" + good[2:]
    yield "empty", b""
    yield "9 KiB", good + bytes(9 << 10)


def test_csr_is_bad(lab, enrolled):
    name = f"*.{enrolled.name()}"
    order_url, order = enrolled.order([name])
    for what, der in bad_requests(enrolled):
        response = enrolled.post(order["finalize"], {"csr": b64(der)})
        assert response.status in (400, 401, 403, 413), (what, response)
        assert response.problem() in ("badCSR", "badPublicKey", "malformed"), (what, response)
        assert enrolled.post(order_url).json()["status"] == "ready", what
    for payload in ({}, {"csr": 1}, {"csr": "!!"}, {"csr": b64(csr([name], Key())) + "="}):
        expect(enrolled.post(order["finalize"], payload), 400, "malformed", "badCSR")
    # The order was not spent on them: a good request gets its certificate.
    lab.good_orders += 1
    chain = enrolled.finalize(order_url, order, csr([name], Key()))
    conftest.verify_chain(lab, chain, f"192-168-1-51.{enrolled.name()}")


def test_identity_key_of_another_device(lab, enrolled):
    """No identity key of anyone is accepted as a certificate key."""
    other = conftest.new_client(lab)
    other.account()
    name = f"*.{enrolled.name()}"
    order_url, order = enrolled.order([name])
    response = enrolled.post(order["finalize"], {"csr": b64(csr([name], other.key))})
    if response.status == 200:  # the issuer's word comes with the order
        until = time.monotonic() + 20
        while response.json()["status"] == "processing" and time.monotonic() < until:
            time.sleep(0.2)
            response = enrolled.post(order_url)
        assert response.json()["status"] == "invalid", response
        assert response.json()["error"]["type"].endswith((":badCSR", ":badPublicKey")), response
    else:
        expect(response, 400, "badCSR", "badPublicKey")
    other.close()


# Slow and idle clients -------------------------------------------------------------------------

def slow_client(lab, first, drip, tls):
    """Connects, sends FIRST, then a byte of DRIP each second. Returns the seconds until it was closed."""
    started = time.monotonic()
    connection = socket.create_connection((lab.address, lab.front_port), 5)
    if tls:
        context = ssl.create_default_context(cafile=lab.ca.ca_file)
        connection = context.wrap_socket(connection, server_hostname="localhost")
        started = time.monotonic()  # each state of a connection has its own deadline
    connection.settimeout(1.0)
    try:
        if first:
            connection.sendall(first)
        at = 0
        while time.monotonic() - started < CLOSED_WITHIN_S + 5:
            try:
                if not connection.recv(65536):
                    return time.monotonic() - started
            except (socket.timeout, ssl.SSLWantReadError):
                pass
            if drip:
                connection.sendall(drip[at % len(drip):at % len(drip) + 1])
                at += 1
        return None
    except OSError:
        return time.monotonic() - started
    finally:
        connection.close()


def test_slow_clients_are_closed(lab):
    # The start of a ClientHello record that promises 512 bytes.
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    head = b"POST /acme/new-order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    cases = {
        "silent before TLS": (b"", b"", False),
        "half a ClientHello": (hello, b"", False),
        "ClientHello a byte a second": (hello, b"\0", False),
        "silent after the handshake": (b"", b"", True),
        "header a byte a second": (b"GET /acme/directory HTTP/1.1\r\nX: ", b"y", True),
        "a header a second": (b"GET /acme/directory HTTP/1.1\r\n", b"X: y\r\n", True),
        "body a byte a second": (head + b"\r\n", b"y", True),
        "half a request line": (b"GET /acm", b"", True),
    }
    took = {}

    def try_case(name):
        took[name] = slow_client(lab, *cases[name])

    threads = [threading.Thread(target=try_case, args=(name,)) for name in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    late = {name: seconds for name, seconds in took.items()
            if seconds is None or seconds > CLOSED_WITHIN_S + 0.5}
    assert not late, f"not closed within {CLOSED_WITHIN_S} s: {late}; all: {took}"


def test_two_thousand_idle_clients(lab):
    """While 2,000 connections do nothing, a device is served at once; then they are closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, IDLE_CLIENTS + 512)), hard))
    idle, refused = [], 0
    try:
        for _ in range(IDLE_CLIENTS):
            try:
                idle.append(socket.create_connection((lab.address, lab.front_port), 5))
            except OSError:
                refused += 1
        opened = time.monotonic()
        device = conftest.new_client(lab)
        started = time.monotonic()
        device.account()
        device.order([f"*.{device.name()}"])
        served_s = time.monotonic() - started
        device.close()
        assert served_s < 5, f"a device waited {served_s:.1f} s beside idle clients"
        assert refused == 0, f"{refused} of {IDLE_CLIENTS} connections were refused"
        poller = select.poll()
        open_fds = {connection.fileno() for connection in idle}
        for fd in open_fds:
            poller.register(fd, select.POLLIN)
        while open_fds and time.monotonic() < opened + CLOSED_WITHIN_S + 5:
            for fd, _ in poller.poll(500):
                poller.unregister(fd)
                open_fds.discard(fd)
        assert not open_fds, f"{len(open_fds)} idle connections still open after {CLOSED_WITHIN_S} s"
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    device = conftest.new_client(lab)
    assert device.request("GET", device.directory_url).status == 200
    device.close()
