"""What each role does when its disk is full, its store is locked or gone, its clock jumps or its port is taken:
the table in docs/OPERATIONS.md, "Faults". The DNS answers through all of it, nothing is issued twice, and
what was issued is in the ledger."""
import contextlib
import http.client
import os
import random
import signal
import socket
import sqlite3
import threading
import time

import pytest

import acme_client
import clock_shim
import conftest
import testbed
from test_kill import Device


class Watch:
    """Asks the DNS all the time; `failures` are the questions that got no right answer."""

    def __init__(self, lab):
        self.lab, self.failures, self.count = lab, [], 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        name = f"10-1-2-3.{'a' * 32}.{self.lab.zone}"
        while not self.ended.wait(0.05):
            try:
                rcode, authoritative, records = testbed.dns_query(self.lab.address, self.lab.dns_port, name, 1)
                if (rcode, authoritative, records) != (0, True, ["10.1.2.3"]):
                    self.failures.append((rcode, records))
            except OSError as error:
                self.failures.append(repr(error))
            self.count += 1

    def end(self):
        self.ended.set()
        self.thread.join()
        assert self.count > 5 and not self.failures, self.failures[:3]


@pytest.fixture
def watched(make_lab):
    """watched(**options): a lab whose DNS must answer until the end of the test."""
    watches = []

    def make(**options):
        lab = make_lab(**options)
        watches.append(Watch(lab))
        return lab

    yield make
    for watch in watches:
        watch.end()


def wait_ended(lab, role, seconds=40):
    """The role ends by itself, as systemd would see it, with words and not by a signal."""
    process = lab.processes[role]
    testbed.wait_for(lambda: not process.running(), f"the end of {role}", seconds)
    assert process.child.returncode > 0, process.tail()
    return process.log()


def orders_at_ca(lab):
    return conftest.ca_orders(lab)


def issued_by_ca(lab):
    return lab.processes["pebble"].log().count("Issued certificate serial")


def in_ledger(lab, name="issuer.db"):
    connection = sqlite3.connect(os.path.join(lab.store, name), timeout=10)
    try:
        return connection.execute("SELECT count(*) FROM certificates").fetchone()[0]
    finally:
        connection.close()


def check_books(lab):
    """What the CA has issued is what the ledger holds."""
    assert issued_by_ca(lab) == in_ledger(lab)


def serve_again(lab, seconds=60):
    """Everything that has ended is started again, as systemd does; a device gets its certificate."""
    lab.revive_ended()
    chain = conftest.new_client(lab).certificate(seconds=seconds)
    assert conftest.ca_status(lab, chain) == "Valid"
    check_books(lab)


@contextlib.contextmanager
def ordering(lab):
    """New devices order meanwhile, one after the other, so that the issuer must write."""
    ended = threading.Event()

    def run():
        while not ended.is_set():
            client = conftest.new_client(lab)
            client.timeout = 30
            try:
                client.account()
                client.order([f"*.{client.name()}"])
            except (acme_client.Refused, OSError, http.client.HTTPException):
                ended.wait(0.1)
            finally:
                client.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# The disk -----------------------------------------------------------------------------------------

@pytest.fixture
def small_disk(tmp_path):
    conftest.need_root()
    conftest.need("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    conftest.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)])
    yield folder
    conftest.run(["umount", "-l", str(folder)])


def fill(disk):
    ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError):
        while True:
            os.write(ballast, b"x" * 4096)
    os.close(ballast)


def test_disk_full(watched, small_disk):
    """front refuses what it can't write and stays; the issuer ends rather than forget; with room again
    both go on, and the order that was under way is finished."""
    lab = watched(settings={"relay": {"store": str(small_disk / "store")}})
    lab.store = str(small_disk / "store")
    conftest.new_client(lab).certificate()
    device = Device(lab)
    device.client.account()
    fill(small_disk)
    refusals = []
    for _ in range(400):
        client = conftest.new_client(lab)
        try:
            client.account()
        except acme_client.Refused as refused:
            refusals.append(refused.response)
            break
        finally:
            client.close()
    assert refusals and refusals[0].status in (500, 503), refusals
    assert refusals[0].problem() == "serverInternal"
    assert lab.processes["front"].running()
    os.remove(small_disk / "ballast")
    assert conftest.ca_status(lab, device.run(time.monotonic() + 60)) == "Valid"
    serve_again(lab)


@pytest.fixture
def issuer_disk(tmp_path):
    """The issuer's folder in the first lab's store, on a small disk of its own."""
    conftest.need_root()
    conftest.need("mount")
    folder = tmp_path / "lab0" / "store" / "issuer"
    folder.mkdir(parents=True)
    conftest.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)])
    yield folder
    conftest.run(["umount", "-l", str(folder)])


def test_disk_full_for_the_issuer(issuer_disk, watched):
    """Alone on its disk, the issuer ends when it can't write, and says so; the orders that were under way are
    finished with room again, none twice."""
    lab = watched()
    fill(issuer_disk)
    devices = [Device(lab) for _ in range(3)]
    until, chains = time.monotonic() + 200, []
    threads = [threading.Thread(target=lambda d=device: chains.append(d.run(until))) for device in devices]
    with ordering(lab):
        for thread in threads:
            thread.start()
        assert "can't be written" in wait_ended(lab, "issuer", 120)
        os.remove(issuer_disk / "ballast")
        lab.revive_ended()
    for thread in threads:
        thread.join()
    assert len(chains) == len(devices)
    assert issued_by_ca(lab) == in_ledger(lab, "issuer/issuer.db")


# The store ----------------------------------------------------------------------------------------

def test_store_locked(watched):
    """Somebody holds issuer.db's write lock for longer than the issuer waits: it ends, is started again,
    and waits with a reason; afterwards the order is finished. The same for front.db: 503, and it stays."""
    lab = watched()
    blocker = sqlite3.connect(os.path.join(lab.store, "issuer.db"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    device = Device(lab)
    worker = threading.Thread(target=lambda: setattr(device, "chain", device.run(time.monotonic() + 90)))
    worker.start()
    log = wait_ended(lab, "issuer")
    assert "can't be written" in log
    blocker.execute("ROLLBACK")
    blocker.close()
    lab.revive_ended()
    worker.join()
    assert conftest.ca_status(lab, device.chain) == "Valid"
    blocker = sqlite3.connect(os.path.join(lab.store, "front.db"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    client = conftest.new_client(lab)
    with pytest.raises(acme_client.Refused) as caught:
        client.account()
    assert caught.value.response.problem() == "serverInternal"
    blocker.execute("ROLLBACK")
    blocker.close()
    serve_again(lab)


@pytest.mark.parametrize("role", ["issuer", "front"])
def test_store_gone(watched, role):
    """The file is moved away under the running role: it writes into no file that nobody will read again.
    Brought back, everything is as before."""
    lab = watched()
    conftest.new_client(lab).certificate()
    paths = [os.path.join(lab.store, f"{role}.db{end}") for end in ("", "-wal", "-shm")]
    for path in paths:
        if os.path.exists(path):
            os.rename(path, path + ".away")
    if role == "issuer":
        with ordering(lab):
            assert "is not in its place" in wait_ended(lab, role)
            bring_back(lab, role, paths)
    else:
        with pytest.raises(acme_client.Refused):
            conftest.new_client(lab).account()
        bring_back(lab, role, paths)
    serve_again(lab)


def bring_back(lab, role, paths):
    lab.processes[role].stop()
    for path in paths:
        if os.path.exists(path):
            os.remove(path)
        if os.path.exists(path + ".away"):
            os.rename(path + ".away", path)
    lab.start_role(role)


# The clock ----------------------------------------------------------------------------------------

JUMPS = {"1970": -time.time() + 3600, "2038": 2145916800 - time.time(), "a day ahead": 86400,
         "a day behind": -86400, "an hour behind": -3600}


@pytest.mark.parametrize("jump", JUMPS)
def test_clock_jumps(make_lab, tmp_path, jump):
    """With orders in flight: no role ends, the DNS answers; when the clock is right again, all are finished."""
    lab = make_lab(settings={"issuer": {"budgets": "yes"}})
    clock = clock_shim.WrongClock(str(tmp_path / "clock"))
    for role in testbed.ROLES:
        lab.processes[role].stop()
        lab.processes[role].environment = clock.environment()
        lab.start_role(role)
    watch = Watch(lab)
    devices = [Device(lab) for _ in range(6)]
    until = time.monotonic() + 240
    chains = {}
    threads = [threading.Thread(target=lambda d=device: chains.update({d: d.run(until)})) for device in devices]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 2:
            clock.set_offset(JUMPS[jump])
    issuer_log = lab.processes["issuer"].log
    testbed.wait_for(lambda: any(device.trouble for device in devices) or len(chains) == len(devices)
                     or "yet valid" in issuer_log() or "has expired" in issuer_log(),
                     "an effect of the clock", 60)
    clock.set_offset(0)
    for thread in threads:
        thread.join()
    watch.end()
    assert len(chains) == len(devices), [device.trouble[-3:] for device in devices]
    for role in testbed.ROLES:
        assert lab.processes[role].running()
    check_books(lab)


# Ports --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("role", ["front", "dns"])
def test_port_taken(make_lab, role):
    """It says which, ends with a status that systemd sees, and starts when the port is free."""
    lab = make_lab()
    lab.processes[role].stop()
    port = lab.front_port if role == "front" else lab.dns_port
    thief = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    thief.bind((lab.address, port))
    thief.listen()
    lab.start_role(role, ready_s=None)
    log = wait_ended(lab, role)
    assert str(port) in log and "in use" in log.lower(), log[-500:]
    thief.close()
    lab.start_role(role)
    serve_again(lab)


# Kills --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("role", testbed.ROLES)
def test_killed_again_and_again(make_lab, role):
    """SIGKILL at random moments while devices order: each has one certificate in the end."""
    lab = make_lab()
    orders = orders_at_ca(lab)
    devices = [Device(lab) for _ in range(8)]
    until = time.monotonic() + 150
    chains = {}
    threads = [threading.Thread(target=lambda d=device: chains.update({d: d.run(until)})) for device in devices]
    for thread in threads:
        thread.start()
        time.sleep(random.uniform(0, 0.2))
        lab.restart(role, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert len(chains) == len(devices)
    assert orders_at_ca(lab) - orders <= 2 * len(devices)
    check_books(lab)
