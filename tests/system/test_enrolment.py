"""Who may register a device: with a token, from open networks, how many from one network; the terms; and what becomes of
those who never get a certificate."""
import contextlib
import ctypes
import json
import os
import re
import sqlite3
import subprocess

import acme_client
import conftest
import pytest
import testbed

CLONE_NEWNET = 0x40000000


def relay(lab, *arguments):
    return conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, *arguments]).stdout


def new_token(lab, *arguments):
    kid, key = re.search(r"^(\S+):(\S+)$", relay(lab, "token", "add", *arguments), re.M).groups()
    return kid, acme_client.unb64(key)


def refused(call):
    """The response that CALL was refused with."""
    with pytest.raises(acme_client.Refused) as caught:
        call()
    return caught.value.response


def change(lab, section, **values):
    """Other values in relay.conf; the roles see them when they start again."""
    lab.settings.setdefault(section, {}).update(values)
    lab.write_config()


def restart(lab, *roles):
    for role in roles:
        lab.processes[role].stop()
        lab.start_role(role)


# ---- open networks ----

OPEN = {"front": {"enrolment": "token", "open_prefixes": "192.0.2.0/24 127.0.0.2/32"},
        "issuer": {"open_accounts_per_day": "2"}}


def test_open_networks(make_lab):
    """The directory says to each source what is true for it; the issuer counts those without a token."""
    lab = make_lab(settings=OPEN)
    stranger = conftest.new_client(lab)
    assert stranger.directory()["meta"]["externalAccountRequired"] is True
    assert refused(stranger.account).problem() == "externalAccountRequired"
    for _ in range(2):
        device = conftest.new_client(lab, source="127.0.0.2")
        assert "externalAccountRequired" not in device.directory()["meta"]
        assert device.account().status == 201
        device.certificate()
    late = conftest.new_client(lab, source="127.0.0.2")
    assert late.account().status == 201, "front does not count"
    answer = refused(lambda: late.order([f"*.{late.name()}"]))
    assert answer.status == 429 and answer.problem() == "rateLimited"
    assert 86000 < int(answer.headers["Retry-After"]) <= 86401 and "without a token" in answer.json()["detail"]
    # Who is there stays; who has a token comes in, from anywhere.
    device.certificate()
    kid, key = new_token(lab)
    stranger.account(externalAccountBinding=stranger.eab(kid, key))
    stranger.certificate()
    for client in (stranger, device, late):
        client.close()


def test_front_opens_nothing_by_itself(make_lab):
    """A front that lets everybody in finds an issuer that wants a token."""
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    change(lab, "front", enrolment="open")
    restart(lab, "front")
    device = conftest.new_client(lab)
    assert device.account().status == 201
    assert refused(lambda: device.order([f"*.{device.name()}"])).problem() == "externalAccountRequired"
    device.close()


# ---- quotas by network ----

@contextlib.contextmanager
def network():
    """This process, and what it starts, in a network namespace where 127/8 and some public addresses are its own."""
    conftest.need("ip")
    conftest.need_root()
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as before:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            conftest.run(["ip", "link", "set", "lo", "up"])
            for address in ("192.0.2.77/32", "192.0.2.78/32", "198.51.100.7/32"):
                conftest.run(["ip", "address", "add", address, "dev", "lo"])
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


def test_quotas_by_network(tmp_path):
    """A network that floods is refused, with a wait that is meant; its devices renew, and others are not touched."""
    conftest.need("pebble", "openssl")
    with network():
        lab = testbed.Testbed(tmp_path / "lab", conftest.BIN, settings={"front": {
            "accounts_per_prefix_hour": "4", "orders_per_prefix_hour": "3"}})
        lab.start()
        devices = [conftest.new_client(lab, source=f"192.0.2.{77 + i % 2}") for i in range(5)]
        for device in devices[:4]:
            assert device.account().status == 201
        answer = refused(devices[4].account)
        assert answer.status == 429 and answer.problem() == "rateLimited"
        assert 0 < int(answer.headers["Retry-After"]) <= 900, "one of four an hour"
        assert "192.0.2.0/24" in answer.json()["detail"] and "at most 4 an hour" in answer.json()["detail"]
        for device in devices[:3]:
            device.certificate()
        answer = refused(lambda: devices[3].order([f"*.{devices[3].name()}"]))
        assert answer.status == 429 and 0 < int(answer.headers["Retry-After"]) <= 1200
        assert "192.0.2.0/24" in answer.json()["detail"] and "orders of new devices" in answer.json()["detail"]
        devices[0].certificate()
        assert devices[0].account().status == 200, "an account that is there is not counted"
        for source in ("198.51.100.7", None):
            other = conftest.new_client(lab, source=source)
            for _ in range(6 if source is None else 1):   # this machine is not counted
                other.key, other.kid = acme_client.Key(), None
                assert other.account().status == 201
            other.certificate()
            other.close()
        for device in devices:
            device.close()
        conftest.check_stopped(lab.stop(), lab.folder)


# ---- terms ----

def test_terms(make_lab, tmp_path):
    """They must be agreed to; a new version touches nobody who is there, and the former stays."""
    lab = make_lab()
    device, newcomer = conftest.new_client(lab), conftest.new_client(lab)
    url = device.directory()["meta"]["termsOfService"]
    for payload in ({}, {"termsOfServiceAgreed": False}, {"termsOfServiceAgreed": "true"}):
        answer = newcomer.post(newcomer.directory()["newAccount"], payload, use_jwk=True)
        assert answer.status == 400 and answer.problem() == "malformed" and url in answer.json()["detail"]
    device.account()
    first = device.request("GET", url).body.decode()
    text = tmp_path / "terms.txt"
    text.write_text("# Ours\n\nBe <kind>.\n")
    change(lab, "relay", terms_file=str(text), terms_version="2")
    restart(lab, "front")
    newcomer = conftest.new_client(lab)
    second = newcomer.directory()["meta"]["termsOfService"]
    assert second == f"{lab.base_url}/terms/2"
    page = newcomer.request("GET", second).body.decode()
    assert "<h2>Ours</h2><p>Be &lt;kind&gt;.</p>" in page and "/terms/latchkey-1" in page
    old = newcomer.request("GET", url).body.decode()
    assert "Your duties" in first and "Your duties" in old and "Another version is in force now" in old
    device.certificate()
    assert newcomer.account().status == 201
    # The same version with another text is not taken; what was agreed to stays.
    text.write_text("Be unkind.\n")
    restart(lab, "front")
    assert newcomer.request("GET", second).body.decode() == page
    assert "ignoring it: give it a terms_version of its own" in lab.processes["front"].log()
    # A file that can't be used is named, and front does not start.
    text.write_bytes(b"\xff\n")
    lab.processes["front"].stop()
    done = subprocess.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "front"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 1 and f"terms_file '{text}': must be UTF-8" in done.stdout
    text.write_text("Be kind again.\n")
    lab.start_role("front")
    for client in (device, newcomer):
        client.close()


# ---- leaving, and never having been there ----

def test_leaving(make_lab):
    """Who deactivates the account has no open order any more, and does not come back by itself."""
    lab = make_lab()
    device = conftest.new_client(lab)
    device.account()
    url, order = device.order([f"*.{device.name()}"])
    assert device.post(device.kid, {"status": "deactivated"}).json()["status"] == "deactivated"
    for call in (lambda: device.order([f"*.{device.name()}"]), device.account):
        assert refused(call).problem() == "unauthorized"
    late = device.post(order["finalize"], {"csr": acme_client.b64(acme_client.csr([f"*.{device.name()}"],
                                                                                 acme_client.Key()))})
    assert late.problem() == "unauthorized"

    def ended():
        shown, = json.loads(relay(lab, "show", "--json", device.key.id()))["orders"]
        assert shown["number"] == url.rpartition("/")[2]
        return shown["state"] == "invalid" and "deactivated" in shown["problem"]

    testbed.wait_for(ended, "the end of the order")
    assert "its open orders have ended" in lab.processes["issuer"].log()
    relay(lab, "reactivate", device.key.id())
    assert device.account().status == 200
    device.certificate()
    device.close()


def age(lab, name, sql, days=31):
    """Runs SQL with the seconds of so many DAYS on a database whose role is stopped."""
    with contextlib.closing(sqlite3.connect(os.path.join(lab.store, name))) as database, database:
        database.execute(sql, (days * 86400,))


def test_accounts_without_a_certificate_go(make_lab):
    """After 30 days, and with them their places at the token; who has a certificate, or has left, stays."""
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    kid, key = new_token(lab, "--devices", "3")
    idle, ordered, served, left, newcomer = (conftest.new_client(lab) for _ in range(5))
    for device in (idle, ordered, served):
        device.account(externalAccountBinding=device.eab(kid, key))
    other, other_key = new_token(lab)
    left.account(externalAccountBinding=left.eab(other, other_key))
    left.post(left.kid, {"status": "deactivated"})
    url, _ = ordered.order([f"*.{ordered.name()}"])
    served.certificate()

    def enrol():
        return newcomer.account(externalAccountBinding=newcomer.eab(kid, key))

    assert "enrolled all" in refused(enrol).json()["detail"]
    for role in ("front", "issuer"):
        lab.processes[role].stop()
    age(lab, "front.db", "UPDATE accounts SET created_at = created_at - ?")
    age(lab, "issuer.db", "UPDATE ledger SET at = at - ? WHERE kind IN ('account', 'token', 'fresh')")
    age(lab, "issuer.db", "UPDATE orders SET expires_at = created_at - ? WHERE state = 'ready'")
    lab.start_role("issuer")
    forgotten = f"device {ordered.key.id()}: never got a certificate"
    testbed.wait_for(lambda: forgotten in lab.processes["issuer"].log(), "the issuer's sweep", 90)
    assert f"device {served.key.id()}: never" not in lab.processes["issuer"].log()
    lab.start_role("front")
    for device in (idle, ordered):
        testbed.wait_for(lambda: device.post(device.kid).problem() == "accountDoesNotExist", "the account's end", 60)
    assert served.post(served.kid).status == 200
    served.certificate()
    assert left.post(left.kid).problem() == "unauthorized", "who has left stays away"
    # The issuer counts as front does.
    assert enrol().status == 201
    newcomer.certificate()
    idle.account(externalAccountBinding=idle.eab(kid, key))
    idle.certificate()
    assert "enrolled all" in refused(lambda: ordered.account(
        externalAccountBinding=ordered.eab(kid, key))).json()["detail"]
    for device in (idle, ordered, served, left, newcomer):
        device.close()
