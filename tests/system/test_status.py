"""What each role tells those who watch it: /metrics and /healthz on loopback, judged by promtool."""
import http.client
import re
import shutil
import socket
import subprocess

import pytest

import acme_client
import testbed
from conftest import new_client

LAB = {"settings": {"issuer": {"budgets": "yes"}}}
LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"'
                  r'(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*")*\})? (\S+)$')


def get(lab, role, path, host=None, method="GET"):
    """(status, body) of PATH of the role's status listener."""
    address, port = lab.status_addresses[role].split(":")
    connection = http.client.HTTPConnection(address, int(port), timeout=10)
    try:
        connection.request(method, path, headers={"Host": host} if host else {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def metrics(lab, role):
    """The series of a role: {"name{labels}": value}. Each line must be well-formed, and of a family that was
    announced before."""
    status, text = get(lab, role, "/metrics")
    assert status == 200, text
    series, families = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = LINE.match(line)
            assert match, f"not a line of the text format: {line!r}"
            assert {match[1], re.sub("_(bucket|sum|count)$", "", match[1])} & families, line
            name = match[1] + (match[2] or "")
            assert name not in series, f"twice: {name}"
            series[name] = float(match[3])
    return series


@pytest.mark.parametrize("role", testbed.ROLES)
def test_promtool_accepts_the_text(lab, role):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (package prometheus)")
    _, text = get(lab, role, "/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    # Status 3: only remarks on style.
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", testbed.ROLES)
def test_roles_are_well_and_say_who_they_are(lab, role):
    testbed.wait_for(lambda: get(lab, role, "/healthz")[0] == 200, f"{role} is well")
    assert get(lab, role, "/healthz") == (200, "ok\n")
    series = metrics(lab, role)
    assert any(re.match(rf'latchkey_build_info\{{role="{role}",version="[^"]+"\}}', name) for name in series)
    assert series["process_resident_memory_bytes"] > 1 << 20
    assert series["process_open_fds"] > 3
    assert series["process_start_time_seconds"] > 1_700_000_000


@pytest.mark.parametrize("role", testbed.ROLES)
def test_other_names_and_methods_are_refused(lab, role):
    """DNS rebinding: a page elsewhere whose name leads to 127.0.0.1 comes with its own name."""
    assert get(lab, role, "/metrics", host="evil.example")[0] == 421
    assert get(lab, role, "/metrics", method="POST")[0] == 405
    assert get(lab, role, "/")[0] == 404


def test_dns_counts_by_type_and_rcode(lab):
    before = metrics(lab, "dns")
    name = f"192-168-1-51.{'a' * 32}.{lab.zone}"
    for _ in range(5):
        testbed.dns_query(lab.address, lab.dns_port, name, 1)
    testbed.dns_query(lab.address, lab.dns_port, f"no-such-host.{lab.zone}", 28)
    testbed.dns_query(lab.address, lab.dns_port, "elsewhere.example", 16)
    with socket.create_connection((lab.address, lab.dns_port), 5) as tcp:
        tcp.sendall(b"\0\x1d" + b"\0\1\0\0\0\1\0\0\0\0\0\0" + b"\3lab\4test\0\0\6\0\1" + b"\0\0\0")
        assert tcp.recv(2)
    after = metrics(lab, "dns")

    def grew(series):
        return after.get(series, 0) - before.get(series, 0)

    # The issuer asks too, but for TXT only.
    assert grew('latchkey_dns_queries_total{type="A",rcode="NOERROR"}') >= 5
    assert grew('latchkey_dns_queries_total{type="AAAA",rcode="NXDOMAIN"}') >= 1
    assert grew('latchkey_dns_queries_total{type="TXT",rcode="REFUSED"}') >= 1
    assert grew('latchkey_dns_answers_total{transport="udp"}') >= 7
    assert grew('latchkey_dns_answers_total{transport="tcp"}') >= 1
    assert after["latchkey_dns_store_read"] == 1


def test_an_issuance_is_seen_by_front_and_issuer(lab):
    client = new_client(lab)
    client.account()
    client.certificate()
    front, issuer = metrics(lab, "front"), metrics(lab, "issuer")
    assert front['latchkey_front_requests_total{resource="new-account",code="2xx"}'] >= 1
    assert front['latchkey_front_requests_total{resource="finalize",code="2xx"}'] >= 1
    assert front['latchkey_front_request_duration_seconds_count{resource="finalize"}'] >= 1
    assert front["latchkey_front_connections"] >= 0
    assert issuer[f'latchkey_issuer_orders_total{{verdict="admitted",zone="{lab.zone}"}}'] >= 1
    assert issuer[f'latchkey_issuer_issuances_total{{result="valid",zone="{lab.zone}"}}'] >= 1
    for step in ("new-order", "authorize", "propagation", "challenge", "finalize", "download"):
        assert issuer[f'latchkey_ca_step_duration_seconds_count{{step="{step}"}}'] >= 1, step
    assert issuer["latchkey_issuer_issuance_duration_seconds_count"] >= 1
    assert issuer[f'latchkey_ca_ready{{zone="{lab.zone}"}}'] == 1
    size = issuer[f'latchkey_ca_budget_size{{budget="certificates",zone="{lab.zone}"}}']
    assert 0 <= issuer[f'latchkey_ca_budget_left{{budget="certificates",zone="{lab.zone}"}}'] < size


def test_a_problem_is_counted_by_its_type(lab):
    name = 'latchkey_front_problems_total{type="malformed"}'
    before = metrics(lab, "front")[name]
    status, _ = testbed.https_get(lab.address, lab.front_port, "/nothing", lab.ca.ca_file)
    assert status == 404
    assert metrics(lab, "front")[name] == before + 1


def test_front_without_a_store_to_read_says_so(make_lab):
    lab = make_lab()
    testbed.wait_for(lambda: get(lab, "front", "/healthz")[0] == 200, "front is well")
    lab.processes["front"].stop()
    lab.processes["issuer"].stop()
    for end in ("", "-wal", "-shm"):
        shutil.move(f"{lab.store}/issuer.db{end}", f"{lab.folder}/moved{end}") \
            if shutil.os.path.exists(f"{lab.store}/issuer.db{end}") else None
    lab.processes["front"].start()
    testbed.wait_for(lambda: get(lab, "front", "/healthz")[0] == 503, "front says that it is not well")
    assert "issuer.db" in get(lab, "front", "/healthz")[1]


def test_a_port_that_is_taken_stops_nothing(make_lab):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lab = make_lab(settings={"front": {"status_listen": address}, "dns": {"status_listen": "none"}})
        new_client(lab).account()
    assert f"[front] status_listen = '{address}': Address already in use" in lab.processes["front"].log()
