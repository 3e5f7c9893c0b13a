"""Roles under the limit of memory that their units have, and beyond it: docs/OPERATIONS.md, "Faults". No peer brings a
role over its limit; what is ended by it, or gets no memory, has lost nothing when it is there again. The programs are
release builds, as sanitizers take memory of their own."""
import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import conftest
import memory_limit
import proxied_lab
import testbed
from fault_proxy import Rule, replace_body
from memory_limit import MIB
from test_kill import Device
from test_operator import publish, published
from test_role_faults import check_books
from test_status import metrics

PLACES = 4096  # [front] max_connections by default
_labs = []


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    conftest.need("pebble", "openssl", "prlimit")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # As installed: a line of the log for each of a flood's connections is not what is looked at.
    bed = proxied_lab.ProxiedLab(tmp_path_factory.mktemp("lab"), conftest.release_bin(),
                                 settings={"relay": {"log": "info"}})
    _labs.append(bed)
    bed.start()
    yield bed
    conftest.check_stopped(bed.stop(), bed.folder)


@contextlib.contextmanager
def limited(lab, role, limit):
    """ROLE is started again under LIMIT bytes, and at the end without; yields the limit."""
    process, group = lab.processes[role], memory_limit.make(limit)
    free = process.command
    process.stop()
    process.command = [*group.prefix(), *free]
    try:
        lab.start_role(role, ready_s=None)
        yield group
    finally:
        process.stop()
        process.command = free
        group.close()
        lab.start_role(role)


@contextlib.contextmanager
def stays(lab, role, capsys):
    """Under its unit's limit ROLE is neither ended nor restarted, whatever comes; and serves afterwards."""
    limit = memory_limit.unit_limit(role, conftest.TOP)
    with limited(lab, role, limit) as group:
        lab.wait_role(role)
        pid = lab.processes[role].pid
        yield
        assert lab.processes[role].running(), f"ended by {lab.processes[role].child.returncode}"
        check_served(lab)
        assert lab.processes[role].pid == pid
        assert group.peak(pid) < limit * 3 // 4, "too little is left for a store with a million devices"
        with capsys.disabled():
            print(f"\n  {role}: {group.peak(pid) / MIB:.0f} of {limit // MIB} MB ({type(group).__name__})")


def check_served(lab):
    chain = conftest.new_client(lab).certificate()
    assert conftest.ca_status(lab, chain) == "Valid"


# front --------------------------------------------------------------------------------------------

def hold_connections(address, port, count, first):
    """COUNT connections whose peers have said FIRST and take little, from many of this machine's addresses."""
    held = []
    for number in range(count):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.settimeout(20)
        peer.bind((f"127.0.0.{number % 250 + 1}", 0))
        peer.connect((address, port))
        peer.sendall(first)
        held.append(peer)
    return held


def wait_connections(lab, role, name, least):
    testbed.wait_for(lambda: metrics(lab, role)[name] >= least, f"{least} connections", 60)


def large_hello():
    """The begin of a ClientHello of 128 KB: RFC 8446 5.1 and 4."""
    message = b"\x01" + (131072).to_bytes(3, "big") + b"\x03\x03" + bytes(1000)
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def test_front_with_large_hellos(lab, capsys):
    """Some bytes make OpenSSL take 128 KB for a connection; so few may be in their handshake at once."""
    with stays(lab, "front", capsys):
        for peer in hold_connections(lab.address, lab.front_port, PLACES + 200, large_hello()):
            peer.close()


def test_front_with_large_bodies(lab, capsys):
    """All places are taken, by requests of 64 KB that never end."""
    with stays(lab, "front", capsys):
        command = [os.path.join(lab.bin, "bench_front_load"), "bodies", f"{lab.address}:{lab.front_port}", lab.base_url,
                   lab.zone, str(PLACES + 200), "8", "0"]
        flood = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        output, _ = flood.communicate(timeout=120)
        assert flood.returncode == 0, output
        closed = int(output.split()[3])
        assert closed > 0, "nothing had to make room"


def test_front_without_memory(lab):
    """What does not get any is refused; nothing else happens."""
    role = lab.processes["front"]
    pid = role.pid
    limit = memory_limit.AddressSpace(0)
    limit.tighten(pid, MIB)
    try:
        held = hold_connections(lab.address, lab.front_port, 500, large_hello())
        testbed.wait_for(lambda: has_refused(held), "a connection that was ended", 20)
        for peer in held:
            peer.close()
        check_served(lab)
    finally:
        limit.loosen(pid)
    assert role.pid == pid and role.running()


def has_refused(held):
    for peer in held:
        peer.setblocking(False)
        try:
            if peer.recv(1) == b"":
                return True
        except BlockingIOError:
            continue
        except OSError:
            return True
    return False


# dns ----------------------------------------------------------------------------------------------

def queries(lab, count):
    name = b"".join(bytes([len(label)]) + label.encode() for label in f"{'a' * 32}.{lab.zone}".split(".")) + b"\0"
    query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + name + struct.pack(">HH", 255, 1)
    return (struct.pack(">H", len(query)) + query) * count


def test_dns_with_peers_that_take_nothing(lab, capsys):
    """All TCP connections are taken, by peers that ask and ask, and read no answer."""
    with stays(lab, "dns", capsys):
        asked = queries(lab, 20000)
        held = hold_connections(lab.address, lab.dns_port, 1024, asked[:len(asked) // 20000])
        for peer in held:
            peer.setblocking(False)
            with contextlib.suppress(OSError):
                peer.send(asked)
        wait_connections(lab, "dns", "latchkey_dns_tcp_connections", 1000)
        assert testbed.dns_query(lab.address, lab.dns_port, f"10-1-2-3.{'a' * 32}.{lab.zone}", 1)[2] == ["10.1.2.3"]
        for peer in held:
            peer.close()


def test_dns_that_gets_too_little(lab):
    """It is ended at each start. With enough again it answers what it did before, and orders that waited go on."""
    known = conftest.new_client(lab)
    known.certificate([f"*.{known.name()}", known.name()])
    publish(lab, known)
    device = Device(lab)
    chains = []
    worker = threading.Thread(target=lambda: chains.append(device.run(time.monotonic() + 120)))
    with limited(lab, "dns", 2 * MIB):
        worker.start()
        for _ in range(3):
            process = lab.processes["dns"]
            testbed.wait_for(lambda: not process.running(), "an end of dns", 30)
            assert process.child.returncode in (-signal.SIGKILL, 1, 126, 127), process.tail()
            lab.start_role("dns", ready_s=None)
        testbed.wait_for(lambda: device.order_url is not None, "an order", 30)
    assert published(lab, known) == ["192.168.7.9"]
    worker.join()
    assert conftest.ca_status(lab, chains[0]) == "Valid"
    check_books(lab)


# issuer -------------------------------------------------------------------------------------------

def large_answers(lab):
    """The CA sends as much as is just taken, 1 MB, in answer to each newOrder."""
    lab.proxy.set_rules(Rule("^/order-plz", 0, edit=replace_body(b'{"a":"' + b"x" * (MIB - 64) + b'"}')))


def test_issuer_with_large_answers(lab, capsys):
    with stays(lab, "issuer", capsys):
        devices = [Device(lab) for _ in range(20)]
        large_answers(lab)
        chains = []
        threads = [threading.Thread(target=lambda d=device: chains.append(d.run(time.monotonic() + 120)))
                   for device in devices]
        for thread in threads:
            thread.start()
        testbed.wait_for(lambda: lab.proxy.count("^/order-plz") > 20, "answers", 60)
        lab.proxy.set_rules()
        for thread in threads:
            thread.join()
        assert len(chains) == len(devices)


def test_issuer_that_gets_too_little(lab):
    """It is ended, or refused memory, with orders under way; each is finished, and none twice."""
    devices = [Device(lab) for _ in range(8)]
    chains = []
    with limited(lab, "issuer", memory_limit.unit_limit("issuer", conftest.TOP)) as group:
        lab.wait_role("issuer")
        issuer = lab.processes["issuer"]
        before = issuer.log().lower().count("out of memory")
        group.tighten(issuer.pid, MIB)
        large_answers(lab)
        threads = [threading.Thread(target=lambda d=device: chains.append(d.run(time.monotonic() + 150)))
                   for device in devices]
        for thread in threads:
            thread.start()
        testbed.wait_for(lambda: not issuer.running() or issuer.log().lower().count("out of memory") > before,
                         "an end, or a refusal", 60)
        assert issuer.running() or issuer.child.returncode in (-signal.SIGKILL, 1), issuer.tail()
        lab.proxy.set_rules()
    for thread in threads:
        thread.join()
    assert len(chains) == len(devices)
    check_books(lab)
