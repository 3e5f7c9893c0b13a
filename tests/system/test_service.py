"""The relay's roles as services: what they tell a service manager (sd_notify(3)), and the sockets it gives them
(sd_listen_fds(3))."""
import os
import signal
import socket
import subprocess
import sys

import conftest
import pytest
import testbed


class Manager:
    """What systemd does for a unit with Type=notify: a socket, and the environment that names it."""

    def __init__(self, folder, name="notify"):
        self.path = os.path.join(folder, name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(30)
        self.environment = {**os.environ, "NOTIFY_SOCKET": self.path}

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def wait(self, key):
        """The next message that assigns KEY."""
        while True:
            message = self.next()
            if key in message:
                return message


def start(lab, role, manager, **environment):
    """Ends the lab's own process of ROLE and starts one that has a manager; LAB stops it as its own."""
    process = lab.processes[role]
    process.stop()
    process.environment = {**manager.environment, **environment}
    return process.start()


@pytest.mark.parametrize("role, status", [("dns", "Answers for lab.test"),
                                          ("front", "Serves https://localhost:"),
                                          ("issuer", "Issues for lab.test from https://localhost:")])
def test_a_role_says_how_it_is(lab, tmp_path, role, status):
    manager = Manager(tmp_path)
    process = start(lab, role, manager, WATCHDOG_USEC="200000")
    ready = manager.next()
    assert ready["READY"] == "1" and ready["STATUS"].startswith(status)
    lab.wait_role(role)
    for _ in range(3):
        assert manager.wait("WATCHDOG") == {"WATCHDOG": "1"}
    process.child.send_signal(signal.SIGTERM)
    assert manager.wait("STOPPING") == {"STOPPING": "1"}
    assert process.child.wait(20) == 0
    process.environment = None
    lab.start_role(role)


def test_a_manager_that_can_not_be_reached_is_said_and_survived(lab):
    process = lab.processes["dns"]
    process.stop()
    process.environment = {**os.environ, "NOTIFY_SOCKET": "/nonexistent/notify"}
    process.start()
    lab.wait_role("dns")
    assert "the service manager can't be told" in process.log()
    process.environment = None
    lab.restart("dns")


def test_run_is_ready_when_all_roles_are(make_lab, tmp_path):
    """The supervisor speaks for its roles: not before the last one serves, and anew after a reload."""
    lab = make_lab()
    for role in testbed.ROLES:
        lab.processes[role].stop()
        os.unlink(os.path.join(lab.folder, f"{role}.ready"))
    key = os.path.join(lab.store, "relay-key.pem")
    os.chmod(key, 0o644)  # the issuer starts with no key that others can read
    manager = Manager(tmp_path)
    relay = testbed.Process("run", [conftest.program("latchkey-relay"), "--config", lab.config_file, "run"],
                            os.path.join(lab.folder, "run.log"), {**manager.environment, "WATCHDOG_USEC": "400000"})
    relay.start()
    try:
        for serves in (lab._dns_serves, lab._front_serves, lambda: "issuer ended" in relay.log()):
            testbed.wait_for(lambda: relay.check() and serves(), "dns and front serve, the issuer does not", 60)
        for _ in range(3):
            assert manager.next() == {"WATCHDOG": "1"}, "nothing but that it lives"
        os.chmod(key, 0o600)
        assert manager.wait("READY") == {"READY": "1", "STATUS": "Runs dns, issuer, front"}
        assert all(os.path.exists(os.path.join(lab.folder, f"{role}.ready")) for role in testbed.ROLES)
        relay.child.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC" in manager.wait("RELOADING")
        assert manager.wait("READY")["STATUS"] == "Runs dns, issuer, front"
        relay.child.send_signal(signal.SIGTERM)
        assert manager.wait("STOPPING") == {"STOPPING": "1"}
        assert relay.child.wait(30) == 0
    finally:
        relay.kill()


def test_operators_commands_say_nothing(lab, tmp_path):
    manager = Manager(tmp_path)
    subprocess.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "list"],
                   env=manager.environment, check=True, stdout=subprocess.DEVNULL)
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.next()


# A parent that does what systemd does: descriptors from 3 on, then the variables, the pid being the program's own.
ACTIVATE = """
import os, sys
names, fds, command = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:]
kept = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate(fds)]
for i, fd in enumerate(kept):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


def activated(lab, role, sockets, names=None, user=None):
    """The role's process, to which SOCKETS are passed."""
    fds = [sock.fileno() for sock in sockets]
    command = [sys.executable, "-c", ACTIVATE, names or ":".join([role] * len(fds)), ",".join(map(str, fds)),
               conftest.program("latchkey-relay"), "--config", lab.config_file, role]
    process = testbed.Process(role, command, lab.processes[role].log_path)
    with open(process.log_path, "ab") as log:
        process.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds)
    return process


def bound(kind, port=0, host="127.0.0.1"):
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def test_dns_serves_sockets_that_it_is_given(lab):
    lab.processes["dns"].stop()
    sockets = [bound(socket.SOCK_DGRAM, lab.dns_port), bound(socket.SOCK_STREAM, lab.dns_port)]
    for _ in range(2):
        process = activated(lab, "dns", sockets)
        testbed.wait_for(lambda: process.check() and testbed.dns_query(lab.address, lab.dns_port, lab.zone, 6), "dns")
        conftest.run(["dig", "+tcp", "+tries=1", f"@{lab.address}", "-p", str(lab.dns_port), lab.zone, "SOA"])
        assert "[dns] listen is ignored" in process.log()
        # A query that comes between two lives waits in the socket.
        assert process.stop() == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.connect((lab.address, lab.dns_port))
        client.send(bytes.fromhex("123400000001000000000000") + b"\3lab\4test\0\0\6\0\1")
        process = activated(lab, "dns", sockets)
        assert client.recv(1500)[:2] == b"\x12\x34"
    assert process.stop() == 0
    for sock in sockets:
        sock.close()
    lab.start_role("dns")


def test_front_serves_sockets_that_it_is_given(lab):
    lab.processes["front"].stop()
    sockets = [bound(socket.SOCK_STREAM, lab.front_port), bound(socket.SOCK_STREAM)]
    process = activated(lab, "front", sockets)
    for sock in sockets:
        testbed.wait_for(lambda: process.check() and testbed.https_get(
            "127.0.0.1", sock.getsockname()[1], "/acme/directory", lab.ca.ca_file, name="localhost")[0] == 200, "front")
    assert "[front] listen is ignored" in process.log()
    assert process.stop() == 0
    for sock in sockets:
        sock.close()
    lab.start_role("front")


@pytest.mark.parametrize("role, kinds, names, says", [
    ("dns", [socket.SOCK_DGRAM], None, "must be one of UDP and one of TCP"),
    ("dns", [socket.SOCK_DGRAM, socket.SOCK_STREAM], "dns:front",
     "descriptor 4 is named 'front': the socket unit must say FileDescriptorName=dns"),
    ("front", [socket.SOCK_DGRAM], None, "front serves TCP: give ListenStream="),
])
def test_sockets_that_do_not_fit_are_refused(lab, role, kinds, names, says):
    lab.processes[role].stop()
    sockets = []
    for kind in kinds:
        sockets.append(bound(kind))
    process = activated(lab, role, sockets, names)
    assert process.child.wait(30) == 1
    assert says in process.log()
    lab.start_role(role)
