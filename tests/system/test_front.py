"""What front answers to a well-behaved device: RFC 8555's resources, renewal information, enrolment by token, blocks,
the extensions addresses and probe, the relay's own certificate, and ends and starts."""
import os
import re
import socket
import ssl
import subprocess
import time

import acme_client
import conftest
import pytest
import testbed

LAB = {"pebble": {"PEBBLE_ALTERNATE_ROOTS": "2"}}


@pytest.fixture
def device(lab):
    client = conftest.new_client(lab)
    client.account(contact=["mailto:one@example.com"])
    yield client
    client.close()


def links(response, relation):
    return [match.group(1) for value in response.headers.get_all("Link") or []
            for match in re.finditer(r'<([^>]*)>;rel="(\w+)"', value) if match.group(2) == relation]


def relay(lab, *arguments, check=True):
    return conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, *arguments],
                        check=check).stdout


def dig(lab, name, qtype):
    return conftest.run(["dig", "+short", f"@{lab.address}", "-p", str(lab.dns_port), name, qtype]).stdout.split()


def test_directory(lab, device):
    response = device.request("GET", lab.directory)
    assert response.status == 200 and response.headers["Content-Type"] == "application/json"
    directory = response.json()
    assert not links(response, "index"), "the directory links to itself"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in response.headers
    for resource in ("newNonce", "newAccount", "newOrder", "revokeCert", "renewalInfo"):
        assert directory[resource].startswith(lab.base_url + "/")
    assert "keyChange" not in directory
    latchkey = directory["meta"]["latchkey"]
    assert latchkey["zone"] == lab.zone and latchkey["nameServers"] == [f"ns.{lab.zone}"]
    assert directory["meta"].get("externalAccountRequired", False) is False
    assert device.post(lab.directory).json() == directory


def test_new_nonce(device):
    url = device.directory()["newNonce"]
    for method, status in (("HEAD", 200), ("GET", 204)):
        response = device.request(method, url)
        assert response.status == status and response.headers["Replay-Nonce"]
        assert response.headers["Cache-Control"] == "no-store"
        assert links(response, "index") == [device.directory_url]


def test_urls_do_not_come_from_host(lab):
    response = conftest.new_client(lab).request("GET", lab.directory, headers={"Host": "evil.example"})
    assert b"evil.example" not in response.body


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_account_of_every_kind_of_key(lab, kind):
    client = conftest.new_client(lab, acme_client.Key(kind))
    first = client.account()
    assert first.status == 201
    assert first.headers["Location"] == f"{lab.base_url}/acme/acct/{client.key.id()}"
    again = client.account()
    assert again.status == 200 and again.headers["Location"] == first.headers["Location"]
    pem = client.certificate()
    assert acme_client.names(pem) == [f"*.{client.name()}"]
    client.close()


def test_account_life(lab, device):
    assert device.post(device.kid).json()["contact"] == ["mailto:one@example.com"]
    updated = device.post(device.kid, {"contact": ["mailto:two@example.com"], "status": "", "orders": ""})
    assert updated.status == 200 and updated.json()["contact"] == ["mailto:two@example.com"]
    assert device.post(device.kid).json()["contact"] == ["mailto:two@example.com"]
    assert device.post(device.kid, {"status": "revoked"}).problem() == "malformed"
    only = {"onlyReturnExisting": True}
    new_account = device.directory()["newAccount"]
    assert device.post(new_account, only, use_jwk=True).status == 200
    stranger = conftest.new_client(lab)
    missing = stranger.post(new_account, only, use_jwk=True)
    assert missing.status == 400 and missing.problem() == "accountDoesNotExist"
    # Another account's URL.
    stranger.account()
    assert stranger.post(device.kid).problem() == "unauthorized"
    stranger.close()
    gone = device.post(device.kid, {"status": "deactivated"})
    assert gone.status == 200 and gone.json()["status"] == "deactivated"
    assert device.post(device.kid).problem() == "unauthorized"
    assert device.post(new_account, {}, use_jwk=True).problem() == "unauthorized"


def test_who_leaves_has_no_names(lab, device):
    device.certificate([f"*.{device.name()}", device.name()])
    published = device.post(device.directory()["meta"]["latchkey"]["addressesUrl"],
                            {"counter": 1, "addresses": ["192.168.7.9"]})
    assert published.status == 200

    def answer():
        return testbed.dns_query(lab.address, lab.dns_port, f"home.{device.name()}", 1)[2]

    testbed.wait_for(lambda: answer() == ["192.168.7.9"], "the published address")
    assert device.post(device.kid, {"status": "deactivated"}).status == 200
    testbed.wait_for(lambda: answer() == [], "the end of the published address")


def test_order_and_what_hangs_on_it(lab, device):
    names = sorted([f"*.{device.name()}", device.name()])
    url, order = device.order(names)
    assert order["status"] == "ready" and order["expires"].endswith("Z")
    assert sorted(entry["value"] for entry in order["identifiers"]) == names
    again, _ = device.order(names)
    assert again == url, "an order that is ready is given again"
    values = []
    for authorization in order["authorizations"]:
        response = device.post(authorization)
        body = response.json()
        assert body["status"] == "valid" and body["expires"]
        values.append(("*." if body.get("wildcard") else "") + body["identifier"]["value"])
        challenge, = body["challenges"]
        for payload in ("", {}):
            response = device.post(challenge["url"], payload)
            assert response.json() == challenge and challenge["status"] == "valid"
            assert links(response, "up") == [authorization]
    assert sorted(values) == names
    pem = device.finalize(url, order, acme_client.csr(names, acme_client.Key()))
    response = device.post(url)
    order = response.json()
    assert order["status"] == "valid" and response.headers["Location"] == url
    assert url in device.post(device.post(device.kid).json()["orders"]).json()["orders"]
    chain = device.post(order["certificate"])
    assert chain.headers["Content-Type"] == "application/pem-certificate-chain"
    alternates = links(chain, "alternate")
    assert len(alternates) == 2
    for alternate in alternates:
        other = device.post(alternate)
        assert other.status == 200
        assert acme_client.leaf(other.body.decode()) == acme_client.leaf(pem)
        assert order["certificate"] in links(other, "alternate") and alternate not in links(other, "alternate")
    assert device.post(order["certificate"] + "/9").status == 404
    assert device.post(order["finalize"], {"csr": "AAAA"}).problem() == "orderNotReady"
    # Nobody else reads any of it, and none of it is read by GET.
    stranger = conftest.new_client(lab)
    stranger.account()
    for resource in (url, order["authorizations"][0], order["certificate"]):
        assert stranger.post(resource).problem() == "unauthorized"
        plain = device.request("GET", resource)
        assert plain.status == 405 and plain.headers["Allow"]
    mine = url.replace(device.key.id(), stranger.key.id())
    assert stranger.post(mine).status == 404
    stranger.close()


def test_wish_for_profile_and_replacement(device):
    pem = device.certificate()
    authority = acme_client.leaf(pem).extensions.get_extension_for_class(
        acme_client.x509.AuthorityKeyIdentifier).value.key_identifier
    serial = acme_client.leaf(pem).serial_number
    known = (acme_client.b64(authority) + "." +
             acme_client.b64(serial.to_bytes(serial.bit_length() // 8 + 1, "big")))
    _, order = device.order([f"*.{device.name()}"], replaces=known)
    assert order["replaces"] == known
    _, order = device.order([f"*.{device.name()}"], replaces="AAAA.AAAA", profile="classic")
    assert "replaces" not in order
    for members in ({"notAfter": "2030-01-01T00:00:00Z"}, {"notBefore": "2030-01-01T00:00:00Z"}):
        with pytest.raises(acme_client.Refused, match="malformed"):
            device.order([f"*.{device.name()}"], **members)
    # Renewal information, by plain GET.
    ari = device.request("GET", f"{device.directory()['renewalInfo']}/{known}")
    window = ari.json()["suggestedWindow"]
    assert ari.status == 200 and window["start"] < window["end"] and int(ari.headers["Retry-After"]) > 0
    assert ari.headers["Access-Control-Allow-Origin"] == "*"
    missing = device.request("GET", f"{device.directory()['renewalInfo']}/AAAA.AAAA")
    assert missing.status == 404 and int(missing.headers["Retry-After"]) > 0


def test_revocation(lab, device):
    pem = device.certificate()
    stranger = conftest.new_client(lab)
    stranger.account()
    assert stranger.revoke(pem).problem() == "unauthorized"
    assert device.revoke(pem, reason=2).problem() == "badRevocationReason"
    assert conftest.ca_status(lab, pem) == "Valid"
    assert device.revoke(pem, reason=1).status == 200
    assert conftest.ca_status(lab, pem) == "Revoked"
    assert device.revoke(pem).problem() == "alreadyRevoked"
    # By the certificate's own key, which has no account.
    pem = stranger.certificate()
    holder = conftest.new_client(lab, stranger.tls_key)
    assert holder.revoke(pem).status == 200
    assert conftest.ca_status(lab, pem) == "Revoked"
    foreign = conftest.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x"]).stdout
    foreign = foreign[foreign.index("-----BEGIN CERT"):]
    assert device.revoke(foreign).status in (400, 404)
    for client in (stranger, holder):
        client.close()


def test_addresses(lab, device):
    conftest.need("dig")
    url = device.directory()["meta"]["latchkey"]["addressesUrl"]
    name = device.name()
    device.certificate([f"*.{name}", name])
    publication = {"counter": 5, "addresses": ["192.168.7.1", "fd12::7"]}
    for _ in range(2):  # the same again: the first answer may have been lost
        response = device.post(url, publication)
        assert response.status == 200 and response.json() == publication
    testbed.wait_for(lambda: dig(lab, f"home.{name}", "A") == ["192.168.7.1"], "home's A", 2)
    assert dig(lab, f"home.{name}", "AAAA") == ["fd12::7"]
    assert dig(lab, name, "A") == ["192.168.7.1"]
    for counter in (4, 5):
        stale = device.post(url, {"counter": counter, "addresses": []})
        assert stale.status == 409, "the counter only rises"
    for addresses in (["8.8.8.8"], ["169.254.169.254"], ["fe80::1"], ["x"], [1], ["10.0.0.1"] * 2,
                      [f"10.0.0.{i}" for i in range(9)]):
        assert device.post(url, {"counter": 6, "addresses": addresses}).problem() == "malformed"
    assert device.post(url, {"counter": 6, "addresses": [], "ttl": 5}).problem() == "malformed"
    assert dig(lab, f"home.{name}", "A") == ["192.168.7.1"]
    assert device.post(url, {"counter": 6, "addresses": []}).status == 200
    testbed.wait_for(lambda: dig(lab, f"home.{name}", "A") == [], "home's A to go", 2)


def test_probe(lab, device):
    conftest.need("dig")
    url = device.directory()["meta"]["latchkey"]["probeUrl"]
    server = f"{lab.address}:{lab.dns_port}"
    assert device.post(url, {"token": "abc123"}).json() == {"servers": [{"server": server, "seen": 0}]}
    for _ in range(2):
        assert dig(lab, f"probe-abc123.{device.name()}", "A")
    assert device.post(url, {"token": "abc123"}).json() == {"servers": [{"server": server, "seen": 2}]}
    for payload in ({"token": "a.b"}, {"token": ""}, {"token": 5}, {"token": "a" * 27}, {"token": "a", "b": 1}, {}):
        assert device.post(url, payload).problem() == "malformed"


def test_block(lab):
    client = conftest.new_client(lab)
    client.account()
    relay(lab, "block", client.key.id(), "stolen")
    refused = client.post(client.kid)
    assert refused.status == 403 and refused.problem() == "unauthorized"
    with pytest.raises(acme_client.Refused, match="unauthorized"):
        client.order([f"*.{client.name()}"])
    with pytest.raises(acme_client.Refused, match="unauthorized"):
        client.account()
    relay(lab, "unblock", client.key.id())
    client.certificate()
    client.close()


def test_enrolment_by_token(make_lab):
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    client = conftest.new_client(lab)
    assert client.directory()["meta"]["externalAccountRequired"] is True
    with pytest.raises(acme_client.Refused, match="externalAccountRequired"):
        client.account()
    kid, key = re.search(r"^(\S+):(\S+)$", relay(lab, "token", "add", "--devices", "1"), re.M).groups()
    key = acme_client.unb64(key)
    with pytest.raises(acme_client.Refused, match="unauthorized"):
        client.account(externalAccountBinding=client.eab(kid, b"another key"))
    with pytest.raises(acme_client.Refused, match="unauthorized"):
        client.account(externalAccountBinding=client.eab("no-such-token", key))
    other = conftest.new_client(lab)
    with pytest.raises(acme_client.Refused, match="malformed"):
        client.account(externalAccountBinding=other.eab(kid, key))
    with pytest.raises(acme_client.Refused, match="malformed"):
        client.account(externalAccountBinding=client.eab(kid, key, url=lab.directory))
    assert client.account(externalAccountBinding=client.eab(kid, key)).status == 201
    client.certificate()
    assert client.account().status == 200, "an enrolled device needs no token again"
    with pytest.raises(acme_client.Refused, match="enrolled all"):
        other.account(externalAccountBinding=other.eab(kid, key))
    kid, key = re.search(r"^(\S+):(\S+)$", relay(lab, "token", "add"), re.M).groups()
    relay(lab, "token", "end", kid)
    with pytest.raises(acme_client.Refused, match="unauthorized"):
        other.account(externalAccountBinding=other.eab(kid, acme_client.unb64(key)))


def served(lab, name):
    """The serial of the certificate that front serves for NAME, checked against Pebble's root."""
    context = ssl.create_default_context(cafile=lab.roots_file)
    with socket.create_connection((lab.address, lab.front_port), 5) as plain:
        with context.wrap_socket(plain, server_hostname=name) as stream:
            return acme_client.x509.load_der_x509_certificate(stream.getpeercert(True)).serial_number


def test_own_certificate_renews_without_restart(make_lab):
    lab = make_lab(validity_s=30)
    pid, first = lab.processes["front"].pid, served(lab, f"relay.{lab.zone}")
    testbed.wait_for(lambda: served(lab, f"relay.{lab.zone}") != first, "the relay's next certificate", 30)
    assert lab.processes["front"].pid == pid
    # A restarted front finds its request and its chain; it asks for nothing that it has.
    second, orders = served(lab, f"relay.{lab.zone}"), conftest.ca_orders(lab)
    lab.restart("front")
    testbed.wait_for(lambda: served(lab, f"relay.{lab.zone}") == second, "the same certificate", 10)
    assert conftest.ca_orders(lab) == orders


def test_ends_and_starts(make_lab):
    lab = make_lab()
    client = conftest.new_client(lab)
    client.certificate()
    # A second front on the same store is refused.
    second = subprocess.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "front"],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "another front" in second.stderr
    old = client.nonce()
    lab.restart("front")
    # What it knew, it knows; the nonces of its former life are refused, and clients go on by themselves.
    client.nonces = [old]
    client.close()
    assert client.post(client.kid).status == 200 and client.bad_nonces == 1
    # Without the issuer: an honest "later", and no certificate.
    lab.processes["issuer"].stop()
    started = time.monotonic()
    refused = client.post(client.directory()["newOrder"],
                          {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})
    assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0, refused
    assert 10 < time.monotonic() - started < 20
    # front ends at once while it holds exchanges.
    body = client.jws(client.header(client.directory()["newOrder"]),
                      {"identifiers": [{"type": "dns", "value": client.name()}]})
    with socket.create_connection((lab.address, lab.front_port), 5) as plain:
        with ssl.create_default_context(cafile=lab.ca.ca_file).wrap_socket(
                plain, server_hostname="localhost") as stream:
            data = acme_client.json.dumps(body).encode()
            stream.sendall(b"POST /acme/new-order HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/jose+json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            time.sleep(0.5)
            started = time.monotonic()
            lab.processes["front"].stop()
            assert time.monotonic() - started < 3
    assert os.path.exists(os.path.join(lab.store, "front.db"))
    lab.start_role("front")
    lab.start_role("issuer")
    client.close()
    client.nonces.clear()
    client.certificate()


def test_store_that_cannot_be_written(make_lab):
    conftest.need("prlimit")
    lab = make_lab()
    known, newcomer = conftest.new_client(lab), conftest.new_client(lab)
    known.account()
    pid = str(lab.processes["front"].pid)

    def limit(size):
        conftest.run(["prlimit", "--pid", pid, f"--fsize={size}:unlimited"])

    limit(os.path.getsize(os.path.join(lab.store, "front.db-wal")))
    names = [{"type": "dns", "value": f"*.{known.name()}"}]
    for _ in range(3):
        refused = newcomer.post(newcomer.directory()["newAccount"], {"termsOfServiceAgreed": True}, use_jwk=True)
        assert refused.status in (500, 503) and refused.problem() == "serverInternal", refused
        refused = known.post(known.directory()["newOrder"], {"identifiers": names})
        assert refused.status in (500, 503) and refused.problem() == "serverInternal", refused
        assert known.post(known.kid).status == 200, "what needs no write goes on"
    limit("unlimited")
    assert newcomer.account().status == 201, "nothing of what failed has stayed"
    for client in (known, newcomer):
        client.certificate()
        client.close()
