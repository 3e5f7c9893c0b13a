"""The issuer trusts neither the front nor the store. A hostile front is played by writing into front.db:
what a device really signed is taken over, and everything else is refused, with nothing spent at the CA."""
import json
import os
import secrets
import sqlite3
import time

import pytest

import acme_client
import conftest
import testbed
from acme_client import Key, b64, csr

# The issuer polls the store; this is ample for it to see a row and decide.
DECIDED_WITHIN_S = 4


class Store:
    """front.db as its owner writes it, and issuer.db to read."""

    def __init__(self, lab):
        self.lab = lab
        self.front = sqlite3.connect(os.path.join(lab.store, "front.db"), timeout=10,
                                     isolation_level=None)

    def insert(self, number, kind, device_id, jws, jwk):
        """Writes a request with the next revision; one that is there already is replaced."""
        self.front.execute("BEGIN IMMEDIATE")
        self.front.execute("UPDATE revision SET rev = rev + 1")
        rev, = self.front.execute("SELECT rev FROM revision").fetchone()
        self.front.execute(
            "INSERT OR REPLACE INTO requests (zone, number, kind, rev, id, jws, jwk, received_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self.lab.zone, number, kind, rev, device_id, json.dumps(jws), json.dumps(jwk),
             int(time.time())))
        self.front.execute("COMMIT")

    def requests(self, kind):
        return self.front.execute("SELECT number, id, jws, jwk FROM requests WHERE kind = ?",
                                  (kind,)).fetchall()

    def _issuer(self, sql, *values):
        connection = sqlite3.connect(os.path.join(self.lab.store, "issuer.db"), timeout=10)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def state(self, number):
        rows = self._issuer("SELECT state FROM orders WHERE number = ?", number)
        return rows[0][0] if rows else None

    def certificates(self):
        return self._issuer("SELECT count(*) FROM certificates WHERE lane = 'device'")[0][0]


@pytest.fixture
def store(lab):
    return Store(lab)


@pytest.fixture
def device(lab):
    client = conftest.new_client(lab)
    client.account()
    yield client
    client.close()


def number_of(order):
    return order["finalize"].rpartition("/")[2]


def ready_order(device):
    name = f"*.{device.name()}"
    order_url, order = device.order([name])
    assert order["status"] == "ready"
    return name, order_url, order


def signed_finalize(device, order, name, **header):
    der = csr([name], Key())
    return device.jws(device.header(order["finalize"], **header), {"csr": b64(der)})


def must_be_refused(lab, store, number, insert):
    """After INSERT nothing is spent at the CA, and the order NUMBER doesn't become valid."""
    orders, certificates = conftest.ca_orders(lab), store.certificates()
    before = store.state(number)
    insert()
    time.sleep(DECIDED_WITHIN_S)
    assert conftest.ca_orders(lab) == orders, "an order was placed at the CA"
    assert store.certificates() == certificates, "a certificate was issued"
    assert store.state(number) in {before, "invalid", "refused", None} - {"processing"}
    lab.processes["issuer"].check()


def test_control_a_signed_finalize_is_taken(lab, store, device):
    """What the device signed is issued, also when a test writes it: the other tests do reach the issuer."""
    name, order_url, order = ready_order(device)
    store.insert(number_of(order), "finalize", device.key.id(), signed_finalize(device, order, name),
                 device.key.jwk())
    testbed.wait_for(lambda: store.state(number_of(order)) == "valid", "the order", 30)


def test_replayed_for_another_order(lab, store, device):
    """A finalize that was good for one order, put under the number of the next one."""
    device.certificate()
    number, device_id, jws, jwk = [row for row in store.requests("finalize")
                                   if row[1] == device.key.id()][-1]
    _, _, order = ready_order(device)
    must_be_refused(lab, store, number_of(order), lambda: store.insert(
        number_of(order), "finalize", device_id, json.loads(jws), json.loads(jwk)))


def test_replayed_under_its_own_number(lab, store, device):
    """The same row again, as a new revision: the ledger knows the number."""
    device.certificate()
    number, device_id, jws, jwk = [row for row in store.requests("finalize")
                                   if row[1] == device.key.id()][-1]
    must_be_refused(lab, store, number, lambda: store.insert(number, "finalize", device_id,
                                                             json.loads(jws), json.loads(jwk)))
    assert store.state(number) == "valid"


def test_replayed_after_the_issuer_started_again(lab, store, device):
    device.certificate()
    number, device_id, jws, jwk = [row for row in store.requests("finalize")
                                   if row[1] == device.key.id()][-1]
    lab.restart("issuer")
    must_be_refused(lab, store, number, lambda: store.insert(number, "finalize", device_id,
                                                             json.loads(jws), json.loads(jwk)))


def test_made_up_number(lab, store, device):
    """A number that no admitted order has, with a url that says so."""
    name, _, order = ready_order(device)
    number = secrets.token_hex(16)
    made_up = {"finalize": order["finalize"].replace(number_of(order), number)}
    must_be_refused(lab, store, number, lambda: store.insert(
        number, "finalize", device.key.id(), signed_finalize(device, made_up, name),
        device.key.jwk()))


def test_another_key(lab, store, device):
    """The victim's id and order, signed by the attacker's key, whose JWK is in the row."""
    attacker = Key()
    for jwk in (attacker.jwk(), device.key.jwk()):
        name, _, order = ready_order(device)  # a fresh one: a refusal may have ended the last
        jws = device.jws(device.header(order["finalize"]), {"csr": b64(csr([name], Key()))}, attacker)
        must_be_refused(lab, store, number_of(order), lambda o=order, j=jws, k=jwk: store.insert(
            number_of(o), "finalize", device.key.id(), j, k))


def test_another_id(lab, store, device):
    """The victim's signed bytes in a row that says they are the attacker's, and the other way."""
    name, _, order = ready_order(device)
    attacker = Key()
    jws = signed_finalize(device, order, name)
    must_be_refused(lab, store, number_of(order), lambda: store.insert(
        number_of(order), "finalize", attacker.id(), jws, attacker.jwk()))


def test_another_name(lab, store, device):
    """The attacker is a device itself and signs for the victim's name."""
    _, _, order = ready_order(device)
    victim = f"*.{Key().id()}.{lab.zone}"
    for name in (victim, f"*.{lab.zone}", f"relay.{lab.zone}", "example.com"):
        _, _, order = ready_order(device)
        must_be_refused(lab, store, number_of(order), lambda o=order, n=name: store.insert(
            number_of(o), "finalize", device.key.id(), signed_finalize(device, o, n),
            device.key.jwk()))


def test_altered_bytes(lab, store, device):
    """One bit of the payload, of the header, of the signature."""
    for member in ("payload", "protected", "signature"):
        name, _, order = ready_order(device)
        jws = signed_finalize(device, order, name)
        raw = bytearray(acme_client.unb64(jws[member]))
        raw[len(raw) // 2] ^= 1
        must_be_refused(lab, store, number_of(order), lambda o=order, m=member, j=jws, r=raw:
                        store.insert(number_of(o), "finalize", device.key.id(), {**j, m: b64(bytes(r))},
                                     device.key.jwk()))


def test_another_url(lab, store, device):
    """Signed for another relay, or as a newOrder: not a finalize here."""
    for url in ("https://other.example/acme/finalize/x/y", device.directory()["newOrder"]):
        name, _, order = ready_order(device)
        jws = signed_finalize(device, order, name, url=url)
        must_be_refused(lab, store, number_of(order), lambda o=order, j=jws: store.insert(
            number_of(o), "finalize", device.key.id(), j, device.key.jwk()))


def test_rows_that_are_no_requests(lab, store, device):
    """Rubbish in every column: the issuer goes on."""
    for number, kind, device_id in ((secrets.token_hex(16), "finalize", "x" * 5000),
                                    ("../../etc/passwd", "finalize", device.key.id()),
                                    (secrets.token_hex(16), "unknown", device.key.id()),
                                    ("", "order", ""), (secrets.token_hex(16), "relay", ""),
                                    (secrets.token_hex(16), "revoke", device.key.id())):
        orders = conftest.ca_orders(lab)
        for jws in ({}, [], "text", {"protected": "e30", "payload": "", "signature": ""},
                    {"protected": 1}, "[" * 100000):
            store.insert(number, kind, device_id, jws, {"kty": "EC"})
        time.sleep(0.5)
        lab.processes["issuer"].check()
        assert conftest.ca_orders(lab) == orders
    device.certificate()
