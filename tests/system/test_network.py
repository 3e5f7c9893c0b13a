"""The device's network changes under it: what its names lead to follows, and only what people on the LAN can
reach is ever named. In network namespaces, with the whole relay; the times are from the change to the
relay's DNS answer."""
import os
import subprocess
import time

import pytest

import conftest
import testbed
from test_namespaces import make_home, take_down

SLOWEST_S = 5.0  # sanitizers and a loaded machine; about a quarter of a second is usual


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("network"), settings={})
    try:
        home.up()
        yield home
    finally:
        take_down(home)


class Follow:
    """with Follow(...): a change; then home.<id>.Z leads to ADDRESSES, and self.seconds says how soon."""

    def __init__(self, home, *addresses):
        self.process = subprocess.Popen(
            home.nets.inside("pub", "/usr/bin/python3", os.path.join(conftest.HERE, "dns_watch.py"), "30",
                             "198.51.100.1", home.env["LAB_DNS_PORT"], home.name("home"), *addresses),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.seconds = None

    def __enter__(self):
        self.changed_at = time.time()
        return self

    def __exit__(self, *failure):
        if failure[0] is not None:
            self.process.kill()
        said, _ = self.process.communicate()
        if failure[0] is None:
            assert self.process.returncode == 0, said
            self.seconds = float(said) - self.changed_at


@pytest.fixture
def tell(capsys, request):
    def say(what, follow):
        assert follow.seconds < SLOWEST_S
        with capsys.disabled():
            print(f"\n  {what}: {follow.seconds:.2f} s to the DNS answer", end="")
    return say


def addresses(home):
    return (home.agent.status() or {}).get("addresses")


def stays(home, expected, seconds):
    """The addresses are EXPECTED, and still are after SECONDS."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert addresses(home) == expected
        time.sleep(0.1)


def add_interface(home, name, address):
    """Down at first; the other end of its cable is plugged in."""
    peer = f"peer{abs(hash(name)) % 10 ** 8}"
    home.nets.ip("dev", "link", "add", name, "type", "veth", "peer", "name", peer)
    home.nets.ip("dev", "link", "set", peer, "up")
    home.nets.ip("dev", "addr", "add", address, "dev", name)


def test_first_publication(home):
    with Follow(home, "192.168.77.51"):
        pass
    assert addresses(home) == ["192.168.77.51"]


def test_the_lease_changes(home, tell):
    with Follow(home, "192.168.77.52") as follow:
        home.nets.lease("52")
    tell("another lease", follow)
    assert addresses(home) == ["192.168.77.52"]


def test_containers_bridges_and_tunnels_are_left_out(home):
    # All of them with a carrier, so that nothing but the rule leaves them out.
    for name, address in (("docker0", "172.17.0.1/16"), ("br-0123456789ab", "172.18.0.1/16"),
                          ("wg0", "10.66.0.1/24"), ("veth77", "10.67.0.1/24"), ("virbr0", "192.168.122.1/24")):
        add_interface(home, name, address)
        home.nets.ip("dev", "link", "set", name, "up")
    # By their nature, whatever their name is.
    home.nets.ip("dev", "tuntap", "add", "dev", "work", "mode", "tun")
    home.nets.ip("dev", "link", "set", "work", "up")
    home.nets.ip("dev", "addr", "add", "10.68.0.1/24", "dev", "work")
    home.nets.ip("dev", "addr", "add", "8.8.4.4/24", "dev", "lan0")
    stays(home, ["192.168.77.52"], 1.5)
    home.nets.ip("dev", "addr", "del", "8.8.4.4/24", "dev", "lan0")


def test_a_second_interface(home, tell):
    """br-lan is what a router calls its LAN, and counts; the way to the internet comes first."""
    add_interface(home, "br-lan", "192.168.78.1/24")
    with Follow(home, "192.168.77.52", "192.168.78.1") as follow:
        home.nets.ip("dev", "link", "set", "br-lan", "up")
    tell("a second interface comes up", follow)
    assert addresses(home) == ["192.168.77.52", "192.168.78.1"]
    with Follow(home, "192.168.77.52") as follow:
        home.nets.ip("dev", "link", "set", "br-lan", "down")
    tell("... and goes down", follow)
    home.nets.ip("dev", "link", "del", "br-lan")


def test_ipv6_beside_ipv4(home, tell):
    with Follow(home, "192.168.77.52", "fd77::52") as follow:
        home.nets.ip("dev", "addr", "add", "fd77::52/64", "dev", "lan0", "nodad")
    tell("a unique local address comes", follow)
    assert addresses(home) == ["192.168.77.52", "fd77::52"]
    # Public ones, and those that are on their way out, are not named.
    home.nets.ip("dev", "addr", "add", "2a01:77::52/64", "dev", "lan0", "nodad")
    home.nets.ip("dev", "addr", "add", "fd77::99/64", "dev", "lan0", "nodad", "preferred_lft", "0")
    stays(home, ["192.168.77.52", "fd77::52"], 1)


def test_a_cable_out_for_a_moment(home):
    home.nets.ip("rtr", "link", "set", "port-dev", "down")
    try:
        stays(home, ["192.168.77.52", "fd77::52"], 1.5)
    finally:
        home.nets.ip("rtr", "link", "set", "port-dev", "up")
    assert home.dig(home.name("home")) == ["192.168.77.52"]
    stays(home, ["192.168.77.52", "fd77::52"], 1)


def test_ipv6_alone(home, tell):
    """The LAN has unique local addresses only; the relay is reached through a tunnel that nobody is sent to."""
    home.nets._cable("dev", "tun-up", "rtr", "tun-peer")
    home.nets.ip("rtr", "addr", "add", "10.69.0.1/24", "dev", "tun-peer")
    home.nets.ip("pub", "route", "add", "10.69.0.0/24", "via", "198.51.100.2")
    home.nets.ip("dev", "addr", "add", "10.69.0.2/24", "dev", "tun-up")
    with Follow(home, "fd77::52") as follow:
        home.nets.ip("dev", "-4", "addr", "flush", "dev", "lan0")
        home.nets.ip("dev", "route", "add", "default", "via", "10.69.0.1")
    tell("IPv4 goes, IPv6 stays", follow)
    assert addresses(home) == ["fd77::52"]
    with Follow(home, "fd77::53") as follow:
        home.nets.ip("dev", "addr", "add", "fd77::53/64", "dev", "lan0", "nodad")
        home.nets.ip("dev", "addr", "del", "fd77::52/64", "dev", "lan0")
    tell("another unique local address", follow)
    home.nets.ip("dev", "link", "del", "tun-up")


def test_the_network_comes_after_the_device(home, tell):
    """Started without any address it serves, says so, and publishes as soon as there is one."""
    assert home.agent.stop() == 0
    home.nets.ip("dev", "addr", "flush", "dev", "lan0")
    home.agent.start()
    status = testbed.wait_for(home.agent.status, "the agent", 20, 0.1)
    assert status["addresses"] == [] and status["serving"] == "trusted"
    with Follow(home, "192.168.77.54") as follow:
        home.nets.lease("54")
    tell("the first address after the start", follow)
    assert addresses(home) == ["192.168.77.54"]
    seen = home.look("54")
    assert seen["verified"], seen


def test_a_storm_of_changes_is_survived(home):
    """More messages than the socket holds (ENOBUFS): the last state counts."""
    batch = os.path.join(home.folder, "batch")
    with open(batch, "w") as file:
        for i in range(3000):
            what = ("add", "del")[i % 2]
            file.write(f"addr {what} 10.70.0.{i // 2 % 250 + 1}/32 dev lan0\n")
        file.write("addr del 192.168.77.54/24 dev lan0\naddr add 192.168.77.55/24 dev lan0\n")
        file.write("route replace default via 192.168.77.1\n")
    with Follow(home, "192.168.77.55"):
        home.nets.ip("dev", "-batch", batch)
    assert addresses(home) == ["192.168.77.55"]


def test_an_interface_that_is_not_there_is_named(tmp_path):
    config = tmp_path / "device.conf"
    config.write_text("[device]\nrelay = https://relay.example.com/acme/directory\n"
                      "interface = lo nosuch9\nhttp = none\nmdns = no\n")
    done = conftest.run([conftest.program("latchkey"), "--check", "--config", str(config)])
    assert "interface = 'nosuch9': there is none of this name now" in done.stdout, done.stdout
    assert "'lo'" not in done.stdout
