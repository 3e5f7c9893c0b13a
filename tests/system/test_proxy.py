"""A device whose only way out is an HTTP proxy: in a network namespace of its own, tinyproxy at the door."""
import os
import subprocess

import pytest

import conftest
import testbed
from fake_relay import FakeRelay
from test_device import Device, command

HOST, GUEST = "10.213.77.1", "10.213.77.2"


def ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not check or done.returncode == 0, (arguments, done.stdout)


@pytest.fixture
def namespace():
    """A namespace with one cable to here, no route and no resolver."""
    conftest.need_root()
    conftest.need("ip", "tinyproxy")
    name, cable = f"lkproxy{os.getpid()}", f"lkp{os.getpid() % 100000}"
    ip("netns", "add", name)
    try:
        ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{HOST}/30", "dev", cable)
        ip("link", "set", cable, "up")
        for command_line in (("addr", "add", f"{GUEST}/30", "dev", "eth0"), ("link", "set", "eth0", "up"),
                             ("link", "set", "lo", "up")):
            ip("-n", name, *command_line)
        yield name
    finally:
        ip("link", "del", cable, check=False)
        ip("netns", "del", name, check=False)


@pytest.fixture
def relay(tmp_path):
    """On this side's loopback, under a name that means something else on the other side."""
    folder = tmp_path / "relay"
    folder.mkdir()
    server = FakeRelay(folder)
    server.make_key()
    yield server
    server.close()


class Proxy:
    def __init__(self, folder, connect_port=None):
        self.port = testbed.free_port(HOST, set())
        config = os.path.join(str(folder), "tinyproxy.conf")
        limit = f"ConnectPort {connect_port}\n" if connect_port else ""
        testbed.write_atomically(config, f"Port {self.port}\nListen {HOST}\nTimeout 60\nMaxClients 20\n"
                                         f"Allow {GUEST}\nLogLevel Connect\n{limit}")
        self.process = testbed.Process("tinyproxy", ["tinyproxy", "-d", "-c", config],
                                       os.path.join(str(folder), "tinyproxy.out"))

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def start(self):
        import socket
        self.process.start()

        def listens():
            self.process.check()
            socket.create_connection((HOST, self.port), 1).close()
            return True
        testbed.wait_for(listens, "tinyproxy", 10)
        return self


@pytest.fixture
def make_proxy(tmp_path):
    made = []

    def make(**options):
        folder = tmp_path / f"proxy{len(made)}"
        folder.mkdir()
        made.append(Proxy(folder, **options))
        return made[-1]

    yield make
    for proxy in made:
        proxy.process.stop()


@pytest.fixture
def make_device(tmp_path, relay, namespace):
    devices = []

    def make(**settings):
        device = Device(tmp_path / f"device{len(devices)}", relay, **settings)
        device.process.command = ["ip", "netns", "exec", namespace] + device.process.command
        devices.append(device)
        device.start()
        return device

    yield make
    for device in devices:
        device.stop()
        log = device.process.log()
        assert not conftest.sanitizer_reports(device.folder), log[-4000:]


def test_no_other_way_out(make_device):
    assert make_device().wait_failure("net")["serving"] == "fallback"


def test_through_the_proxy(make_device, make_proxy, relay):
    proxy = make_proxy(connect_port=relay.port).start()
    device = make_device(proxy=proxy.url)
    status = device.wait_trusted(30)
    device.wait_status(lambda s: s.get("publishedAt"))
    assert relay.accounts and relay.published
    log = proxy.process.log()
    assert "CONNECT 127.0.0.1:%d" % relay.port in log
    # A tunnel: the proxy reads nothing of what is said.
    assert "/acme/" not in log
    # And the signed time comes by the same way.
    command("renew", "--config", device.config_file)
    device.wait_status(lambda s: s.get("trusted", {}).get("serial") != status["trusted"]["serial"], 30)


def test_the_proxy_looks_names_up(make_device, make_proxy, relay):
    """'localhost' is the relay's on the proxy's side, and nobody's on the device's."""
    relay.base, relay.directory = (text.replace("127.0.0.1", "localhost")
                                   for text in (relay.base, relay.directory))
    proxy = make_proxy(connect_port=relay.port).start()
    device = make_device(proxy=proxy.url)
    device.wait_trusted(30)
    assert "CONNECT localhost:%d" % relay.port in proxy.process.log()


def test_a_proxy_that_refuses(make_device, make_proxy):
    proxy = make_proxy(connect_port=1).start()
    status = make_device(proxy=proxy.url).wait_failure("proxy", 20)
    assert "HTTP status 403" in status["failure"]["detail"]
    assert "proxy" in status["failure"]["sentence"]


def test_a_proxy_that_is_not_there(make_device, make_proxy):
    proxy = make_proxy()
    status = make_device(proxy=proxy.url).wait_failure("proxy", 20)
    assert proxy.url in status["failure"]["detail"]
