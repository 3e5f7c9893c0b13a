"""SIGHUP: every role reads its configuration again. What is wrong changes nothing, what can change does at once, what
can't is named; and no connection, no held request and no query is lost by it."""
import os
import pathlib
import re
import signal
import socket
import struct
import threading

import pytest

import acme_client
import conftest
import testbed
from test_zones import FIRST, SECOND, SecondZone, relay

ROLES = ("dns", "front", "issuer")


@pytest.fixture
def reloading(make_lab):
    return make_lab(zone=FIRST)


def log_size(lab, role):
    return len(lab.processes[role].log())


def reload(lab, role, pattern, **settings):
    """Writes SETTINGS, sends SIGHUP to ROLE and waits for PATTERN in what it logs then."""
    for section, keys in settings.items():
        lab.settings.setdefault(section, {}).update(keys)
    lab.write_config()
    process, before = lab.processes[role], log_size(lab, role)
    process.child.send_signal(signal.SIGHUP)

    def said():
        process.check()
        return re.search(pattern, process.log()[before:])
    testbed.wait_for(said, f"'{pattern}' in {role}'s log", 20)
    return process.log()[before:]


def is_address(lab, name):
    return testbed.dns_query(lab.address, lab.dns_port, name, 1)[2]


@pytest.mark.parametrize("role", ROLES)
def test_a_wrong_file_changes_nothing(reloading, role):
    lab = reloading
    said = reload(lab, role, "everything stays as it was", relay={"lgo": "debug"}, front={"enrolment": "nobody"})
    lines = open(lab.config_file).read().splitlines()
    for line, key in (("lgo = debug", "lgo"), ("enrolment = nobody", "enrolment")):
        assert re.search(rf"{re.escape(lab.config_file)}:{lines.index(line) + 1}: .*{key}", said), said
    client = conftest.new_client(lab)
    client.certificate()
    client.close()
    said = reload(lab, role, "is read again", relay={"lgo": None}, front={"enrolment": "open"})
    assert "error" not in said, said


def test_what_needs_a_restart_is_named(reloading):
    lab = reloading
    other = testbed.free_port(lab.address, set())
    said = reload(lab, "dns", "is read again", dns={"listen": f"{lab.address}:{other}"}, relay={"log": "info"})
    assert "[dns] listen: a change needs a restart" in said, said
    assert is_address(lab, f"relay.{FIRST}") == [lab.address]
    said = reload(lab, "front", "is read again", front={"max_connections": "100"})
    assert "[front] max_connections: a change needs a restart" in said and "[dns]" not in said, said
    said = reload(lab, "issuer", "is read again", issuer={"contact": "mailto:a@example.com"})
    assert "[issuer] contact: a change needs a restart" in said, said


def test_what_changes_at_once(reloading):
    lab = reloading
    records = pathlib.Path(lab.folder) / "records"  # where the configuration is: a confined role reads no new folder
    records.write_text("note 60 IN TXT \"first\"\n")
    dns = {"hosts": f"relay={lab.address} box=192.0.2.9", "records_file": str(records)}
    reload(lab, "dns", "is read again", dns=dns)
    # Its threads go on with what they had until it is taken.
    testbed.wait_for(lambda: is_address(lab, f"box.{FIRST}") == ["192.0.2.9"], "the new host")
    assert testbed.dns_query(lab.address, lab.dns_port, f"note.{FIRST}", 16)[2] == [b"first"]
    # Records that are wrong leave the zone as it is.
    records.write_text("note 60 IN NOTYPE \"x\"\n")
    said = reload(lab, "dns", "is served as before", dns={"hosts": f"relay={lab.address}"})
    assert "can't be made" in said and is_address(lab, f"box.{FIRST}") == ["192.0.2.9"]
    # Enrolment by token, in front and issuer.
    for role in ("front", "issuer"):
        reload(lab, role, "is read again", front={"enrolment": "token"}, dns={"records_file": ""})
    client = conftest.new_client(lab)
    refused = client.post(client.directory()["newAccount"], {"termsOfServiceAgreed": True}, use_jwk=True)
    assert refused.problem() == "externalAccountRequired"
    kid, _, key = relay(lab, "token", "add").strip().partition(":")
    client.account(externalAccountBinding=client.eab(kid, acme_client.unb64(key)))
    client.certificate()
    # A new base URL, the old one as an alias of it.
    for role in ("front", "issuer"):
        reload(lab, role, "is read again",
               relay={"base_url": f"{lab.base_url}/new", "base_url_aliases": lab.base_url})
    client.certificate()
    new = acme_client.Client(f"{lab.base_url}/new/acme/directory", lab.ca.ca_file, client.key)
    new.kid = client.kid
    new.certificate()
    assert new.directory()["newOrder"].startswith(f"{lab.base_url}/new/")
    client.close()
    new.close()


def test_a_zone_comes_and_goes(reloading):
    lab = reloading
    second = SecondZone(lab)
    second.write_config(front={"enrolment": "open"})
    for role in ROLES:
        reload(lab, role, "is read again", relay={"zone_files": second.config_file})
    first = conftest.new_client(lab)
    client = acme_client.Client(second.directory, lab.ca.ca_file)
    pem = client.certificate()
    conftest.verify_chain(lab, pem, f"x.{client.name()}")
    first.certificate()
    for role in ROLES:
        reload(lab, role, f"'{SECOND}'", relay={"zone_files": None})
    assert testbed.dns_query(lab.address, lab.dns_port, f"relay.{SECOND}", 1)[0] == 5
    assert client.post(client.kid).status == 404
    first.certificate()
    # And back, with what it was.
    for role in ROLES:
        reload(lab, role, "is read again", relay={"zone_files": second.config_file})
    assert client.post(client.kid).status == 200
    client.certificate()
    for each in (client, first):
        each.close()


class Load:
    """Threads that each repeat one thing and stop at its first failure."""

    def __init__(self):
        self.stopping, self.counts, self.failures, self.threads = False, {}, [], []

    def add(self, name, once):
        def turn():
            while not self.stopping:
                try:
                    once()
                    self.counts[name] = self.counts.get(name, 0) + 1
                except Exception as error:  # pylint: disable=broad-except
                    self.failures.append(f"{name} after {self.counts.get(name, 0)}: {error!r}")
                    return
        self.counts[name] = 0
        thread = threading.Thread(target=turn)
        self.threads.append(thread)
        thread.start()

    def wait(self, least):
        """Until each thing was done LEAST times more."""
        goal = {name: count + least for name, count in self.counts.items()}
        testbed.wait_for(lambda: self.failures or all(self.counts[name] >= goal[name] for name in goal),
                         f"the load: {self.counts}", 120)

    def end(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


def udp_query(lab):
    rcode, _, found = testbed.dns_query(lab.address, lab.dns_port, f"127-0-0-1.{'a' * 32}.{FIRST}", 1, 10)
    assert (rcode, found) == (0, ["127.0.0.1"])


class TcpQueries:
    """Queries over one TCP connection, which must never end."""

    def __init__(self, lab):
        self.socket = socket.create_connection((lab.address, lab.dns_port), 20)
        name = f"127-0-0-1.{'b' * 32}.{FIRST}"
        question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
        message = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + question
        self.message = struct.pack(">H", len(message)) + message

    def once(self):
        self.socket.sendall(self.message)
        size = struct.unpack(">H", self.read(2))[0]
        answer = self.read(size)
        assert answer[3] & 15 == 0 and answer[7] == 1

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, "the connection ended"
            data += more
        return data


class OneConnection(acme_client.Client):
    """A client whose connection may be made once."""

    def request(self, method, url, body=None, headers=None):
        if self.connection is not None:
            assert self.connection.sock is not None, "the connection was closed"
        response = super().request(method, url, body, headers)
        assert self.connection is not None, "the connection was lost"
        return response

    def close(self):
        assert self.done, "the connection was lost"
        super().close()

    done = False


def test_nothing_is_lost(reloading):
    """Queries, a kept connection and whole issuances go on across many reloads with changes in each."""
    lab = reloading
    second = SecondZone(lab)
    second.write_config(front={"enrolment": "open"})
    load = Load()
    tcp = TcpQueries(lab)
    reader = OneConnection(lab.directory, lab.ca.ca_file)
    reader.account()
    issuing = OneConnection(lab.directory, lab.ca.ca_file)
    issuing.account()
    load.add("UDP", lambda: udp_query(lab))
    load.add("TCP", tcp.once)
    load.add("HTTPS", lambda: reader.post(reader.kid).json()["status"] == "valid" or 1 / 0)
    load.add("certificate", issuing.certificate)
    try:
        load.wait(1)
        for turn in range(12):
            changes = {"relay": {"zone_files": second.config_file if turn % 2 == 0 else None,
                                 "base_url_aliases": f"{lab.base_url}/old{turn}"},
                       "dns": {"hosts": f"relay={lab.address} box=192.0.2.{turn}"}}
            for role in ROLES:
                reload(lab, role, "is read again", **changes)
            # Many at once are as good as one.
            for _ in range(5):
                for role in ROLES:
                    os.kill(lab.processes[role].pid, signal.SIGHUP)
            load.wait(1)
            assert not load.failures, load.failures
    finally:
        reader.done = issuing.done = True
        load.end()
    print(f"across {12 * 6} reloads of each role: {load.counts}")
    testbed.wait_for(lambda: is_address(lab, f"box.{FIRST}") == ["192.0.2.11"], "the last configuration")
    tcp.socket.close()
    reader.close()
    issuing.close()


def test_the_supervisor_passes_it_on(tmp_path):
    """`run` hands SIGHUP to its roles and stays."""
    conftest.need("openssl")
    lab = testbed.Testbed(tmp_path / "lab", conftest.BIN, zone=FIRST)
    lab.prepare()
    process = testbed.Process("run", [conftest.program("latchkey-relay"), "--config", lab.config_file, "run"],
                              str(tmp_path / "run.log")).start()
    try:
        testbed.wait_for(lambda: all(os.path.exists(os.path.join(lab.folder, f"{role}.ready")) for role in ROLES),
                         "the roles", 30)
        process.child.send_signal(signal.SIGHUP)
        testbed.wait_for(lambda: len(re.findall(r"is read again", process.log())) == 3, "the reloads", 20)
        started = len(re.findall(r"started \w+, pid", process.log()))
        assert started == 3 and process.running(), process.log()
        udp_query(lab)
    finally:
        assert process.stop() == 0
    assert not conftest.sanitizer_reports(str(tmp_path))
