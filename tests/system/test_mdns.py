"""The device is announced on the local link: real D-Bus and Avahi daemons on three hosts of a bridge, in
network and mount namespaces. Names are asked of the wire itself, since Avahi's cache keeps what it once
heard; services are what another host's Avahi lists."""
import os
import re
import signal
import subprocess
import time

import pytest

import acme_client
import conftest
import networks
import testbed

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
AVAHI = """[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
allow-interfaces=lan0
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
"""

QUESTION = """
import socket, sys, dns.message
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(0.6)
udp.bind(("192.168.77.100", 0))
udp.sendto(dns.message.make_query(sys.argv[1], "A").to_wire(), ("224.0.0.251", 5353))
try:
    print(dns.message.from_wire(udp.recv(9000)).answer[0][0].address)
except (TimeoutError, IndexError):
    pass
"""


class Link:
    """Hosts dev, dev2 and pc on one bridge, each with a D-Bus and an Avahi of its own."""

    HOSTS = {"dev": "192.168.77.51", "dev2": "192.168.77.52", "pc": "192.168.77.100"}

    def __init__(self, folder):
        self.folder = str(folder)
        self.prefix = f"lkm{os.getpid()}"
        self.processes = {}

    def inside(self, host, *command):
        """COMMAND on HOST, whose /run is its own: Avahi has its pid file and socket there."""
        script = 'mount --bind "$0" /run && exec "$@"'
        return ["ip", "netns", "exec", f"{self.prefix}-{host}", "unshare", "-m", "sh", "-c", script,
                os.path.join(self.folder, host, "run"), *command]

    def environment(self, host):
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.folder}/{host}/bus"}

    def ip(self, host, *arguments):
        return networks.call("ip", "-n", f"{self.prefix}-{host}", *arguments)

    def up(self):
        networks.call("ip", "netns", "add", f"{self.prefix}-hub")
        self.ip("hub", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.ip("hub", "link", "set", "br0", "up")
        for host, address in self.HOSTS.items():
            os.makedirs(f"{self.folder}/{host}/run")
            networks.call("ip", "netns", "add", f"{self.prefix}-{host}")
            self.ip(host, "link", "set", "lo", "up")
            networks.call("ip", "link", "add", "lan0", "netns", f"{self.prefix}-{host}", "type", "veth",
                          "peer", "name", f"port-{host}", "netns", f"{self.prefix}-hub")
            self.ip("hub", "link", "set", f"port-{host}", "master", "br0", "up")
            self.ip(host, "link", "set", "lan0", "up")
            self.ip(host, "addr", "add", f"{address}/24", "dev", "lan0")
            self.ip(host, "route", "add", "default", "dev", "lan0")
        return self

    def start(self, host, program):
        command = {"bus": ["dbus-daemon", "--nofork", "--nopidfile", "--config-file",
                           f"{self.folder}/{host}/bus.conf"],
                   "avahi": ["avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "-f",
                             f"{self.folder}/{host}/avahi.conf"]}[program]
        with open(f"{self.folder}/{host}/bus.conf", "w") as file:
            file.write(BUS.format(path=f"{self.folder}/{host}/bus"))
        with open(f"{self.folder}/{host}/avahi.conf", "w") as file:
            file.write(AVAHI.format(name=host))
        with open(f"{self.folder}/{host}/{program}.log", "a") as log:
            self.processes[host, program] = subprocess.Popen(
                self.inside(host, *command), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env=self.environment(host))
        if program == "bus":
            testbed.wait_for(lambda: os.path.exists(f"{self.folder}/{host}/bus"), "D-Bus", 10, 0.02)

    def stop(self, host, program):
        process = self.processes.pop((host, program))
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if program == "bus":
            testbed.wait_for(lambda: not os.path.exists(f"{self.folder}/{host}/bus"), "D-Bus's end", 5)

    def down(self):
        for key in reversed(list(self.processes)):
            self.processes[key].kill()
            self.processes[key].wait()
        for host in (*self.HOSTS, "hub"):
            subprocess.run(["ip", "netns", "del", f"{self.prefix}-{host}"], stderr=subprocess.DEVNULL)

    def ask(self, *command):
        """What a command of Avahi's says on pc; None when it fails."""
        done = subprocess.run(self.inside("pc", *command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=30, env=self.environment("pc"))
        return done.stdout if done.returncode == 0 else None

    def resolve(self, name):
        """The address that the link gives for NAME, by a one-shot multicast question (RFC 6762 5.1)."""
        done = subprocess.run(self.inside("pc", "/usr/bin/python3", "-c", QUESTION, name), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30)
        return done.stdout.strip() or None

    def services(self):
        """{name: (host, address, port, TXT)} of _https._tcp."""
        found = {}
        for line in (self.ask("avahi-browse", "-rpt", "_https._tcp") or "").splitlines():
            part = line.split(";", 9)
            if part[0] == "=" and part[2] == "IPv4":
                name = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1])), part[3])
                found[name] = (part[6], part[7], int(part[8]), set(re.findall(r'"([^"]*)"', part[9])))
        return found


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    conftest.need("ip", "unshare", "dbus-daemon", "avahi-daemon", "avahi-browse", "avahi-publish")
    conftest.need_root()
    if not os.path.exists(os.path.join(conftest.BIN, "latchkey-mdns")):
        pytest.skip("latchkey-mdns is not built (libavahi-client-dev is missing)")
    link = Link(tmp_path_factory.mktemp("link"))
    try:
        link.up()
        link.start("pc", "bus")
        link.start("pc", "avahi")
        yield link
    finally:
        link.down()


class Device(testbed.Agent):
    """An agent on a host of the link; its relay is not reachable, which mDNS must not need."""

    def __init__(self, link, host, name, **settings):
        self.link, self.host = link, host
        super().__init__(os.path.join(link.folder, host, name), conftest.BIN,
                         "https://192.168.77.9/acme/directory", "", ":443", link.inside(host),
                         {"mdns": "yes", "local_name": f"{host}.local", **settings})

    def start(self):
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={self.link.folder}/{self.host}/bus"
        try:
            return super().start()
        finally:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]

    def wait(self, condition, what, seconds=30):
        def there():
            self.process.check()
            status = self.status()
            return status if status and condition(status) else None
        return testbed.wait_for(there, what, seconds, 0.1)

    def base(self):
        return "latchkey-" + self.wait(lambda s: True, "the agent")["id"][:8]

    def announced(self, name=None):
        return self.wait(lambda s: s.get("mdnsName") == (name or f"{self.base()}.local"), "the announcement")

    def certificate_names(self, address):
        """The DNS names of the fallback certificate, as a host on the link sees it."""
        script = ("import socket,ssl,sys\nc=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
                  "c.check_hostname=False\nc.verify_mode=ssl.CERT_NONE\n"
                  "s=c.wrap_socket(socket.create_connection((sys.argv[1],443),5))\n"
                  "print(s.getpeercert(True).hex())")
        done = conftest.run(self.link.inside("pc", "/usr/bin/python3", "-c", script, address))
        certificate = acme_client.x509.load_der_x509_certificate(bytes.fromhex(done.stdout.strip()))
        names = certificate.extensions.get_extension_for_class(acme_client.x509.SubjectAlternativeName)
        return names.value.get_values_for_type(acme_client.x509.DNSName)


@pytest.fixture
def make_device(link):
    devices = []

    def make(host, name, **settings):
        device = Device(link, host, name, **settings)
        devices.append(device)
        return device

    yield make
    for device in devices:
        assert device.stop() in (0, None)
    reports = conftest.sanitizer_reports(link.folder)
    assert not reports, "\n".join(reports)


def children(device):
    """The pids of latchkey-mdns below the agent."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                ours = file.read().startswith("latchkey-mdns\0")
            with open(f"/proc/{pid}/environ") as file:
                environment = file.read()
        except OSError:
            continue
        if ours and f"{device.link.folder}/{device.host}/bus" in environment:
            found.append((int(pid), environment))
    return found


def test_announced_as_name_and_service(link, make_device):
    link.start("dev", "bus")
    link.start("dev", "avahi")
    device = make_device("dev", "camera", brand_name="Acme Camera").start()
    status = device.announced()
    name = status["mdnsName"]
    testbed.wait_for(lambda: link.resolve(name) == "192.168.77.51", "the name on the link", 20, 0.2)
    services = testbed.wait_for(link.services, "the service on the link", 20, 0.2)
    assert services == {f"Acme Camera ({device.base()})":
                        (name, "192.168.77.51", 443, {"v=1", "path=/", f"id={status['id']}"})}
    assert name in device.certificate_names("192.168.77.51")
    # What it was given: no descriptor of the agent's but its socket, and no environment but the bus.
    (pid, environment), = children(device)
    assert [part.split("=")[0] for part in environment.split("\0") if part] == ["DBUS_SYSTEM_BUS_ADDRESS"]
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not [t for t in targets if device.state_folder in t], targets
    assert subprocess.run(["grep", "-c", "^NoNewPrivs:.*1$", f"/proc/{pid}/status"],
                          stdout=subprocess.DEVNULL).returncode == 0

    # Another address: announced at once. Killed: started again. Avahi anew: announced again.
    link.ip("dev", "addr", "flush", "dev", "lan0")
    link.ip("dev", "addr", "add", "192.168.77.61/24", "dev", "lan0")
    link.ip("dev", "route", "replace", "default", "dev", "lan0")
    testbed.wait_for(lambda: link.resolve(name) == "192.168.77.61", "the new address", 20, 0.2)
    os.kill(pid, signal.SIGKILL)
    testbed.wait_for(lambda: children(device) and children(device)[0][0] != pid, "another latchkey-mdns", 20,
                     0.1)
    device.announced()
    testbed.wait_for(lambda: link.resolve(name) == "192.168.77.61", "the name again", 20, 0.2)
    link.stop("dev", "avahi")
    device.wait(lambda s: "mdnsName" not in s, "the end of the announcement")
    link.start("dev", "avahi")
    device.announced()
    # The agent killed: nothing of it stays behind, and the name is withdrawn.
    device.process.kill()
    testbed.wait_for(lambda: not children(device), "the end of latchkey-mdns", 10, 0.1)
    testbed.wait_for(lambda: link.resolve(name) is None, "the name's end", 20, 0.2)


class Thief:
    """The host dev2, which has taken a NAME. Avahi refuses it for as long as it remembers the first owner."""

    def __init__(self, link, name):
        self.link, self.name, self.process = link, name, None

    def has_it(self):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                self.link.inside("dev2", "avahi-publish", "-a", "-R", self.name, "192.168.77.52"),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.link.environment("dev2"))
        return self.link.resolve(self.name) == "192.168.77.52"

    def end(self):
        self.process.kill()
        self.process.wait()


def test_collision_takes_another_name(link, make_device):
    """Somebody else on the link has the name: the next one is taken, said, and in the certificate."""
    device = make_device("dev", "camera").start()
    base = device.base()
    device.announced()
    assert device.stop() == 0
    link.start("dev2", "bus")
    link.start("dev2", "avahi")
    thief = Thief(link, f"{base}.local")
    try:
        testbed.wait_for(thief.has_it, "the other host", 30, 0.2)
        device.start()
        device.announced(f"{base}-2.local")
        testbed.wait_for(lambda: link.resolve(f"{base}-2.local") == "192.168.77.61", "the second name", 20, 0.2)
        names = device.certificate_names("192.168.77.61")
        assert f"{base}-2.local" in names and f"{base}.local" in names
        assert link.resolve(f"{base}.local") == "192.168.77.52"
    finally:
        thief.end()


def test_without_dbus_it_is_quiet(link, make_device):
    """No D-Bus: one line, no failure; when it comes, the device is announced."""
    link.stop("dev", "avahi")
    link.stop("dev", "bus")
    device = make_device("dev", "quiet").start()
    testbed.wait_for(lambda: "mDNS: not announced: no Avahi" in device.process.log(), "the line", 20, 0.1)
    time.sleep(1)
    said = [line for line in device.process.log().splitlines() if "mDNS" in line]
    assert not [line for line in said if "warning" in line or "error" in line], said
    assert not children(device)
    link.start("dev", "bus")
    link.start("dev", "avahi")
    device.announced()
