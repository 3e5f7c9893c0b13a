"""Floods from one network while enrolled devices in another go on: every one of their requests is answered, whatever
the flood is made of. Network namespaces: the relay at 198.51.100.1, the devices in 192.0.2.0/24, the flood from 250
addresses of 203.0.113.0/24. The figures are printed; only service is asserted, not time."""
import json
import os
import subprocess

import pytest

import conftest
import networks
import testbed

RELAY, DEVICE, ATTACKER = "198.51.100.1", "192.0.2.51", "203.0.113."
DEVICES, FLOOD_S = 5, 4
PLACES = 256
DNS_LIMIT = 100
SETTINGS = ("relay.log=warning", "front.connection_rate=20", "front.request_rate=40",
            f"front.max_connections={PLACES}", f"dns.rate_limit={DNS_LIMIT}")


class World(networks.Networks):
    HOSTS = ("relay", "device", "flood")

    def up(self):
        for host in self.HOSTS:
            folder = f"/etc/netns/{self.name(host)}"
            networks.call("ip", "netns", "add", self.name(host))
            self.ip(host, "link", "set", "lo", "up")
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/hosts", "w") as file:
                file.write(f"127.0.0.1 localhost\n{RELAY} relay.lab.test\n")
        self._cable("relay", "devices", "device", "net0")
        self._cable("relay", "floods", "flood", "net0")
        self.ip("relay", "addr", "add", f"{RELAY}/32", "dev", "lo")
        self.ip("relay", "addr", "add", "192.0.2.1/24", "dev", "devices")
        self.ip("relay", "addr", "add", f"{ATTACKER}254/24", "dev", "floods")
        self.ip("device", "addr", "add", f"{DEVICE}/24", "dev", "net0")
        self.ip("device", "route", "add", "default", "via", "192.0.2.1")
        for last in range(1, 252):
            self.ip("flood", "addr", "add", f"{ATTACKER}{last}/24", "dev", "net0")
        self.ip("flood", "route", "add", "default", "via", f"{ATTACKER}254")
        return self


class Scene:
    """The networks, a relay in one of them, and devices that are enrolled."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.world = World()
        self.lab = self.devices = None

    def up(self):
        self.world.up()
        folder = os.path.join(self.folder, "lab")
        command = self.world.inside("relay", os.path.join(conftest.TOP, "deploy", "lab"), "--bin", conftest.BIN,
                                    "--address", RELAY, *(f"--set={line}" for line in SETTINGS), folder)
        self.lab = testbed.Process("lab", command, os.path.join(self.folder, "lab.log")).start()
        path = os.path.join(folder, "lab.env")
        testbed.wait_for(lambda: self.lab.check() and os.path.exists(path), "the lab", 60)
        self.env = testbed.read_environment(path)
        # The relay's first answers are signed by the lab's CA, its own certificate by Pebble.
        trust = os.path.join(self.folder, "trust.pem")
        with open(trust, "w") as file:
            for name in ("LAB_CA_FILE", "LAB_ROOTS_FILE"):
                with open(self.env[name]) as part:
                    file.write(part.read())
        self.devices = subprocess.Popen(
            self.world.inside("device", "/usr/bin/python3", os.path.join(conftest.HERE, "enrolled_devices.py"),
                              self.env["LAB_DIRECTORY"], trust, self.env["LAB_ZONE"], RELAY,
                              self.env["LAB_DNS_PORT"], str(DEVICES)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.devices.stdout.readline() == "enrolled\n"
        return self

    def down(self):
        if self.devices is not None:
            self.devices.stdin.close()
            self.devices.wait()
        status = self.lab.stop(30) if self.lab is not None else None
        self.world.down()
        return status

    def served(self, seconds):
        """What the devices saw within SECONDS."""
        self.devices.stdin.write(f"{seconds}\n")
        self.devices.stdin.flush()
        return json.loads(self.devices.stdout.readline())

    def base(self):
        return self.env["LAB_DIRECTORY"].partition("/acme/")[0]

    def start_flood(self, mode, connections):
        port = self.base().rpartition(":")[2]
        command = ["bench_front_load", mode, f"{RELAY}:{port}", self.base(), self.env["LAB_ZONE"],
                   str(connections), str(FLOOD_S + 2), "0", f"{ATTACKER}0"]
        command[0] = conftest.program(command[0])
        flood = subprocess.Popen(self.world.inside("flood", *command), stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        assert flood.stdout.readline() == "ready\n"
        return flood

    def start_dns_flood(self):
        name = f"10-1-2-3.{'a' * 32}.{self.env['LAB_ZONE']}"
        sources = [f"{ATTACKER}{last}" for last in range(1, 21)]
        return subprocess.Popen(
            self.world.inside("flood", "/usr/bin/python3", os.path.join(conftest.HERE, "dns_flood.py"), RELAY,
                              self.env["LAB_DNS_PORT"], name, str(FLOOD_S), *sources),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    conftest.need_root()
    conftest.need("ip", "pebble", "openssl")
    folder = tmp_path_factory.mktemp("overload")
    scene = Scene(folder)
    try:
        yield scene.up()
    finally:
        status = scene.down()
    assert status == 0, scene.lab.tail()
    assert not conftest.sanitizer_reports(str(folder))


def tell(capsys, name, quiet, seen, flood):
    with capsys.disabled():
        print(f"\n  {name}: devices {seen['turns']} turns, median {seen['median_ms']:.0f} ms, longest "
              f"{seen['longest_ms']:.0f} ms (without a flood {quiet['median_ms']:.0f} ms); flood: {flood}")


@pytest.fixture(scope="module")
def quiet(scene):
    """The devices without a flood."""
    seen = scene.served(2)
    assert seen["failures"] == []
    return seen


@pytest.mark.parametrize("mode, connections", [("handshakes", 300), ("nonces", 200), ("accounts", 200),
                                               ("slow", 1000)])
def test_floods_of_the_front(scene, quiet, capsys, mode, connections):
    flood = scene.start_flood(mode, connections)
    seen = scene.served(FLOOD_S)
    output, _ = flood.communicate(timeout=60)
    assert flood.returncode == 0, output
    answered, refused, closed, seconds = output.split()[:4]
    tell(capsys, mode, quiet, seen,
         f"{answered} answered, {refused} refused, {closed} connections closed in {seconds} s")
    assert seen["failures"] == []
    assert seen["turns"] >= DEVICES
    assert int(refused) + int(closed) > 0, "this was no flood, or no limit"


def test_flood_of_dns(scene, quiet, capsys):
    flood = scene.start_dns_flood()
    seen = scene.served(FLOOD_S)
    output, _ = flood.communicate(timeout=60)
    assert flood.returncode == 0, output
    figures = json.loads(output)
    tell(capsys, "dns", quiet, seen, f"{figures['sent']} sent, {figures['answered']} answered, of them "
         f"{figures['truncated']} by 'come by TCP'")
    assert seen["failures"] == []
    full = figures["answered"] - figures["truncated"]
    assert full <= DNS_LIMIT * (2 + FLOOD_S + 1), "more full answers than the limit lets through"
    assert figures["truncated"] > 0


def test_who_is_told_to_come_by_tcp_is_answered_there(scene):
    """dig does so by itself."""
    conftest.need("dig")
    name = f"10-9-8-7.{'b' * 32}.{scene.env['LAB_ZONE']}"
    flood = scene.start_dns_flood()
    seen = []
    while flood.poll() is None:
        done = conftest.run(scene.world.inside("flood", "dig", "+short", "+tries=3", "+time=2", "-b",
                                               f"{ATTACKER}200", f"@{RELAY}", "-p", scene.env["LAB_DNS_PORT"],
                                               name, "A"), check=False)
        seen.append(done.stdout.split("\n")[0])
    assert "10.9.8.7" in seen


def test_dig_takes_our_cookie(scene):
    name = f"10-9-8-7.{'b' * 32}.{scene.env['LAB_ZONE']}"

    def dig(option):
        return conftest.run(scene.world.inside("device", "dig", f"@{RELAY}", "-p", scene.env["LAB_DNS_PORT"], option,
                                               name, "A")).stdout

    learnt = dig("+cookie")
    cookie = learnt.partition("COOKIE: ")[2].split()[0]
    assert "(good)" in learnt and len(cookie) == 48, learnt
    again = dig(f"+cookie={cookie}")
    assert "(good)" in again and "10.9.8.7" in again, again
