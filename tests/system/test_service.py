"""The relay's roles as services: what they tell a service manager (sd_notify(3))."""
import os
import signal
import socket
import subprocess

import conftest
import pytest


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


def test_operators_commands_say_nothing(lab, tmp_path):
    manager = Manager(tmp_path)
    subprocess.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "list"],
                   env=manager.environment, check=True, stdout=subprocess.DEVNULL)
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.next()
