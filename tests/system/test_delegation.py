"""check-delegation, in a network namespace with a parent zone, resolvers and the relay's own DNS on port 53."""
import json
import os
import subprocess
import sys

import pytest

import conftest
import testbed

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = "lan.test"
DOH = "https://127.0.0.3:4443/dns-query"
CONFIG = """[relay]
zone = {zone}
store = {store}
base_url = https://relay.{zone}
[issuer]
terms_agreed = yes
[dns]
listen = 127.0.0.1:53
name_servers = {server}
hosts = relay=127.0.0.1
"""


class World:
    def __init__(self, folder):
        self.folder, self.namespace = str(folder), f"lkd{os.getpid()}"
        self.mode_file = os.path.join(self.folder, "mode")
        self.ca = testbed.Authority(self.folder)
        self.processes = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def inside(self, *command):
        return ["ip", "netns", "exec", self.namespace, *command]

    def mode(self, text):
        testbed.write_atomically(self.mode_file, text)

    def config(self, name, server):
        testbed.write_atomically(self.path(name), CONFIG.format(
            zone=ZONE, store=self.path("store"), server=server))
        return self.path(name)

    def up(self):
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        subprocess.run(["ip", "-n", self.namespace, "link", "set", "lo", "up"], check=True)
        self.mode("good")
        self.ca.make()
        os.makedirs(self.path("store"))
        self.ca.issue("doh", [], ["127.0.0.3"])
        world = testbed.Process("world", self.inside(
            "/usr/bin/python3", os.path.join(HERE, "delegation_world.py"), self.mode_file,
            self.path("doh.pem"), self.path("doh.key")), self.path("world.log"))
        relay = testbed.Process("dns", self.inside(
            conftest.program("latchkey-relay"), "--config",
            self.config("relay.conf", f"ns.{ZONE}=127.0.0.1"), "dns"), self.path("dns.log"))
        for process in (world, relay):
            self.processes.append(process)
            process.start()
        testbed.wait_for(lambda: "ready" in world.log(), "the world around the zone")
        testbed.wait_for(lambda: relay.check() and self.check()[0] == 0, "the zone", 20, 0.2)
        return self

    def down(self):
        for process in self.processes:
            process.stop()
        subprocess.run(["ip", "netns", "del", self.namespace])

    def run(self, *options, config="relay.conf"):
        return subprocess.run(self.inside(
            conftest.program("latchkey-relay"), "--config", self.path(config), "check-delegation", *options),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)

    def check(self, *options, config="relay.conf"):
        """(exit status, code to verdict)."""
        done = self.run("--json", "--resolver", "127.0.0.3", "--doh", DOH, "--ca-file", self.ca.ca_file, *options,
                        config=config)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        found = json.loads(done.stdout)
        assert found["zone"] == ZONE and found["good"] == (done.returncode == 0)
        return done.returncode, {verdict["code"]: verdict for verdict in found["verdicts"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    conftest.need_root()
    world = World(tmp_path_factory.mktemp("delegation"))
    try:
        yield world.up()
    finally:
        world.down()


@pytest.fixture(autouse=True)
def as_it_should_be(world):
    world.mode("good")


def test_all_is_well(world):
    """Delegated, serving, seen by the world; only the CAA waits for an account at the CA."""
    status, found = world.check()
    assert status == 0
    assert set(found) == {"delegated", "caa-closed", "public-sees"}, found
    assert "ns.test (127.0.0.2:53)" in found["delegated"]["where"]


@pytest.mark.parametrize("mode,code,says", [
    ("none", "not-delegated", f"{ZONE}. NS ns.{ZONE}."), ("other", "delegation-differs", "ns.elsewhere.test"),
    ("no-glue", "glue-differs", f"ns.{ZONE}. A 127.0.0.1"),
    ("wrong-glue", "glue-differs", f"ns.{ZONE}. A 127.0.0.1"), ("blind", "public-blind", "TTL")])
def test_what_is_wrong_outside(world, mode, code, says):
    world.mode(mode)
    status, found = world.check()
    assert status == 1
    assert found[code]["level"] == "FAILED" and says in found[code]["text"] + found[code]["mend"], found[code]


def test_a_parent_that_refuses(world):
    """It says nothing about the delegation: that is not known, and no fault of the zone."""
    world.mode("refused")
    status, found = world.check("--parent", "127.0.0.2")
    assert status == 0 and found["parent-refuses"]["level"] == "unknown"


def test_a_server_that_is_silent(world):
    world.config("silent.conf", f"ns.{ZONE}=127.0.0.8")
    status, found = world.check(config="silent.conf")
    assert status == 1 and {"udp-silent", "tcp-silent"} <= set(found), found
    assert "port 53" in found["udp-silent"]["mend"]


def test_behind_nat(world):
    """This machine does not reach its own public address, says check_name_servers; what the world sees counts."""
    path = world.config("nat.conf", f"ns.{ZONE}=127.0.0.8")
    with open(path) as file:
        text = file.read()
    testbed.write_atomically(path, text.replace("[issuer]\n", "[issuer]\ncheck_name_servers = 127.0.0.1:53\n"))
    found = world.check(config="nat.conf")[1]
    for code in ("udp-silent", "tcp-silent"):
        assert found[code]["level"] == "unknown" and "the world sees the zone" in found[code]["text"], found[code]
    world.mode("blind")
    found = world.check(config="nat.conf")[1]
    assert found["udp-silent"]["level"] == found["public-blind"]["level"] == "FAILED", found
    done = world.run("--local", "--resolver", "127.0.0.3", config="nat.conf")
    assert done.returncode == 1 and "FAILED" in done.stdout and "no answer by UDP" in done.stdout


def test_a_server_of_somebody_else(world):
    world.config("lame.conf", f"ns.{ZONE}=127.0.0.4")
    status, found = world.check(config="lame.conf")
    assert status == 1 and found["lame"]["level"] == "FAILED", found


def test_another_configuration_there(world):
    """Two servers are configured here, but the one that runs knows of one."""
    world.config("two.conf", f"ns.{ZONE}=127.0.0.1 ns2.{ZONE}=127.0.0.1")
    status, found = world.check(config="two.conf")
    assert status == 1 and found["ns-differs"]["level"] == "FAILED", found


def test_a_server_without_address(world):
    world.config("nowhere.conf", "ns.nowhere.test")
    status, found = world.check(config="nowhere.conf")
    assert status == 1 and found["server-unknown"]["where"] == "ns.nowhere.test", found


def test_no_resolver(world):
    status, found = world.check("--resolver", "127.0.0.8")
    assert found["parent-unknown"]["level"] == "unknown" and "--parent" in found["parent-unknown"]["mend"]
    assert status == 0


def test_for_people(world):
    world.mode("none")
    done = world.run("--resolver", "127.0.0.3", "--local")
    assert done.returncode == 1 and "FAILED" in done.stdout and f"{ZONE}. NS ns.{ZONE}." in done.stdout
    assert "https" not in done.stdout


@pytest.mark.parametrize("options", [("--parent", "example"), ("--nosuch",), ("more",)])
def test_wrong_options(world, options):
    done = world.run(*options)
    assert done.returncode == 2 and "check-delegation" in done.stderr
