"""Two zones on one relay with one CA: each has its own names, accounts, tokens and certificate, and an account of one
is nothing in the other. A zone is served under its former base URLs too, and its devices can be moved to the other."""
import os
import subprocess

import pytest

import acme_client
import conftest
import testbed
from test_device_lab import LabDevice

FIRST, SECOND = "one.test", "two.test"


class SecondZone:
    """The second zone of a testbed, as clients and devices see one of their own."""

    def __init__(self, lab, zone=SECOND):
        self.lab, self.zone = lab, zone
        self.base_url = f"{lab.base_url}/second"
        self.directory = f"{self.base_url}/acme/directory"
        self.config_file = os.path.join(lab.folder, "second.conf")

    def __getattr__(self, name):
        return getattr(self.lab, name)

    def write_config(self, **changes):
        values = self.lab.relay_settings()
        relay = {"zone": self.zone, "base_url": self.base_url, "host": f"relay.{self.zone}"}
        issuer = {key: value for key, value in values["issuer"].items()
                  if key not in ("ready_file", "status_listen")}
        dns = {"name_servers": f"ns.{self.zone}={self.address}", "hosts": f"relay={self.address}",
               "answer_loopback": "yes"}
        text = ""
        for section, keys in (("relay", relay), ("front", {"enrolment": "token"}), ("issuer", issuer), ("dns", dns)):
            keys.update(changes.get(section, {}))
            text += f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        testbed.write_atomically(self.config_file, text)


@pytest.fixture(scope="module")
def zones(request, tmp_path_factory):
    """(testbed of the first zone, the second)."""
    conftest.need("pebble", "openssl")
    lab = testbed.Testbed(tmp_path_factory.mktemp("lab"), conftest.BIN, zone=FIRST)
    request.module._labs = [lab]
    second = SecondZone(lab)
    lab.settings = {"relay": {"zone_files": second.config_file,
                              "base_url_aliases": f"{lab.base_url}/old https://127.0.0.1:{lab.front_port}"}}
    second.write_config()
    lab.start()
    yield lab, second
    conftest.check_stopped(lab.stop(), lab.folder)


def relay(lab, *arguments, check=True):
    return conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, *arguments],
                        check=check).stdout


def new_token(lab, zone, *arguments):
    kid, _, key = relay(lab, "--zone", zone, "token", "add", *arguments).strip().partition(":")
    return kid, acme_client.unb64(key)


def second_client(zones, key=None):
    lab, second = zones
    return acme_client.Client(second.directory, lab.ca.ca_file, key)


def enrolled(zones, key=None):
    client = second_client(zones, key)
    client.account(externalAccountBinding=client.eab(*new_token(zones[0], SECOND)))
    return client


def test_each_zone_is_answered(zones):
    lab, _ = zones
    for zone in (FIRST, SECOND):
        name = f"127-0-0-1.{'a' * 32}.{zone}"
        assert testbed.dns_query(lab.address, lab.dns_port, name, 1) == (0, True, ["127.0.0.1"])
        assert testbed.dns_query(lab.address, lab.dns_port, f"relay.{zone}", 1)[2] == [lab.address]
    assert testbed.dns_query(lab.address, lab.dns_port, "relay.three.test", 1)[0] == 5


def test_each_zone_has_its_directory_and_certificate(zones):
    lab, second = zones
    for client, zone, bound in ((conftest.new_client(lab), FIRST, False), (second_client(zones), SECOND, True)):
        directory = client.directory()
        assert directory["meta"]["latchkey"]["zone"] == zone
        assert directory["meta"].get("externalAccountRequired", False) is bound
        assert directory["newOrder"] == client.directory_url.replace("directory", "new-order")
        client.close()

    def own(zone):
        return testbed.https_get(lab.address, lab.front_port, "/acme/directory", lab.roots_file, name=f"relay.{zone}")
    for zone in (FIRST, SECOND):
        testbed.wait_for(lambda: own(zone)[0] == 200, f"the certificate of relay.{zone}", 30)
    keys = relay(lab, "key"), relay(lab, "--zone", SECOND, "key")
    assert keys[0] != keys[1] and second.directory in keys[1], keys


def test_certificates_in_both(zones):
    lab, _ = zones
    first, second = conftest.new_client(lab), enrolled(zones)
    pem = first.certificate()
    assert acme_client.names(pem) == [f"*.{first.key.id()}.{FIRST}"]
    pem = second.certificate()
    assert acme_client.names(pem) == [f"*.{second.key.id()}.{SECOND}"]
    conftest.verify_chain(lab, pem, f"x.{second.name()}")
    listed = relay(lab, "--zone", SECOND, "list")
    assert second.key.id() in listed and first.key.id() not in listed
    listed = relay(lab, "list")
    assert second.key.id() in listed and first.key.id() in listed
    first.close()
    second.close()


def test_an_account_of_one_is_nothing_in_the_other(zones):
    lab, second = zones
    mine = conftest.new_client(lab)
    mine.account()
    order_url, order = mine.order([f"*.{mine.name()}"])
    other = second_client(zones, mine.key)
    names = {"identifiers": [{"type": "dns", "value": f"*.{mine.key.id()}.{SECOND}"}]}
    # Its own account URL, the same id at the other base, and newAccount without a token of that zone.
    for kid in (mine.kid, f"{second.base_url}/acme/acct/{mine.key.id()}"):
        other.kid = kid
        assert other.post(other.directory()["newOrder"], names).problem() == "accountDoesNotExist", kid
    created = other.post(other.directory()["newAccount"], {"termsOfServiceAgreed": True}, use_jwk=True)
    assert created.problem() == "externalAccountRequired"
    kid, key = new_token(lab, FIRST)
    created = other.post(other.directory()["newAccount"],
                         {"termsOfServiceAgreed": True, "externalAccountBinding": other.eab(kid, key)}, use_jwk=True)
    assert created.problem() == "unauthorized", created
    # A nonce of one is none of the other's.
    other.kid = f"{second.base_url}/acme/acct/{mine.key.id()}"
    url = other.directory()["newOrder"]
    refused = other.send(url, other.jws(other.header(url, nonce=mine.nonce()), names))
    assert refused.problem() == "badNonce", refused
    # Names of the other zone, and what is signed for one base and sent to the other.
    assert mine.post(mine.directory()["newOrder"], names).problem() == "rejectedIdentifier"
    enrolled(zones, mine.key).close()
    other.kid = f"{second.base_url}/acme/acct/{mine.key.id()}"
    moved = order_url.replace(lab.base_url, second.base_url)
    assert other.post(moved).status == 404
    signed = mine.jws(mine.header(order["finalize"]), {"csr": "AA"})
    assert mine.send(order["finalize"].replace(lab.base_url, second.base_url), signed).problem() == "unauthorized"
    # Its block in one zone is none in the other.
    relay(lab, "--zone", SECOND, "block", mine.key.id())
    assert other.post(other.directory()["newOrder"], names).problem() == "unauthorized"
    mine.order([f"*.{mine.name()}"])
    mine.close()
    other.close()


@pytest.mark.parametrize("alias", ["path", "host"])
def test_a_former_base_url(zones, alias):
    """A client that knows its account and its orders by the old URL goes on, and sees no other URL."""
    lab, _ = zones
    base = f"{lab.base_url}/old" if alias == "path" else f"https://127.0.0.1:{lab.front_port}"
    client = acme_client.Client(f"{base}/acme/directory", lab.ca.ca_file)
    directory = client.directory()
    assert {url.partition("/acme/")[0] for url in directory.values() if isinstance(url, str)} == {base}
    assert directory["meta"]["latchkey"]["addressesUrl"] == f"{base}/acme/addresses"
    client.account()
    assert client.kid == f"{base}/acme/acct/{client.key.id()}"
    order_url, order = client.order([f"*.{client.name()}"])
    assert order_url.startswith(base) and order["finalize"].startswith(base)
    tls_key = acme_client.Key()
    pem = client.finalize(order_url, order, acme_client.csr([f"*.{client.name()}"], tls_key))
    assert acme_client.names(pem) == [f"*.{client.name()}"]
    # The same account by its other URL, at the present base.
    present = acme_client.Client(lab.directory, lab.ca.ca_file, client.key)
    present.kid = client.kid
    pem = present.certificate()
    assert present.revoke(pem).status == 200
    # Not by a URL that is no base of the zone.
    present.kid = f"{lab.base_url}/older/acme/acct/{client.key.id()}"
    refused = present.post(present.directory()["newOrder"], {"identifiers": []})
    assert refused.problem() == "accountDoesNotExist"
    client.close()
    present.close()


def test_a_move_from_zone_to_zone(zones, tmp_path):
    """`--zone` and `move` send the devices of one zone to the other; both names answer meanwhile."""
    lab, second = zones
    token = tmp_path / "token"
    token.write_text(relay(lab, "--zone", FIRST, "token", "add"))
    devices = [LabDevice(tmp_path / "new", lab, token_file=token)]
    old = LabDevice(tmp_path / "old", lab, token_file=token)
    with open(old.config_file) as file:
        text = file.read()
    testbed.write_atomically(old.config_file, text.replace(lab.directory, f"{lab.base_url}/old/acme/directory"))
    devices.append(old)
    try:
        for device in devices:
            device.start()
        for device in devices:
            assert device.wait_trusted(60)["zone"] == FIRST
        token.write_text(relay(lab, "--zone", SECOND, "token", "add"))
        relay(lab, "--zone", FIRST, "move", "--to", relay(lab, "--zone", SECOND, "key").strip())

        def announced():
            client = conftest.new_client(lab)
            try:
                return "movedTo" in client.directory()["meta"]["latchkey"]
            finally:
                client.close()
        testbed.wait_for(announced, "the announcement", 10)
        for device in devices:
            subprocess.run(device.command("renew"), check=True, stdout=subprocess.DEVNULL)
        for device in devices:
            status = device.wait_status(lambda s: s.get("zone") == SECOND and s["state"] == "trusted", 60)
            assert status["relay"] == second.directory
            for zone in (FIRST, SECOND):
                name = f"127-0-0-1.{device.id()}.{zone}"
                assert testbed.dns_query(lab.address, lab.dns_port, name, 1)[2] == ["127.0.0.1"]
            device.lab = second
            assert device.verified(device.full_name("127-0-0-1"))[0] == 200
    finally:
        relay(lab, "--zone", FIRST, "move", "--stay")
        for device in devices:
            device.stop()
    for device in devices:
        assert not conftest.sanitizer_reports(device.folder), device.process.log()[-4000:]
