"""For test_doctor.py: a home (networks.py) whose resolver can be exchanged, with a relay and a device that
has its certificate, and servers in the internet that are no relay."""
import json
import os
import shutil
import signal
import subprocess
import sys

import conftest
import networks
import testbed

DNSMASQ = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--cache-size=0", "--user=root",
           "--bind-interfaces", "--log-facility=-", "--pid-file=", "--conf-file=/dev/null",
           "--no-daemon"]

UNBOUND = """server:
  directory: "{folder}"
  interface: {address}@53
  access-control: 0.0.0.0/0 {access}
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-ip6: no
  module-config: "iterator"
  local-zone: "{tld}." nodefault
{more}
stub-zone:
  name: "{zone}"
  stub-addr: 198.51.100.1@{port}
remote-control:
  control-enable: no
"""

KRESD = """net.listen('{address}', 53, {{ kind = 'dns' }})
cache.size = 10 * MB
trust_anchors.remove('.')
modules.load('policy')
{more}
policy.add(policy.suffix(policy.STUB('198.51.100.1@{port}'), policy.todnames({{'{zone}'}})))
"""


class Clinic:
    """address: of the LAN's resolver; others may run beside it at other addresses of the router."""

    ADDRESS = "192.168.77.1"
    SECOND = "192.168.77.2"
    # dnsmasq takes the test's internet (198.51.100.0/24) for private, too.
    REBIND = ("--stop-dns-rebind", "--rebind-domain-ok=/relay.lab.test/")

    def __init__(self, folder):
        self.folder = str(folder)
        self.nets = networks.Networks()
        self.lab = self.agent = self.public = None
        self.processes = []
        self.others = []  # agents beside the first
        self.count = 0

    def up(self):
        self.nets.up()
        self.nets.ip("rtr", "addr", "add", f"{self.SECOND}/24", "dev", "br0")
        lab_folder = os.path.join(self.folder, "lab")
        command = [os.path.join(conftest.TOP, "deploy", "lab"), "--bin", conftest.BIN,
                   "--address", "198.51.100.1"]
        self.lab = testbed.Process("lab", self.nets.inside("pub", *command, lab_folder),
                                   os.path.join(self.folder, "lab.log")).start()
        environment = os.path.join(lab_folder, "lab.env")
        testbed.wait_for(lambda: self.lab.check() and os.path.exists(environment), "the lab", 60)
        self.env = testbed.read_environment(environment)
        self.zone, self.dns_port = self.env["LAB_ZONE"], self.env["LAB_DNS_PORT"]
        self.trust = os.path.join(self.folder, "trust.pem")
        with open(self.trust, "w") as file:
            for name in ("LAB_CA_FILE", "LAB_ROOTS_FILE"):
                with open(self.env[name]) as part:
                    file.write(part.read())
        self.ration()
        self.start_public()
        self.resolve(self.unbound())
        self.agent = self.make_agent("dev").start()
        self.id = self.agent.wait_trusted(60)["id"]
        testbed.wait_for(lambda: self.agent.status().get("publishedAt"), "the publication", 20, 0.1)
        return self

    def make_agent(self, host, name="device", **settings):
        return testbed.Agent(os.path.join(self.folder, name), conftest.BIN, self.env["LAB_DIRECTORY"],
                             self.trust, ":443", self.nets.inside(host),
                             {"interface": "lan0", "doh": "https://198.51.100.1:4443/dns-query",
                              **settings})

    # The internet -----------------------------------------------------------------------------

    def start_public(self):
        """A public resolver, and what is no relay: see public_servers.py."""
        self.mode_file = os.path.join(self.folder, "mode")
        self.public_mode("relay")
        testbed.write_atomically(self.mode_file + ".zone", self.zone)
        self.public = testbed.Process("public", self.nets.inside(
            "pub", sys.executable, os.path.join(conftest.HERE, "public_servers.py"),
            os.path.join(self.folder, "lab"), self.mode_file, self.dns_port),
            os.path.join(self.folder, "public.log")).start()
        ready = os.path.join(self.folder, "lab", "public.ready")
        testbed.wait_for(lambda: self.public.check() and os.path.exists(ready), "the public servers")

    def public_mode(self, mode):
        """What the public resolver does: relay, servfail or empty-addresses."""
        testbed.write_atomically(self.mode_file, mode)

    # The LAN's resolvers ------------------------------------------------------------------------

    def unbound(self, *lines, address=ADDRESS, access="allow", port=None):
        self.count += 1
        path = os.path.join(self.folder, f"unbound-{self.count}.conf")
        with open(path, "w") as file:
            file.write(UNBOUND.format(folder=self.folder, address=address, access=access, zone=self.zone,
                                      tld=self.zone.rsplit(".", 1)[-1], port=port or self.dns_port,
                                      more="".join(f"  {line}\n" for line in lines)))
        return address, ["unbound", "-d", "-c", path]

    def dnsmasq(self, *options, address=ADDRESS):
        return address, [*DNSMASQ, f"--listen-address={address}",
                         f"--server=/{self.zone}/198.51.100.1#{self.dns_port}", *options]

    def kresd(self, more, address=ADDRESS):
        self.count += 1
        folder = os.path.join(self.folder, f"kresd-{self.count}")
        os.makedirs(folder)
        path = os.path.join(folder, "kresd.conf")
        with open(path, "w") as file:
            file.write(KRESD.format(address=address, port=self.dns_port, zone=self.zone,
                                    more=more))
        return address, ["kresd", "-n", "-c", path, folder]

    def resolve(self, *resolvers, names=None):
        """From now on these (address, command) are the LAN's resolvers; NAMES: what resolv.conf names."""
        self.stop_resolvers()
        for address, command in resolvers:
            self.count += 1
            log = os.path.join(self.folder, f"resolver-{self.count}.log")
            process = testbed.Process("resolver", self.nets.inside("rtr", *command), log).start()
            self.processes.append(process)
            testbed.wait_for(lambda: process.check() and self.answers(address), f"{command[0]}", 20, 0.05)
        self.name_servers(*(names if names is not None else [a for a, _ in resolvers]))

    def answers(self, address):
        done = conftest.run(self.nets.inside("pc", "dig", "+time=1", "+tries=1", f"@{address}",
                                             "localhost", "A"), check=False)
        return "status:" in done.stdout

    def stop_resolvers(self):
        for process in self.processes:
            process.stop()
        self.processes = []

    def name_servers(self, *addresses):
        """resolv.conf of dev and pc; it is bound into their namespaces, so it is written in place."""
        for host in ("dev", "pc"):
            with open(f"/etc/netns/{self.nets.name(host)}/resolv.conf", "r+") as file:
                file.truncate()
                file.write("".join(f"nameserver {address}\n" for address in addresses))

    # The device -----------------------------------------------------------------------------------

    def doctor(self, agent=None, status=None):
        """`latchkey doctor --json`: {check: verdict}; all of it under "all"."""
        agent = agent or self.agent
        done = subprocess.run(agent.command("doctor", "--json"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        verdicts = {verdict["check"]: verdict for verdict in found["verdicts"]}
        expected = status if status is not None else int(found["worst"] == "fail")
        assert done.returncode == expected, (done.returncode, found)
        verdicts["all"] = found
        return verdicts

    def alone(self, name, relay=None, state=None, host="dev", **settings):
        """A diagnosis without an agent: its own configuration and, if none is given, no state."""
        agent = self.make_agent(host, name, **settings)
        if state or relay:
            text = open(agent.config_file).read()
            text = text.replace(agent.state_folder, state) if state else text
            text = text.replace(self.env["LAB_DIRECTORY"], relay) if relay else text
            testbed.write_atomically(agent.config_file, text)
        return self.doctor(agent, 3)

    def workers(self):
        """How many workers of the device's agent run."""
        done = conftest.run(["ps", "--ppid", str(self.agent.process.pid), "-o", "comm="], check=False)
        return done.stdout.count("latchkey-worker")

    def copy_state(self, folder):
        state = os.path.join(str(folder), "state")
        shutil.copytree(self.agent.state_folder, state,
                        ignore=shutil.ignore_patterns("*.sock", "lock"))
        return state

    def replace_trusted(self, state):
        """The certificate in STATE is another one for the same name."""
        path = os.path.join(state, "trusted.pem")
        conftest.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", path + ".key", "-out", path + ".cert", "-days", "9",
                      "-subj", "/CN=x", "-addext", f"subjectAltName=DNS:*.{self.id}.{self.zone}"])
        with open(path, "w") as file:
            for end in (".key", ".cert"):
                with open(path + end) as part:
                    file.write(part.read())

    def ration(self):
        """From now on the relay gives out one certificate in a week."""
        path, ready = self.env["LAB_CONFIG"], os.path.join(self.folder, "lab", "issuer.ready")
        with open(path) as file:
            text = file.read().replace("budgets = no", "budgets = yes\ncertificates_per_week = 1")
        testbed.write_atomically(path, text)
        os.remove(ready)
        os.kill(int(self.env["LAB_PID_ISSUER"]), signal.SIGTERM)
        testbed.wait_for(lambda: os.path.exists(ready), "the issuer", 20)

    def wait_status(self, agent, condition, seconds=30):
        def there():
            agent.process.check()
            status = agent.status()
            return status if status and condition(status) else None
        return testbed.wait_for(there, "the agent's status", seconds, 0.1)

    def down(self):
        results = {}
        self.stop_resolvers()
        for agent in self.others:
            agent.stop()
        for name, part in (("agent", self.agent and self.agent.process), ("public", self.public),
                           ("lab", self.lab)):
            if part is not None:
                results[name] = part.stop(20)
        self.nets.down()
        return results
