"""A CA that answers wrong, through the whole relay: either the device has its certificate after the fault,
or it is told the right problem; nothing is published that nobody asked for."""
import email.utils
import json
import os
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest

import acme_client
import conftest
import proxied_lab
import testbed
from fault_proxy import Rule, replace_body, replace_text, reset, respond
from test_kill import Device

NEW_ORDER, AUTHZ, CHALLENGE = "^/order-plz", "^/authZ/", "^/chalZ/"
FINALIZE, CERT, ORDER, NONCE = "^/finalize-order/", "^/certZ/", "^/my-order/", "^/nonce-plz"
RATE_LIMITED = json.dumps({"type": "urn:ietf:params:acme:error:rateLimited",
                           "detail": "too many\r\n\x1b[31mcertificates\x07 \u2028already", "status": 429})
PROBLEM = {"Content_Type": "application/problem+json"}


@pytest.fixture(scope="module")
def lab(request, tmp_path_factory):
    conftest.need("pebble", "openssl")
    bed = proxied_lab.ProxiedLab(tmp_path_factory.mktemp("lab"), conftest.BIN)
    request.module._labs = [bed]
    bed.start()
    yield bed
    conftest.check_stopped(bed.stop(), bed.folder)


@pytest.fixture
def faults(lab):
    """faults(rules...); afterwards the CA is well, and the issuer has forgotten its trouble."""
    yield lab.proxy.set_rules
    lab.proxy.set_rules()
    lab.restart("issuer")


def gets(lab, seconds=60):
    """A new device gets its certificate, once."""
    client = conftest.new_client(lab)
    client.timeout = seconds + 60
    chain = client.certificate(seconds=seconds)
    conftest.verify_chain(lab, chain, f"10-0-0-1.{client.name()}")
    assert issued(lab, client) == 1
    return client, chain


def is_told(lab, seconds=100):
    """A new device gets no certificate: the problem in its order."""
    client = conftest.new_client(lab)
    client.timeout = seconds + 60
    with pytest.raises(acme_client.Refused) as caught:
        client.certificate(seconds=seconds)
    order = caught.value.response.json()
    assert issued(lab, client) == 0
    problem = order.get("error", order)
    return client, problem["type"].rpartition(":")[2], problem["detail"]


def rows(lab, sql, *values):
    connection = sqlite3.connect(f"file:{os.path.join(lab.store, 'issuer.db')}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def issued(lab, client):
    return rows(lab, "SELECT count(*) FROM certificates WHERE id = ?", client.key.id())[0][0]


# What passes: the device sees nothing but a wait. ------------------------------------------------

def in_json(**changes):
    """Edits the JSON object of an answer; None takes a member away."""
    def edit(answer):
        value = json.loads(answer.body)
        value.update(changes)
        answer.body = json.dumps({k: v for k, v in value.items() if v is not None}).encode()
    return edit


def without(*names):
    def edit(answer):
        for name in names:
            answer.set_header(name)
    return edit


def two_nonces(answer):
    first = dict(answer.headers)["Replay-Nonce"]
    answer.set_header("Replay-Nonce", "AAAAAAAAAAAAAAAAAAAAAA", first)


def lower_case(answer):
    answer.headers = [(name.lower(), value) for name, value in answer.headers]


def odd_pem(answer):
    text = answer.body.decode().replace("\n", "\r\n")
    answer.body = ("a word before\r\n" + text.replace("-----BEGIN", "between\r\n-----BEGIN")).encode()


def many_alternates(answer):
    path = "/certZ/none"
    answer.headers += [("Link", f'<{path}/{number}>;rel="alternate"') for number in range(50)]


def date_in(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


PASSING = {
    # P1: short waits are kept to.
    "429 with Retry-After 3": lambda: [Rule(NEW_ORDER, 1, respond(429, RATE_LIMITED, Retry_After="3", **PROBLEM))],
    "429 with a date": lambda: [Rule(NEW_ORDER, 1, respond(429, RATE_LIMITED, Retry_After=date_in(4), **PROBLEM))],
    # P2: HTML is never read as JSON.
    "503 newOrder": lambda: [Rule(NEW_ORDER, 1, respond(503, "<html>busy", Retry_After="2"))],
    "503 newNonce": lambda: [Rule(NONCE, 1, respond(503, "<html>busy", Retry_After="1"))],
    "500 authorization": lambda: [Rule(AUTHZ, 1, respond(500, "<html>"))],
    # P3: the request or the answer is lost.
    "reset before newOrder": lambda: [Rule(NEW_ORDER, 1, before=reset)],
    "reset after newOrder": lambda: [Rule(NEW_ORDER, 1, after=reset)],
    "reset before the challenge": lambda: [Rule(CHALLENGE, 1, before=reset)],
    "reset after the challenge": lambda: [Rule(CHALLENGE, 1, after=reset)],
    "reset before finalize": lambda: [Rule(FINALIZE, 1, before=reset)],
    "reset after finalize": lambda: [Rule(FINALIZE, 1, after=reset)],
    "reset after the chain": lambda: [Rule(CERT, 1, after=reset)],
    # P4: nonsense, once.
    "truncated JSON": lambda: [Rule(NEW_ORDER, 1, edit=lambda answer: replace_body(answer.body[:40])(answer))],
    "an empty body": lambda: [Rule(NEW_ORDER, 1, edit=replace_body(b""))],
    "two MiB": lambda: [Rule(ORDER, 1, edit=replace_body(b'{"a":"' + b"x" * (2 << 20) + b'"}'))],
    "deep nesting": lambda: [Rule(NEW_ORDER, 1, edit=replace_body(b"[" * 100000))],
    "NUL": lambda: [Rule(NEW_ORDER, 1, edit=replace_body(b'{"status":"pend\0ing"}'))],
    "no UTF-8": lambda: [Rule(NEW_ORDER, 1, edit=replace_body(b'{"status":"\xff\xfe"}'))],
    "a member twice": lambda: [Rule(NEW_ORDER, 1, edit=replace_text(r"^\{", '{"status":"ready",'))],
    # P5, P6: headers.
    "no nonce": lambda: [Rule(NEW_ORDER, edit=without("Replay-Nonce"))],
    "two nonces": lambda: [Rule(NEW_ORDER, edit=two_nonces)],
    "lower-case headers": lambda: [Rule(".", edit=lower_case)],
    "no Location on newOrder": lambda: [Rule(NEW_ORDER, 1, edit=without("Location"))],
    "no Location on finalize": lambda: [Rule(FINALIZE, edit=without("Location"))],
    # P10, P11: an answer about something else, once.
    "another identifier": lambda: [Rule(NEW_ORDER, 1, edit=in_json(
        identifiers=[{"type": "dns", "value": "bank.example"}]))],
    "an authorization elsewhere": lambda: [Rule(NEW_ORDER, 1, edit=in_json(
        authorizations=["https://elsewhere.example/authz"]))],
    "finalize by http": lambda: [Rule(NEW_ORDER, 1, edit=replace_text(r'"finalize": "https:', '"finalize": "http:'))],
    # P15
    "odd PEM": lambda: [Rule(CERT, edit=odd_pem)],
    "fifty alternates": lambda: [Rule(r"^/certZ/\w+$", 1, edit=many_alternates)],
}


@pytest.mark.parametrize("fault", PASSING)
def test_passes(lab, faults, fault):
    before = conftest.ca_orders(lab)
    faults(*PASSING[fault]())
    gets(lab)
    assert conftest.ca_orders(lab) - before <= 3
    assert lab.processes["issuer"].running()


# What does not pass: the device is told. ----------------------------------------------------------

def published(lab):
    return rows(lab, "SELECT name, value FROM challenges")


def test_a_long_limit_stops_new_names(lab, faults):
    """P1: clamped to a day; sanitised; new devices are told when, and renewals are not in this line."""
    faults(Rule(NEW_ORDER, 0, respond(429, RATE_LIMITED, Retry_After="99999999", **PROBLEM)))
    _, problem, detail = is_told(lab)
    assert problem == "rateLimited"
    assert not any(ord(c) < 32 or c == "\u2028" for c in detail), repr(detail)
    client = conftest.new_client(lab)
    client.account()
    response = client.post(client.directory()["newOrder"],
                           {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})
    assert response.status == 429 and 86000 < int(response.headers["Retry-After"]) <= 86400
    assert lab.proxy.count(NEW_ORDER) == 1
    done = subprocess.run([os.path.join(conftest.BIN, "latchkey-relay"), "--config", lab.config_file, "ca",
                           "--json"], stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(done.stdout)["state"] == "limited"


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects_are_not_followed(lab, faults, status):
    """P7"""
    faults(Rule(NEW_ORDER, 0, respond(status, Location="/elsewhere")))
    _, problem, _ = is_told(lab)
    assert problem == "serverInternal"
    assert lab.proxy.count("^/elsewhere") == 0


def other_name(answer):
    value = json.loads(answer.body)
    value["identifier"]["value"] = "bank.example"
    answer.body = json.dumps(value).encode()


def with_token(token):
    return replace_text(r'"token": *"[^"]*"', f'"token": "{token}"')


@pytest.mark.parametrize("name,edit", [
    ("an authorization for another name", other_name),
    ("a token that climbs", with_token("../../etc/passwd")),
    ("a token of 10 kB", with_token("a" * 10000)),
    ("challenges of no known type", replace_text('"dns-01"', '"smoke-01"')),
    ("challenges without a token", replace_text(r'"token": *"[^"]*",?', "")),
])
def test_authorizations_that_make_no_sense(lab, faults, name, edit):
    """P10, P11: refused, and nothing of it is in the DNS."""
    faults(Rule(AUTHZ, 0, edit=edit))
    known = set(published(lab))
    _, problem, _ = is_told(lab)
    assert problem == "serverInternal"
    assert set(published(lab)) - known == set()


def test_a_chain_for_somebody_else(lab, faults):
    """The certificate of another device in the place of this one's is never handed out."""
    _, other = gets(lab)
    faults(Rule(CERT, 0, edit=replace_body(other.encode())))
    _, problem, _ = is_told(lab)
    assert problem == "serverInternal"


# TLS (P14) ----------------------------------------------------------------------------------------

def test_a_ca_that_is_not_the_one(lab):
    """A wrong name, an unknown issuer, an expired certificate, TLS 1.1: nothing is sent to it."""
    good = [os.path.join(lab.folder, f"proxy.{end}") for end in ("pem", "key")]
    key, pem = lab.ca.issue("wrong-name", ["elsewhere.test"], [])
    strange = testbed.Authority(os.path.join(lab.folder, "strange"))
    os.makedirs(strange.folder, exist_ok=True)
    strange.make()
    strange_key, strange_pem = strange.issue("proxy", ["localhost"], ["127.0.0.1"])
    cases = [(pem, key, None), (strange_pem, strange_key, None),
             (good[0], good[1], ssl.TLSVersion.TLSv1_1)]
    try:
        for case in cases:
            lab.proxy.use_certificate(*case)
            lab.proxy.set_rules()
            lab.restart("issuer")
            client = conftest.new_client(lab)
            client.account()
            response = client.post(client.directory()["newOrder"],
                                   {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})
            if response.status == 201:
                ca_log = lab.processes["issuer"].log
                testbed.wait_for(lambda: "no response from" in ca_log(), "a complaint")
            assert lab.proxy.count(".") == 0, case
    finally:
        lab.proxy.use_certificate(*good)
        lab.restart("issuer")
    gets(lab)


def test_a_ca_that_is_away(lab, faults):
    """Every connection is cut: devices are told, keep asking, and are served when the CA is back; once each."""
    faults(Rule(".", before=reset))
    device = Device(lab)
    chains = []
    worker = threading.Thread(target=lambda: chains.append(device.run(time.monotonic() + 300)))
    worker.start()
    testbed.wait_for(lambda: lab.proxy.count(".") > 3, "tries", 60)
    faults()
    worker.join()
    assert len(chains) == 1 and issued(lab, device.client) == 1


def test_one_byte_a_second(lab, faults):
    """P8: a request ends after 45 s, and others are served meanwhile."""
    faults(Rule(ORDER, 1, after=lambda handler, answer: handler.send_slowly(answer)))
    client = conftest.new_client(lab)
    client.account()
    names = [f"*.{client.name()}"]
    order_url, order = client.order(names)
    client.timeout = 120
    response = client.post(order["finalize"], {"csr": acme_client.b64(
        acme_client.csr(names, acme_client.Key()))})
    gets(lab)
    until = time.monotonic() + 100
    while response.json()["status"] == "processing":
        assert time.monotonic() < until
        time.sleep(0.5)
        response = client.post(order_url)
    assert response.json()["status"] == "valid", response
