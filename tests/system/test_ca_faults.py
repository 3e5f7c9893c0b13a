"""A CA that answers wrong, through the whole relay: either the device has its certificate after the fault,
or it is told the right problem; nothing is published that nobody asked for."""
import concurrent.futures
import contextlib
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
from fault_proxy import BlackHole, Rule, replace_body, replace_text, reset, respond
from test_kill import Device

NEW_ORDER, AUTHZ, CHALLENGE = "^/order-plz", "^/authZ/", "^/chalZ/"
FINALIZE, CERT, ORDER, NONCE = "^/finalize-order/", "^/certZ/", "^/my-order/", "^/nonce-plz"
RATE_LIMITED = json.dumps({"type": "urn:ietf:params:acme:error:rateLimited",
                           "detail": "too many\r\n\x1b[31mcertificates\x07 \u2028already", "status": 429})
PROBLEM = {"Content_Type": "application/problem+json"}


_labs = []
SLOW = {}


def slow(scenario):
    """What waits for the relay's own deadlines goes on beside the other tests, one scenario after the other, with a
    relay and a CA of its own."""
    SLOW[scenario.__name__] = scenario
    return scenario


@pytest.fixture(scope="module", autouse=True)
def slow_results(tmp_path_factory):
    """The scenarios' futures."""
    conftest.need("pebble", "openssl", "ss")
    bed = proxied_lab.ProxiedLab(tmp_path_factory.mktemp("slow"), conftest.BIN)
    _labs.append(bed)
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        beside.submit(bed.start)
        yield {name: beside.submit(scenario, bed) for name, scenario in SLOW.items()}
        beside.shutdown(cancel_futures=True)
    conftest.check_stopped(bed.stop(), bed.folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    conftest.need("pebble", "openssl")
    bed = proxied_lab.ProxiedLab(tmp_path_factory.mktemp("lab"), conftest.BIN)
    _labs.append(bed)
    bed.start()
    yield bed
    conftest.check_stopped(bed.stop(), bed.folder)


@pytest.fixture
def faults(lab):
    """faults(rules...); afterwards the CA is well, and the issuer has forgotten its trouble, if it had any."""
    yield lab.proxy.set_rules
    lab.proxy.set_rules()
    if ca_state(lab) != "ready":
        lab.restart("issuer")


def ca_state(lab):
    done = subprocess.run([os.path.join(conftest.BIN, "latchkey-relay"), "--config", lab.config_file, "ca",
                           "--json"], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)["state"]


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


def more_identifiers(answer):
    value = json.loads(answer.body)
    value["identifiers"].append({"type": "dns", "value": "bank.example"})
    answer.body = json.dumps(value).encode()


def odd_pem(answer):
    text = answer.body.decode().replace("\n", "\r\n")
    answer.body = ("a word before\r\n" + text.replace("-----BEGIN", "between\r\n-----BEGIN")).encode()


def many_alternates(answer):
    path = "/certZ/none"
    answer.headers += [("Link", f'<{path}/{number}>;rel="alternate"') for number in range(50)]


def alternate_loop(answer):
    answer.headers += [("Link", f'<{answer.path}>;rel="alternate"')]


def date_in(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


PASSING = {
    # P1: short waits are kept to.
    "429 with Retry-After 3": lambda: [Rule(NEW_ORDER, 1, respond(429, RATE_LIMITED, Retry_After="3", **PROBLEM))],
    "429 with a date": lambda: [Rule(NEW_ORDER, 1, respond(429, RATE_LIMITED, Retry_After=date_in(4), **PROBLEM))],
    "429 with a time below 0": lambda: [Rule(NEW_ORDER, 1, respond(429, RATE_LIMITED, Retry_After="-5", **PROBLEM))],
    # P2: HTML is never read as JSON.
    "503 newOrder": lambda: [Rule(NEW_ORDER, 1, respond(503, "<html>busy", Retry_After="2"))],
    "503 newNonce": lambda: [Rule(NONCE, 1, respond(503, "<html>busy", Retry_After="1"))],
    "500 authorization": lambda: [Rule(AUTHZ, 1, respond(500, "<html>"))],
    "503 directory": lambda: [Rule("^/dir", 1, respond(503, "<html>busy", Retry_After="1"))],
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
    "one identifier more": lambda: [Rule(NEW_ORDER, 1, edit=more_identifiers)],
    "finalize by http": lambda: [Rule(NEW_ORDER, 1, edit=replace_text(r'"finalize": "https:', '"finalize": "http:'))],
    # P9: an order that says something else for once.
    "an order that has expired": lambda: [Rule(NEW_ORDER, 1, edit=in_json(expires="2020-01-01T00:00:00Z"))],
    "an order of no known status": lambda: [Rule(NEW_ORDER, 1, edit=in_json(status="odd"))],
    "an order that goes back": lambda: [Rule(FINALIZE, 1, edit=in_json(status="pending"))],
    # P12
    "a challenge at work": lambda: [Rule(CHALLENGE, 1, edit=in_json(status="processing"))],
    # P15
    "odd PEM": lambda: [Rule(CERT, edit=odd_pem)],
    "fifty alternates": lambda: [Rule(r"^/certZ/\w+$", 1, edit=many_alternates)],
    "an alternate that leads to itself": lambda: [Rule(CERT, edit=alternate_loop)],
}


@pytest.mark.parametrize("fault", PASSING)
def test_passes(lab, faults, fault):
    before = conftest.ca_orders(lab)
    rules = PASSING[fault]()
    faults(*rules)
    if fault in ("503 newNonce", "503 directory"):
        lab.restart("issuer")  # it has a stock of nonces, and the directory
    gets(lab)
    assert all(rule.count >= rule.nth for rule in rules), "the fault was not met"
    assert conftest.ca_orders(lab) - before <= 3
    assert lab.proxy.count(CERT) <= 10
    assert lab.processes["issuer"].running()


# What does not pass: the device is told. ----------------------------------------------------------

def published(lab):
    return rows(lab, "SELECT name, value FROM challenges")


def new_order(lab):
    """The response to a new device's order."""
    client = conftest.new_client(lab)
    client.account()
    return client.post(client.directory()["newOrder"],
                       {"identifiers": [{"type": "dns", "value": f"*.{client.name()}"}]})


def test_a_long_limit_stops_new_names(lab, faults):
    """P1: clamped to a day; sanitised; new devices are told when, and renewals are not in this line."""
    faults(Rule(NEW_ORDER, 0, respond(429, RATE_LIMITED, Retry_After="99999999", **PROBLEM)))
    _, problem, detail = is_told(lab)
    assert problem == "rateLimited"
    assert not any(ord(c) < 32 or c == "\u2028" for c in detail), repr(detail)
    response = new_order(lab)
    assert response.status == 429 and 86000 < int(response.headers["Retry-After"]) <= 86400
    assert lab.proxy.count(NEW_ORDER) == 1
    assert ca_state(lab) == "limited"


def test_a_limit_of_no_known_length(lab, faults):
    """P1: no Retry-After, or nonsense in it, is a minute, in which nothing is asked."""
    def limit(**headers):
        faults(Rule(NEW_ORDER, 0, respond(429, RATE_LIMITED, **headers, **PROBLEM)))

    def check():
        testbed.wait_for(lambda: lab.proxy.count(NEW_ORDER) == 1 and ca_state(lab) == "limited", "the limit")
        response = new_order(lab)
        assert response.status == 429 and 0 < int(response.headers["Retry-After"]) <= 60
        assert lab.proxy.count(NEW_ORDER) == 1

    limit()
    with device_under_way(lab):
        check()
        limit(Retry_After="soon")
        lab.restart("issuer")
        check()
        faults()
        lab.restart("issuer")


@pytest.mark.parametrize("path, status", [(NEW_ORDER, 301), (NEW_ORDER, 302), (NEW_ORDER, 307), ("^/dir", 302)])
def test_redirects_are_not_followed(lab, faults, path, status):
    """P7"""
    faults(Rule(path, 0, respond(status, Location="/elsewhere")))
    if path == "^/dir":
        lab.restart("issuer")
    _, problem, _ = is_told(lab)
    assert problem == "serverInternal"
    assert lab.proxy.count("^/elsewhere") == 0


@pytest.mark.parametrize("rule", [
    lambda: Rule(FINALIZE, 0, edit=in_json(status="pending")),
    lambda: Rule(f"{FINALIZE}|{ORDER}", 0, edit=in_json(status="odd")),
], ids=["goes back", "no known status"])
def test_an_order_without_end(lab, faults, rule):
    """P9: an order that never gets on is given up after a few tries."""
    before = conftest.ca_orders(lab)
    faults(rule())
    _, problem, _ = is_told(lab)
    assert problem == "serverInternal"
    assert conftest.ca_orders(lab) - before <= 4


def test_subproblems(lab, faults):
    """P13: what is said of one name is passed on, in letters that harm no terminal."""
    urn = "urn:ietf:params:acme:error:"
    faults(Rule(NEW_ORDER, 0, respond(400, json.dumps({
        "type": urn + "rejectedIdentifier", "status": 400, "detail": "no\u009b31m",
        "subproblems": [{"type": urn + "rejectedIdentifier", "detail": "\u00e4\x1b[31m\nred"}] * 20}), **PROBLEM)))
    _, problem, detail = is_told(lab)
    assert problem == "rejectedIdentifier"
    assert all(32 <= ord(c) < 127 for c in detail), repr(detail)


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
    old_key, old_pem = lab.ca.issue("old", ["localhost"], ["127.0.0.1"], days=-1)

    def complaints():
        return lab.processes["issuer"].log().count("no response from")

    cases = [(pem, key, None), (old_pem, old_key, None), (strange_pem, strange_key, None),
             (good[0], good[1], ssl.TLSVersion.TLSv1_1)]
    try:
        for case in cases:
            lab.proxy.use_certificate(*case)
            lab.proxy.set_rules()
            before, connections = complaints(), lab.proxy.connections
            lab.restart("issuer")
            new_order(lab)
            testbed.wait_for(lambda: complaints() > before or lab.proxy.connections > connections + 1,
                             "a complaint, or another try", 30)
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


# What takes as long as the relay's deadlines (P8, P9) ----------------------------------------------

@contextlib.contextmanager
def device_under_way(lab):
    """A device that wants its certificate; at the end it has it, once."""
    device = Device(lab)
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        chain = beside.submit(device.run, time.monotonic() + 150)
        yield
        conftest.verify_chain(lab, chain.result(), f"10-0-0-1.{device.client.name()}")
    assert issued(lab, device.client) == 1


def check_others(lab):
    """Who needs nothing of the CA is served."""
    client = conftest.new_client(lab)
    client.timeout = 5
    client.account()
    _, order = client.order([f"*.{client.name()}"])
    assert order["status"] == "ready"
    assert testbed.dns_query(lab.address, lab.dns_port, f"10-1-2-3.{'a' * 32}.{lab.zone}", 1)[2] == ["10.1.2.3"]


@slow
def black_hole(lab):
    """P8: connections to the CA are never answered. Each is given up, and when the CA is back the device is served."""
    lab.proxy.set_rules(Rule(".", before=reset))  # until nothing gets through any more
    with device_under_way(lab), lab.proxy.black_hole():
        lab.proxy.set_rules()
        lab.restart("issuer")
        begun = set()

        def are_several():
            waiting = conftest.run(["ss", "-tnH", "state", "syn-sent", "dport", f"= :{lab.proxy_port}"]).stdout
            begun.update(line.split()[2] for line in waiting.splitlines())
            return len(begun) > 1

        check_others(lab)
        testbed.wait_for(are_several, "a connection given up, and another", 40, 0.2)
        check_others(lab)


def turned_away():
    """How many connections have found a full queue on this machine."""
    with open("/proc/net/netstat") as file:
        names, values = [line.split() for line in file if line.startswith("TcpExt:")]
    return int(values[names.index("ListenOverflows")])


@slow
def no_way_by_ipv6(lab):
    """P8: the CA has an IPv6 address too, to which there is no way: IPv4 is taken."""
    conftest.need_root()
    issuer, hosts = lab.processes["issuer"], os.path.join(lab.folder, "hosts")
    with open(hosts, "w") as file:
        file.write("::1 localhost\n127.0.0.1 localhost\n")
    try:
        hole = BlackHole("::1", lab.proxy_port)
    except OSError:
        hole = None  # without IPv6 there is no way either
    free, before = issuer.command, turned_away()
    issuer.command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, *free]
    try:
        lab.restart("issuer")
        gets(lab)
        assert hole is None or turned_away() > before, "IPv6 was not tried"
    finally:
        issuer.command = free
        if hole is not None:
            hole.close()


@slow
def one_byte_a_second(lab):
    """P8: a request ends after 45 s, and others are served meanwhile."""
    lab.proxy.set_rules(Rule(ORDER, 1, after=lambda handler, answer: handler.send_slowly(answer)))
    with device_under_way(lab):
        testbed.wait_for(lambda: lab.proxy.count(ORDER) > 0, "a poll of the order", 30)
        gets(lab)


@slow
def stuck_order(lab):
    """P9: an order that stays `processing` is asked for again and again, not all the time, and holds nobody up."""
    stuck = []

    def keep(answer):
        order = json.loads(answer.body)
        stuck.append(order["finalize"])
        if order["finalize"] == stuck[0] and order["status"] == "valid":
            in_json(status="processing", certificate=None)(answer)

    lab.proxy.set_rules(Rule(f"{FINALIZE}|{ORDER}", edit=keep))
    with device_under_way(lab):
        testbed.wait_for(lambda: len(stuck) > 10, "ten looks at it", 60)
        gets(lab)
        asked = stuck.count(stuck[0])
        lab.proxy.set_rules()
    assert asked < 60


@pytest.mark.parametrize("scenario", SLOW)
def test_slow(slow_results, scenario):
    slow_results[scenario].result(300)
