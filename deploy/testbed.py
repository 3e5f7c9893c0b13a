"""A whole latchkey relay with a CA of its own (Pebble) on loopback, as an object: deploy/lab and
deploy/demo are commands around it, and the system tests drive it. Python's standard library only.

Each program is a process of its own, so that a test can stop, kill and start each of them. A program
that ends by itself is started again, as systemd would do, and lab.env is written anew.
"""
import http.client
import json
import os
import random
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROLES = ("dns", "front", "issuer")
# Without these Pebble sleeps up to 15 s before it validates, refuses 5 % of good nonces and reuses
# half of the authorizations. What stands in the environment wins.
PEBBLE_DEFAULTS = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}

UNBOUND = """# A resolver that asks as Let's Encrypt's do: 0x20, strict minimisation, EDNS 1232, no cache.
server:
  directory: "{folder}"
  interface: {address}@{port}
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-ip6: no
  do-not-query-localhost: no
  qname-minimisation: yes
  qname-minimisation-strict: yes
  use-caps-for-id: yes
  harden-glue: yes
  harden-referral-path: no
  edns-buffer-size: 1232
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
  module-config: "iterator"
  local-zone: "{tld}." nodefault
stub-zone:
  name: "{zone}"
  stub-addr: {dns_address}@{dns_port}
  stub-no-cache: yes
remote-control:
  control-enable: no
"""


class TestbedError(Exception):
    """Something did not come up; the text says what, and where its log is."""


def free_port(address, taken):
    """A port that is free for TCP and UDP at ADDRESS, outside the range the kernel hands out."""
    for _ in range(200):
        port = random.randrange(12000, 32000)
        if port in taken:
            continue
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.bind((address, port))
                udp.bind((address, port))
        except OSError:
            continue
        taken.add(port)
        return port
    raise TestbedError(f"no free port at {address}")


def dns_query(host, port, name, qtype, timeout=2.0):
    """Asks one question over UDP. Returns (rcode, AA, [record data]): addresses as text, TXT as bytes,
    other types raw. Raises OSError when no answer comes."""
    query_id = random.randrange(65536)
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    question += struct.pack(">HH", qtype, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout)
        udp.connect((host, port))
        udp.send(struct.pack(">6H", query_id, 0, 1, 0, 0, 0) + question)
        answer = udp.recv(65535)
    got_id, flags, _, count, _, _ = struct.unpack(">6H", answer[:12])
    if got_id != query_id:
        raise OSError("an answer to another question")
    at, records = 12 + len(question), []
    for _ in range(count):
        while answer[at] and answer[at] < 0xC0:
            at += 1 + answer[at]
        at += 2 if answer[at] else 1
        rtype, _, _, size = struct.unpack(">HHIH", answer[at:at + 10])
        data = answer[at + 10:at + 10 + size]
        at += 10 + size
        if rtype == qtype:
            records.append({1: lambda: socket.inet_ntop(socket.AF_INET, data),
                            28: lambda: socket.inet_ntop(socket.AF_INET6, data),
                            16: lambda: data[1:1 + data[0]]}.get(rtype, lambda: data)())
    return flags & 15, bool(flags & 0x400), records


def https_get(host, port, path, ca_file, timeout=5.0, name=None):
    """GETs https://host:port/path, the certificate verified for NAME (HOST by default) by CA_FILE."""
    context = ssl.create_default_context(cafile=ca_file)
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    if name is not None:
        raw = socket.create_connection((host, port), timeout)
        connection.sock = context.wrap_socket(raw, server_hostname=name)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _step(*arguments, **options):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise TestbedError(f"{shlex.join(arguments)}: status {done.returncode}\n{done.stdout[-3000:]}")


def install():
    """Installs the packages that building and a lab need (as root)."""
    _step(os.path.join(TOP, "deploy", "install-packages"), "build", "demo")


def build():
    """Builds the programs (release) and returns their folder."""
    folder = os.path.join(TOP, "build", "release")
    _step("cmake", "--preset", "release", cwd=TOP)
    _step("cmake", "--build", folder, "--target", "latchkey-relay", "latchkey", "latchkey-worker")
    return os.path.join(folder, "bin")


def write_atomically(path, text, mode=0o644):
    temporary = path + ".new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


def read_environment(path):
    """The assignments of a lab.env as a dict."""
    with open(path) as file:
        pairs = (line.split("=", 1) for line in file.read().splitlines() if "=" in line)
        return {name: "".join(shlex.split(value)) for name, value in pairs}


def wait_for(condition, what, seconds=20.0, step_s=0.03):
    """Asks CONDITION until it returns something true, and returns that. OSError counts as "not yet"."""
    until, last = time.monotonic() + seconds, None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (OSError, http.client.HTTPException) as error:
            last = error
        if time.monotonic() > until:
            raise TestbedError(f"{what}: not within {seconds:g} s" + (f" ({last})" if last else ""))
        time.sleep(step_s)


class Authority:
    """A small CA made with openssl: it signs the HTTPS certificates of Pebble and of the front."""

    def __init__(self, folder):
        self.folder = folder
        self.ca_file = os.path.join(folder, "lab-ca.pem")
        self.ca_key = os.path.join(folder, "lab-ca.key")

    def _openssl(self, *arguments):
        done = subprocess.run(("openssl",) + arguments, cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise TestbedError(f"openssl {arguments[0]}: {done.stdout}")

    def make(self):
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-keyout", self.ca_key, "-out", self.ca_file, "-days", "3650",
                      "-subj", "/CN=latchkey lab",
                      "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        os.chmod(self.ca_key, 0o600)

    def issue(self, stem, names, addresses, days=3650):
        """Writes STEM.key and STEM.pem for NAMES and ADDRESSES; returns their paths. DAYS below 0: it has run out."""
        key, pem = (os.path.join(self.folder, f"{stem}.{end}") for end in ("key", "pem"))
        request, extensions = (os.path.join(self.folder, f"{stem}.{end}") for end in ("csr", "ext"))
        alternatives = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
        with open(extensions, "w") as file:
            file.write(f"subjectAltName=critical,{','.join(alternatives)}\nbasicConstraints=CA:FALSE\n"
                       "extendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-keyout", key, "-out", request, "-subj", "/")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", self.ca_key,
                      "-set_serial", str(random.getrandbits(64) + 1), "-days", str(days),
                      "-extfile", extensions, "-out", pem)
        os.chmod(key, 0o600)
        os.remove(request)
        os.remove(extensions)
        return key, pem


class Process:
    """One program of the testbed, with its log file."""

    def __init__(self, name, command, log_path, environment=None):
        self.name = name
        self.command = command
        self.log_path = log_path
        self.environment = environment
        self.child = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=self.environment)
        return self

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def check(self):
        if not self.running():
            state = "not started" if self.child is None else f"ended with {self.child.returncode}"
            raise TestbedError(f"{self.name} {state}: {self.tail()}")
        return True

    def tail(self, lines=15):
        try:
            with open(self.log_path, errors="replace") as file:
                return "\n" + "".join(file.readlines()[-lines:])
        except OSError:
            return "(no log)"

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def kill(self, number=signal.SIGKILL):
        if self.running():
            self.child.send_signal(number)
            self.child.wait()

    def stop(self, seconds=10.0):
        """SIGTERM; SIGKILL after SECONDS. Returns the exit status, None if it was not running."""
        if self.child is None or self.child.poll() is not None:
            return None
        self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return -signal.SIGKILL


class Testbed:
    """Pebble, the relay's three roles and, where asked for, Unbound between them.

    bin: folder of the programs. address: where the front and the DNS listen (127.0.0.1).
    validity_s: life of the certificates that Pebble issues. unbound: Pebble asks through a resolver
    that behaves like a public CA's. new_account: the relay may make a new CA account when the CA has
    forgotten the old one. settings: {"section": {"key": value}} for relay.conf, over the defaults.
    pebble: environment for Pebble (PEBBLE_*), over this process's and the defaults.
    """

    def __init__(self, folder, bin, zone="lab.test", address="127.0.0.1", validity_s=None,
                 unbound=False, new_account=True, settings=None, pebble=None):
        self.folder = os.path.abspath(folder)
        self.bin, self.zone, self.address = bin, zone, address
        self.validity_s, self.new_account = validity_s, new_account
        self.settings, self.pebble_environment = settings or {}, pebble or {}
        os.makedirs(self.folder, exist_ok=True)
        self.store = self._path("store")
        self.ca = Authority(self.folder)
        taken = set()
        self.front_port = free_port(address, taken)
        self.dns_port = free_port(address, taken)
        self.pebble_port = free_port("127.0.0.1", taken)
        self.pebble_management = free_port("127.0.0.1", taken)
        self.unbound_port = free_port("127.0.0.1", taken) if unbound else None
        # Several labs run on one machine: each role gets a port of its own.
        self.status_addresses = {role: f"127.0.0.1:{free_port('127.0.0.1', taken)}" for role in ROLES}
        self.front_host = "localhost" if address == "127.0.0.1" else f"relay.{zone}"
        self.base_url = f"https://{self.front_host}:{self.front_port}"
        self.directory = f"{self.base_url}/acme/directory"
        self.pebble_directory = f"https://localhost:{self.pebble_port}/dir"
        self.roots_file = self._path("roots.pem")
        self.config_file = self._path("relay.conf")
        self.processes = {}

    def _path(self, *parts):
        return os.path.join(self.folder, *parts)

    # Files ------------------------------------------------------------------------------------

    def relay_settings(self):
        """What relay.conf holds: the lab's values, then the caller's."""
        dns = f"{self.address}:{self.dns_port}"
        values = {
            "relay": {"zone": self.zone, "store": self.store, "base_url": self.base_url,
                      "host": f"relay.{self.zone}", "log": "debug"},
            "front": {"listen": f"{self.address}:{self.front_port}", "enrolment": "open",
                      "certificate_file": self._path("front.pem"),
                      "key_file": self._path("front.key"), "ready_file": self._path("front.ready"),
                      "status_listen": self.status_addresses["front"]},
            "issuer": {"directory": self.pebble_directory, "ca_file": self.ca.ca_file,
                       "ca_name": "pebble.test", "terms_agreed": "yes", "caa_wait": "0",
                       "new_account": "yes" if self.new_account else "no", "budgets": "no",
                       "device_keys_per_week": "1000", "check_name_servers": dns,
                       # More requests at once can make Pebble 2.4.0 lock itself up for ever.
                       "connections": "8", "new_orders_at_once": "1",
                       "ready_file": self._path("issuer.ready"),
                       "status_listen": self.status_addresses["issuer"]},
            "dns": {"listen": dns, "name_servers": f"ns.{self.zone}={self.address}",
                    "hosts": f"relay={self.address}", "answer_loopback": "yes",
                    "ready_file": self._path("dns.ready"),
                    "status_listen": self.status_addresses["dns"]},
        }
        for section, keys in self.settings.items():
            values.setdefault(section, {}).update(keys)
        return values

    def write_config(self):
        text = "# Written by deploy/lab.\n"
        for section, keys in self.relay_settings().items():
            text += f"[{section}]\n"
            for key, value in keys.items():
                if value is not None:
                    text += f"{key} = {value}\n"
        write_atomically(self.config_file, text)

    def _write_pebble_config(self, key, pem):
        config = {"listenAddress": f"127.0.0.1:{self.pebble_port}",
                  "managementListenAddress": f"127.0.0.1:{self.pebble_management}",
                  "certificate": pem, "privateKey": key, "httpPort": 5002, "tlsPort": 5001,
                  "ocspResponderURL": "", "externalAccountBindingRequired": False}
        if self.validity_s is not None:
            config["certificateValidityPeriod"] = self.validity_s
        write_atomically(self._path("pebble.json"), json.dumps({"pebble": config}, indent=1) + "\n")

    def fetch_roots(self):
        """Adds the roots of the running Pebble to roots_file: it makes new ones at each start."""
        roots = ""
        for number in range(8):
            status, body = https_get("127.0.0.1", self.pebble_management, f"/roots/{number}",
                                     self.ca.ca_file)
            if status != 200:
                break
            roots += body.decode()
        known = ""
        if os.path.exists(self.roots_file):
            with open(self.roots_file) as file:
                known = file.read()
        if roots and roots not in known:
            write_atomically(self.roots_file, known + roots)
        return bool(roots)

    def variables(self):
        """The LAB_* of lab.env."""
        pids = {f"LAB_PID_{name.upper()}": str(self.processes[name].pid)
                for name in ("front", "issuer", "dns", "pebble")}
        return {"LAB_DIRECTORY": self.directory, "LAB_CA_FILE": self.ca.ca_file,
                "LAB_ROOTS_FILE": self.roots_file, "LAB_ZONE": self.zone,
                "LAB_DNS_HOST": self.address, "LAB_DNS_PORT": str(self.dns_port),
                "LAB_STORE": self.store, "LAB_CONFIG": self.config_file,
                "LAB_PEBBLE_DIRECTORY": self.pebble_directory,
                "LAB_PEBBLE_CA_FILE": self.ca.ca_file, **pids}

    def write_environment(self):
        write_atomically(self._path("lab.env"), "".join(
            f"{name}={shlex.quote(value)}\n" for name, value in self.variables().items()))

    # Processes --------------------------------------------------------------------------------

    def _start(self, name, command, environment=None):
        process = self.processes.get(name)
        if process is None:
            process = Process(name, command, self._path(f"{name}.log"), environment)
            self.processes[name] = process
        return process.start()

    def start_pebble(self):
        resolver = self.unbound_port or self.dns_port
        host = "127.0.0.1" if self.unbound_port else self.address
        environment = {**PEBBLE_DEFAULTS, **os.environ, **self.pebble_environment}
        process = self._start("pebble", ["pebble", "-strict", "-config", self._path("pebble.json"),
                                         "-dnsserver", f"{host}:{resolver}"], environment)
        wait_for(lambda: process.check() and https_get("127.0.0.1", self.pebble_port, "/dir",
                                                       self.ca.ca_file)[0] == 200, "Pebble")
        self.fetch_roots()

    def start_unbound(self):
        write_atomically(self._path("unbound.conf"), UNBOUND.format(
            folder=self.folder, address="127.0.0.1", port=self.unbound_port, zone=self.zone,
            tld=self.zone.rsplit(".", 1)[-1], dns_address=self.address, dns_port=self.dns_port))
        process = self._start("unbound", ["unbound", "-d", "-c", self._path("unbound.conf")])
        wait_for(lambda: process.check() and dns_query("127.0.0.1", self.unbound_port, self.zone, 6),
                 "Unbound")

    def start_role(self, role, ready_s=20.0):
        """Starts a role of the relay and waits until it serves."""
        ready = self._path(f"{role}.ready")
        if os.path.exists(ready):
            os.remove(ready)
        command = [os.path.join(self.bin, "latchkey-relay"), "--config", self.config_file, role]
        process = self._start(role, command)
        if ready_s:
            self.wait_role(role, ready_s)
        return process

    def wait_role(self, role, seconds=20.0):
        process = self.processes[role]
        serving = {"dns": self._dns_serves, "front": self._front_serves,
                   "issuer": lambda: os.path.exists(self._path("issuer.ready"))}[role]
        wait_for(lambda: process.check() and serving(), f"role {role}", seconds)

    def _dns_serves(self):
        rcode, authoritative, _ = dns_query(self.address, self.dns_port, self.zone, 6, 0.5)
        return rcode == 0 and authoritative

    def _front_serves(self):
        return https_get(self.address, self.front_port, "/acme/directory", self.ca.ca_file,
                         name="localhost")[0] == 200

    def _own_certificate_serves(self):
        """The front shows, for its own name, a certificate that the CA has issued."""
        return https_get(self.address, self.front_port, "/acme/directory", self.roots_file,
                         name=f"relay.{self.zone}")[0] == 200

    def prepare(self):
        """Makes the certificates and configurations."""
        for name in ("pebble", "openssl") + (("unbound",) if self.unbound_port else ()):
            if shutil.which(name) is None:
                raise TestbedError(f"'{name}' is not installed: deploy/install-packages demo test")
        self.ca.make()
        key, pem = self.ca.issue("pebble", ["localhost", "pebble"], ["127.0.0.1", "::1"])
        self.ca.issue("front", ["localhost", f"relay.{self.zone}"],
                      sorted({"127.0.0.1", "::1", self.address}))
        os.makedirs(self.store, mode=0o700, exist_ok=True)
        self._write_pebble_config(key, pem)
        self.write_config()

    def start(self):
        self.prepare()
        try:
            self.start_role("dns")
            if self.unbound_port:
                self.start_unbound()
            self.start_pebble()
            self.start_role("front", ready_s=None)
            self.start_role("issuer", ready_s=None)
            self.wait_role("front")
            self.wait_role("issuer")
            wait_for(self._own_certificate_serves, "the relay's own certificate", 30)
        except BaseException:
            self.stop()
            raise
        self.write_environment()
        return self

    def restart(self, name, number=signal.SIGTERM):
        """Ends one program by the signal NUMBER and starts it again."""
        process = self.processes[name]
        if number == signal.SIGKILL:
            process.kill()
        else:
            process.stop()
        self.revive(name)

    def revive(self, name):
        """Starts a program that has ended."""
        if name == "pebble":
            self.start_pebble()
        elif name == "unbound":
            self.start_unbound()
        else:
            self.start_role(name)
        self.write_environment()

    def revive_ended(self):
        """Starts whatever has ended by itself; returns the names."""
        ended = [name for name, process in self.processes.items() if not process.running()]
        for name in ended:
            self.revive(name)
        return ended

    def stop(self):
        """Ends everything, first what depends on others. Returns {name: exit status}."""
        results = {}
        for name in ("issuer", "front", "dns", "unbound", "pebble"):
            if name in self.processes:
                results[name] = self.processes[name].stop()
        return results

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Agent:
    """A device: latchkey's agent with a configuration and a state folder of its own.

    prefix: a command that runs the programs elsewhere, such as in a network namespace. settings: keys
    of [device] over the defaults here.
    """

    def __init__(self, folder, bin, directory, ca_file, listen, prefix=(), settings=None):
        self.folder, self.bin, self.prefix = os.path.abspath(folder), bin, list(prefix)
        self.config_file = os.path.join(self.folder, "device.conf")
        self.state_folder = os.path.join(self.folder, "state")
        os.makedirs(self.folder, exist_ok=True)
        values = {"relay": directory, "state_folder": self.state_folder, "serve": listen,
                  "http": "none", "mdns": "no", "doh": "none", "volatile_state": "yes",
                  "ca_file": ca_file, "log": "debug", **(settings or {})}
        write_atomically(self.config_file, "[device]\n" + "".join(
            f"{key} = {value}\n" for key, value in values.items()))
        self.process = Process("agent", self.command("run"), os.path.join(self.folder, "agent.log"))

    def command(self, name, *arguments):
        return self.prefix + [os.path.join(self.bin, "latchkey"), name, "--config", self.config_file,
                              *arguments]

    def start(self):
        self.process.start()
        return self

    def stop(self):
        return self.process.stop()

    def status(self):
        """`latchkey status --json`; None while the agent does not answer."""
        done = subprocess.run(self.command("status", "--json"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if done.returncode != 0:
            return None
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def wait_trusted(self, seconds=60):
        """Waits until it serves a certificate that browsers trust; returns its status."""
        def trusted():
            self.process.check()
            status = self.status()
            return status if status and status.get("serving") == "trusted" else None
        return wait_for(trusted, "a trusted certificate", seconds, 0.05)
