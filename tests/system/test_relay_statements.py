"""What the relay signs with its own key: the time for devices without a clock, and a move. As on the wire,
and what a captured front can't do about it."""
import base64
import concurrent.futures
import hashlib
import json
import os
import secrets
import signal
import stat
import subprocess
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

import acme_client
import conftest
import testbed
from acme_client import Key, b64, unb64
from test_hostile_front import Store


def nonce():
    return b64(secrets.token_bytes(16))


def relay_meta(lab):
    """meta.latchkey of the directory, once it has the relay's key."""
    def there():
        client = conftest.new_client(lab)
        try:
            meta = client.directory()["meta"]["latchkey"]
            return meta if "relayKey" in meta else None
        finally:
            client.close()
    return testbed.wait_for(there, "relayKey", 10)


def public_key(jwk):
    x, y = (int.from_bytes(unb64(jwk[c]), "big") for c in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def verify(jwk, statement):
    """Header and payload of a statement that this key signed."""
    raw = unb64(statement["signature"])
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public_key(jwk).verify(der, f"{statement['protected']}.{statement['payload']}".encode(),
                           ec.ECDSA(hashes.SHA256()))
    return json.loads(unb64(statement["protected"])), json.loads(unb64(statement["payload"]))


def operator(lab, *arguments, status=0):
    done = subprocess.run([conftest.program("latchkey-relay"), "--config", lab.config_file, *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.returncode == status, (arguments, done)
    return done.stdout + done.stderr


def test_key_is_the_issuers_and_stays(lab):
    meta = relay_meta(lab)
    path = os.path.join(lab.store, "relay-key.pem")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    spki = public_key(meta["relayKey"]).public_bytes(serialization.Encoding.DER,
                                                     serialization.PublicFormat.SubjectPublicKeyInfo)
    pin = b64(hashlib.sha256(spki).digest())
    assert operator(lab, "key").strip() == f"{lab.directory}#{pin}"
    lab.restart("issuer")
    lab.restart("front")
    assert relay_meta(lab)["relayKey"] == meta["relayKey"]


def test_time_without_an_account(lab):
    meta = relay_meta(lab)
    client = conftest.new_client(lab)
    mine = nonce()
    response = client.post(meta["timeUrl"], {"nonce": mine}, use_jwk=True)
    assert response.status == 200, response
    assert response.headers.get_content_type() == "application/jose+json"
    header, payload = verify(meta["relayKey"], response.json())
    assert header == {"alg": "ES256", "typ": "latchkey-time+jws", "url": meta["timeUrl"]}
    assert payload["zone"] == lab.zone and mine in payload["nonces"] and len(payload) == 3
    assert abs(payload["time"] - time.time()) <= 3
    # And with an account.
    client.account()
    assert client.post(meta["timeUrl"], {"nonce": nonce()}).status == 200
    client.close()


@pytest.mark.parametrize("payload", [{}, {"nonce": ""}, {"nonce": "A" * 21}, {"nonce": "A" * 21 + "B"},
                                     {"nonce": 1}, {"nonce": "A" * 22, "more": 1}, ""])
def test_time_wants_a_nonce(lab, payload):
    client = conftest.new_client(lab)
    response = client.post(relay_meta(lab)["timeUrl"], payload, use_jwk=True)
    assert response.status == 400 and response.problem() == "malformed", response
    client.close()


def test_a_crowd_is_answered_in_batches(lab):
    """Who comes while the issuer is asked shares the next signature: each gets its own nonce signed."""
    meta = relay_meta(lab)
    count = 24
    clients = [conftest.new_client(lab) for _ in range(count)]
    for client in clients:
        client.nonces.append(client.nonce())  # connected, and with a nonce to ask with

    def ask(client):
        mine = nonce()
        response = client.post(meta["timeUrl"], {"nonce": mine}, use_jwk=True)
        assert response.status == 200, response
        _, payload = verify(meta["relayKey"], response.json())
        assert mine in payload["nonces"]
        return response.json()["signature"]

    issuer = lab.processes["issuer"].child
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        issuer.send_signal(signal.SIGSTOP)  # busy with something else
        try:
            asked = [pool.submit(ask, client) for client in clients]
            time.sleep(1.5)
        finally:
            issuer.send_signal(signal.SIGCONT)
        signatures = {answer.result() for answer in asked}
    for client in clients:
        client.close()
    assert len(signatures) <= 3, "one that was under way, and the rest together"


def test_one_key_may_not_ask_without_end(lab):
    client = conftest.new_client(lab)
    url = relay_meta(lab)["timeUrl"]
    for _ in range(40):
        response = client.post(url, {"nonce": nonce()}, use_jwk=True)
        if response.status != 200:
            break
    assert response.status == 429 and int(response.headers["Retry-After"]) >= 1
    client.close()


def test_no_time_without_the_issuer(make_lab):
    """front has no key of its own to answer with."""
    lab = make_lab()
    meta = relay_meta(lab)
    lab.processes["issuer"].stop()
    client = conftest.new_client(lab)
    response = client.post(meta["timeUrl"], {"nonce": nonce()}, use_jwk=True)
    assert response.status == 503 and "Retry-After" in response.headers, response
    # The key's file goes while the issuer is away: it makes no other one.
    os.remove(os.path.join(lab.store, "relay-key.pem"))
    lab.start_role("issuer")
    assert relay_meta(lab)["relayKey"] == meta["relayKey"]
    assert not os.path.exists(os.path.join(lab.store, "relay-key.pem"))
    assert "bring it back" in lab.processes["issuer"].log()
    client.close()


# --- a captured front ---

def test_a_captured_front_gets_the_present_time_only(lab):
    """What it writes as a request is no more than nonces: no time, zone, url or kind can be put in."""
    meta = relay_meta(lab)
    store = Store(lab)

    def answer(request):
        number = secrets.token_hex(16)
        store.insert(number, "time", "", request, "")
        time.sleep(0.6)
        rows = store._issuer("SELECT content FROM times WHERE number = ?", number)
        return json.loads(rows[0][0]) if rows else None

    mine = nonce()
    header, payload = verify(meta["relayKey"], answer([mine]))
    assert header["typ"] == "latchkey-time+jws" and header["url"] == meta["timeUrl"]
    assert payload["nonces"] == [mine] and abs(payload["time"] - time.time()) <= 3
    for request in ([], {}, {"nonces": [mine]}, [mine] * 257, ["x"], [mine, 1], "text",
                    [{"time": 1}], {"movedTo": "https://evil.example/acme/directory"},
                    [mine + '","time":1']):
        assert answer(request) is None, request
    lab.processes["issuer"].check()


def test_a_captured_front_can_not_announce_a_move(lab):
    """No kind of request makes one."""
    store = Store(lab)
    for kind in ("move", "movedTo", "announce", "key"):
        store.insert(secrets.token_hex(16), kind, "",
                     {"movedTo": "https://evil.example/acme/directory", "serial": 9}, "")
    time.sleep(1.5)
    assert "movedTo" not in relay_meta(lab)
    assert not store._issuer("SELECT 1 FROM announcements WHERE what = 'move'")
    lab.processes["issuer"].check()


# --- moves ---

def test_a_move_is_signed_and_can_be_taken_back(lab):
    meta = relay_meta(lab)
    pin = b64(hashlib.sha256(b"new").digest())
    target = "https://relay.new.example/acme/directory"
    assert "no move" in operator(lab, "move")
    for wrong in (["--to", "http://x/"], ["--to", target, "--relay-key", "short"], ["--to"], ["--stay", "x"], ["--relay-key", pin], ["--to", target, "--stay"]):
        operator(lab, "move", *wrong, status=2)
    operator(lab, "move", "--to", f"{target}#{pin}")

    def announced(serial):
        found = relay_meta(lab).get("movedTo")
        if found and verify(meta["relayKey"], found)[1]["serial"] == serial:
            return verify(meta["relayKey"], found)
        return None

    header, payload = testbed.wait_for(lambda: announced(1), "the move", 10)
    assert header == {"alg": "ES256", "typ": "latchkey-move+jws", "url": lab.directory}
    assert payload == {"movedTo": target, "from": lab.directory, "serial": 1, "relayKey": pin,
                       "issued": payload["issued"]}
    assert abs(payload["issued"] - time.time()) < 30
    lab.restart("issuer")
    lab.restart("front")
    assert announced(1)
    operator(lab, "move", "--stay")
    _, payload = testbed.wait_for(lambda: announced(2), "the end of the move", 10)
    assert payload["movedTo"] == payload["from"] == lab.directory
    assert "2 " in operator(lab, "move")


# --- copies ---

def publish(client, receipt, counter=[0]):
    counter[0] += 1
    payload = {"counter": int(time.time()) + counter[0], "addresses": ["10.0.0.1"], "receipt": receipt}
    response = client.post(client.directory()["meta"]["latchkey"]["addressesUrl"], payload)
    assert response.status == 200, response
    return response.json()


def test_two_devices_with_one_key(lab):
    client = conftest.new_client(lab)
    client.account()
    first = publish(client, "")
    assert first["matched"] and not first["cloned"] and len(first["receipt"]) == 22
    again = publish(client, first["receipt"])
    assert again["matched"]
    backup = publish(client, first["receipt"])  # its answer was lost, perhaps
    assert backup["matched"]
    two = publish(client, again["receipt"])
    assert not two["matched"] and not two["cloned"]
    three = publish(client, backup["receipt"])
    assert not three["matched"] and three["cloned"]
    assert "CLONED" in operator(lab, "list")
    assert "cloned    yes" in operator(lab, "show", client.key.id())
    lab.restart("front")
    client.close()
    client.nonces.clear()
    assert publish(client, three["receipt"])["cloned"]
    operator(lab, "settle", client.key.id())
    assert "cloned    no" in operator(lab, "show", client.key.id())
    settled = publish(client, "")
    assert not settled["matched"] and not settled["cloned"]
    assert client.post(client.directory()["meta"]["latchkey"]["addressesUrl"],
                       {"counter": int(time.time()) + 1000, "addresses": [], "receipt": "x"}).status == 400
    client.close()
