"""Networks for the tests, made of network namespaces:

    pub 198.51.100.1 ── uplink ── 198.51.100.2 rtr 192.168.77.1 ── LAN ── dev 192.168.77.51
                                                                     └──── pc  192.168.77.100

pub is the internet with the relay and the CA; rtr is a home router with the LAN's resolver. Needs root."""
import os
import shutil
import subprocess

LAN_RESOLVER = """server:
  directory: "{folder}"
  interface: 192.168.77.1@53
  access-control: 192.168.77.0/24 allow
  access-control: 10.0.0.0/8 allow
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-ip6: no
  module-config: "iterator"
  local-zone: "{tld}." nodefault
stub-zone:
  name: "{zone}"
  stub-addr: 198.51.100.1@{port}
remote-control:
  control-enable: no
"""


def call(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
    return done.stdout


class Networks:
    HOSTS = ("pub", "rtr", "dev", "pc")
    count = 0

    def __init__(self):
        Networks.count += 1
        self.prefix = f"lk{os.getpid()}-{Networks.count}"

    def name(self, host):
        return f"{self.prefix}-{host}"

    def inside(self, host, *command):
        """The command that runs COMMAND on HOST."""
        return ["ip", "netns", "exec", self.name(host), *command]

    def ip(self, host, *arguments):
        return call("ip", "-n", self.name(host), *arguments)

    def _cable(self, host, interface, peer, peer_interface):
        call("ip", "link", "add", interface, "netns", self.name(host), "type", "veth",
             "peer", "name", peer_interface, "netns", self.name(peer))
        self.ip(host, "link", "set", interface, "up")
        self.ip(peer, "link", "set", peer_interface, "up")

    def up(self):
        for host in self.HOSTS:
            call("ip", "netns", "add", self.name(host))
            self.ip(host, "link", "set", "lo", "up")
            # A host outside the LAN has no resolver: whatever asks one there fails at once.
            server = "192.168.77.1" if host in ("dev", "pc") else "127.0.0.1"
            folder = f"/etc/netns/{self.name(host)}"
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/resolv.conf", "w") as file:
                file.write(f"nameserver {server}\noptions timeout:2 attempts:2\n")
        self._cable("pub", "net0", "rtr", "wan0")
        self.ip("pub", "addr", "add", "198.51.100.1/24", "dev", "net0")
        self.ip("rtr", "addr", "add", "198.51.100.2/24", "dev", "wan0")
        self.ip("rtr", "link", "add", "br0", "type", "bridge")
        self.ip("rtr", "link", "set", "br0", "up")
        self.ip("rtr", "addr", "add", "192.168.77.1/24", "dev", "br0")
        for host in ("dev", "pc"):
            self._cable(host, "lan0", "rtr", f"port-{host}")
            self.ip("rtr", "link", "set", f"port-{host}", "master", "br0")
        self.lease("51")
        self.ip("pc", "addr", "add", "192.168.77.100/24", "dev", "lan0")
        self.ip("pc", "route", "add", "default", "via", "192.168.77.1")
        self.ip("pub", "route", "add", "192.168.77.0/24", "via", "198.51.100.2")
        call(*self.inside("rtr", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"))
        return self

    def lease(self, last):
        """The device gets 192.168.77.LAST, as from a DHCP server, and loses what it had."""
        self.ip("dev", "addr", "flush", "dev", "lan0")
        self.ip("dev", "addr", "add", f"192.168.77.{last}/24", "dev", "lan0")
        self.ip("dev", "route", "add", "default", "via", "192.168.77.1")

    def uplink(self, up):
        self.ip("rtr", "link", "set", "wan0", "up" if up else "down")

    def down(self):
        for host in self.HOSTS:
            subprocess.run(["ip", "netns", "del", self.name(host)], stderr=subprocess.DEVNULL)
            shutil.rmtree(f"/etc/netns/{self.name(host)}", ignore_errors=True)
