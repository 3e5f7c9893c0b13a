"""The Debian packages: built, judged by lintian, and (in the long lane, as it makes a Debian of its own) installed in a
root folder by deploy/install-relay, run from there under the relay's real users, and used by the packaged agent.
LATCHKEY_PACKAGES names a folder of packages that are built already."""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import cloud_world
import conftest
import testbed

DEPLOY = os.path.join(conftest.TOP, "deploy")
NAMES = {"latchkey-relay", "latchkey-agent", "liblatchkey0", "liblatchkey-curl0", "liblatchkey-dev"}
BUILDER = {"DEBFULLNAME": "latchkey tests", "DEBEMAIL": "tests@latchkey.org"}
TRIAL, PRODUCTION = 14000, 15000
ZONE = "lan.home.test"


# --- the packages ---

def build(folder):
    if os.environ.get("LATCHKEY_PACKAGES"):
        return os.environ["LATCHKEY_PACKAGES"]
    # With the flags of the release build that the same run makes: the compiler's cache then has half of it.
    conftest.run([os.path.join(DEPLOY, "build-packages"), "--jobs", "2", "--cmake", "-DLATCHKEY_WERROR=ON", "--build",
                  os.path.join(conftest.BUILD, "package"), folder],
                 timeout=840, env={**os.environ, **BUILDER})
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Package name to file."""
    conftest.need("cpack", "dpkg-shlibdeps", "file")
    folder = build(str(tmp_path_factory.mktemp("packages")))
    found = {name.split("_")[0]: os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb")}
    assert set(found) == NAMES
    return found


def field(package, name):
    return conftest.run(["dpkg-deb", "-f", package, name]).stdout.strip()


def files(package):
    """Path to (mode, owner)."""
    lines = conftest.run(["dpkg-deb", "-c", package]).stdout.splitlines()
    return {line.split()[5].lstrip("."): tuple(line.split()[:2]) for line in lines}


def test_lintian(packages):
    conftest.need("lintian")
    done = conftest.run(["lintian", "--no-cfg", "--fail-on", "error", *packages.values()], check=False, timeout=300)
    assert done.returncode == 0 and "E: " not in done.stdout, done.stdout


def test_dependencies(packages):
    """Of what the programs link, by Debian's own tool; the library needs no curl, the relay no QR codes."""
    relay, agent = field(packages["latchkey-relay"], "Depends"), field(packages["latchkey-agent"], "Depends")
    for name in ("libsqlite3-0", "libldns3", "libevent-core", "libssl3", "systemd", "ca-certificates"):
        assert name in relay, relay
    assert "libqrencode" in agent and "libqrencode" not in relay and "sqlite" not in agent
    assert "curl" not in field(packages["liblatchkey0"], "Depends")
    assert "libcurl4" in field(packages["liblatchkey-curl0"], "Depends")
    assert "liblatchkey0 (=" in field(packages["liblatchkey-dev"], "Depends")


def test_contents(packages):
    for name, package in packages.items():
        found = files(package)
        for document in ("changelog.gz", "copyright"):
            assert f"/usr/share/doc/{name}/{document}" in found
        assert all(path.endswith((".gz", "/")) for path in found if "/man/" in path), name
        assert all(owner == "root/root" for _, owner in found.values())
    agent = files(packages["latchkey-agent"])
    assert agent["/etc/latchkey/device.conf"][0] == "-rw-------"
    conffiles = subprocess.run(["dpkg-deb", "--ctrl-tarfile", packages["latchkey-agent"]], stdout=subprocess.PIPE).stdout
    assert b"/etc/latchkey/device.conf\n" in conffiles
    relay = files(packages["latchkey-relay"])
    for path in ("/usr/bin/latchkey-relay", "/usr/sbin/latchkey-install-relay", "/usr/lib/sysusers.d/latchkey-relay.conf",
                 "/usr/lib/systemd/system/latchkey-dns.socket", "/usr/share/latchkey/installer/__main__.py"):
        assert path in relay


def test_nothing_of_the_build_machine(packages, tmp_path):
    for name, package in packages.items():
        conftest.run(["dpkg-deb", "-x", package, str(tmp_path / name)])
        for where, _, names in os.walk(tmp_path / name):
            for file in names:
                path = os.path.join(where, file)
                if not os.path.islink(path):
                    with open(path, "rb") as opened:
                        assert conftest.TOP.encode() not in opened.read(), path


def test_packed_again_it_is_the_same(packages, tmp_path):
    if os.environ.get("LATCHKEY_PACKAGES"):
        pytest.skip("LATCHKEY_PACKAGES is set")
    build(str(tmp_path))
    for name in os.listdir(tmp_path):
        if name.endswith(".deb"):
            with open(tmp_path / name, "rb") as one, open(packages[name.split("_")[0]], "rb") as other:
                assert hashlib.sha256(one.read()).digest() == hashlib.sha256(other.read()).digest(), name


# --- a Debian of its own ---

def apt_source():
    """(mirror, keyring) of Debian itself, as this machine's apt has it."""
    where = ["/etc/apt/sources.list"]
    if os.path.isdir("/etc/apt/sources.list.d"):
        where += [os.path.join("/etc/apt/sources.list.d", name) for name in sorted(os.listdir("/etc/apt/sources.list.d"))]
    for path in where:
        if not os.path.exists(path):
            continue
        with open(path) as file:
            text = file.read()
        found = re.search(r"^deb\s+(?:\[.*?\]\s+)?(\S+)\s+bookworm\s", text, re.M)
        if found:
            return found[1]
        for block in text.split("\n\n"):
            uri = re.search(r"^URIs:\s*(\S+)", block, re.M)
            if uri and re.search(r"^Suites:.*\bbookworm\b(?!-)", block, re.M):
                return uri[1]
    pytest.skip("apt has no source of Debian 12 here")


def dependencies(packages):
    names = {"systemd", "ca-certificates", "openssl"}
    for name in ("latchkey-relay", "latchkey-agent"):
        names |= {part.split()[0] for part in field(packages[name], "Depends").split(",")}
    return sorted(names)


@pytest.fixture(scope="module")
def debian(packages):
    """A root folder with a minimal Debian 12 and what the packages depend on; made once for a build folder."""
    conftest.need_root()
    conftest.need("debootstrap", "pebble", "ip")
    archive = os.path.join(conftest.BUILD, "debian12.tar")
    # A short name: sockets are made in it.
    root = tempfile.mkdtemp(prefix="lk-root-", dir="/tmp")
    os.chmod(root, 0o755)
    try:
        if not os.path.exists(archive):
            conftest.run(["debootstrap", "--variant=minbase", f"--include={','.join(dependencies(packages))}",
                          "bookworm", root, apt_source()], timeout=840)
            conftest.run(["tar", "-C", root, "-cf", archive + ".part", "."], timeout=300)
            os.rename(archive + ".part", archive)
        else:
            conftest.run(["tar", "-C", root, "-xf", archive], timeout=300)
        conftest.run(["mount", "-t", "proc", "proc", os.path.join(root, "proc")])
        yield root
    finally:
        subprocess.run(["umount", os.path.join(root, "proc")], stderr=subprocess.DEVNULL)
        shutil.rmtree(root)


class Cloud:
    """A VM behind a cloud's NAT in a network namespace, whose disk is the root folder ROOT: what cloud_world.py plays,
    two Pebbles (the CA's trial and the CA), and a service manager."""

    def __init__(self, root, folder, packages):
        self.root, self.folder, self.packages = root, str(folder), packages
        self.namespace = f"lki{os.getpid()}"
        self.ca = testbed.Authority(self.folder)
        self.processes = []
        self.release = next(os.path.join(os.path.dirname(packages["latchkey-relay"]), name)
                            for name in os.listdir(os.path.dirname(packages["latchkey-relay"]))
                            if name.endswith(".tar"))

    def inside(self, *command):
        return ["ip", "netns", "exec", self.namespace, *command]

    def in_root(self, *command, check=True):
        return conftest.run(self.inside("chroot", self.root, *command), check=check)

    def path(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path):
        with open(self.path(path)) as file:
            return file.read()

    def spawn(self, name, *command, environment=None):
        process = testbed.Process(name, self.inside(*command), os.path.join(self.folder, f"{name}.log"), environment)
        self.processes.append(process)
        process.start()
        return process

    def roots(self, port):
        """The root certificates of the Pebble on PORT, in a file."""
        path = os.path.join(self.folder, f"roots-{port}.pem")
        done = conftest.run(self.inside("curl", "-s", "--cacert", self.ca.ca_file,
                                        f"https://127.0.0.1:{port + 1}/roots/0"), check=False)
        if "BEGIN CERTIFICATE" in done.stdout:
            testbed.write_atomically(path, done.stdout)
        return path

    def start_pebble(self, port):
        testbed.write_atomically(os.path.join(self.folder, f"pebble-{port}.json"), testbed.json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{port}", "managementListenAddress": f"127.0.0.1:{port + 1}",
            "certificate": os.path.join(self.folder, "pebble.pem"),
            "privateKey": os.path.join(self.folder, "pebble.key"), "httpPort": 5002, "tlsPort": 5001,
            "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        self.spawn(f"pebble-{port}", "pebble", "-strict", "-config", os.path.join(self.folder, f"pebble-{port}.json"),
                   "-dnsserver", f"{cloud_world.PRIVATE}:53",
                   environment={**testbed.PEBBLE_DEFAULTS, **os.environ})
        testbed.wait_for(lambda: os.path.exists(self.roots(port)), f"Pebble on {port}", step_s=0.2)

    def up(self):
        for command in (["ip", "netns", "add", self.namespace],
                        ["ip", "-n", self.namespace, "link", "set", "lo", "up"],
                        ["ip", "-n", self.namespace, "link", "add", "eth0", "type", "veth", "peer", "cloud"],
                        ["ip", "-n", self.namespace, "link", "set", "cloud", "up"],
                        ["ip", "-n", self.namespace, "addr", "add", f"{cloud_world.PRIVATE}/24", "dev", "eth0"],
                        ["ip", "-n", self.namespace, "link", "set", "eth0", "up"],
                        ["ip", "-n", self.namespace, "route", "add", "default", "via", "10.1.2.1"]):
            conftest.run(command)
        for address in (cloud_world.PUBLIC, "169.254.169.254"):
            conftest.run(["ip", "-n", self.namespace, "addr", "add", f"{address}/32", "dev", "lo", "scope", "host"])
        self.ca.make()
        self.ca.issue("pebble", ["localhost"], ["127.0.0.1"])
        self.ca.issue("doh", [], [cloud_world.RESOLVER])
        shutil.copy(self.ca.ca_file, self.path("/etc/test-ca.pem"))
        testbed.write_atomically(self.path("/etc/resolv.conf"), f"nameserver {cloud_world.RESOLVER}\n")
        here = os.path.dirname(os.path.abspath(__file__))
        for name, words in (("world", ("cloud_world.py", f"{self.folder}/doh.pem", f"{self.folder}/doh.key")),
                            ("manager", ("service_manager.py", self.root, self.folder))):
            process = self.spawn(name, "/usr/bin/python3", os.path.join(here, words[0]), *words[1:])
            testbed.wait_for(lambda process=process: process.check() and "ready" in process.log(), name)
        for port in (TRIAL, PRODUCTION):
            self.start_pebble(port)
        return self

    def down(self):
        for process in reversed(self.processes):
            process.stop()
        subprocess.run(["ip", "netns", "del", self.namespace])

    def command(self, *words):
        options = [f"--check-option={word}" for word in (
            "--resolver", cloud_world.RESOLVER, "--ca-file", "/etc/test-ca.pem", "--doh",
            f"https://{cloud_world.RESOLVER}:4443/dns-query", "--doh", f"https://{cloud_world.RESOLVER}:4444/dns-query")]
        return self.inside(
            os.path.join(DEPLOY, "install-relay"), "--root", self.root, "--agree-tos", "--release", self.release,
            "--directory", f"https://127.0.0.1:{PRODUCTION}/dir", "--trial-directory", f"https://127.0.0.1:{TRIAL}/dir",
            "--ca-name", "pebble.test", "--ca-file", "/etc/test-ca.pem", "--wait", "120",
            "--roots-file", self.roots(PRODUCTION), *options, *words)

    def install(self, *words):
        return conftest.run(self.command(*words), timeout=400).stdout


@pytest.fixture(scope="module")
def cloud(debian, packages, tmp_path_factory):
    cloud = Cloud(debian, tmp_path_factory.mktemp("cloud"), packages)
    try:
        yield cloud.up()
    finally:
        cloud.down()


def test_from_a_fresh_debian_to_a_relay(cloud):
    """One command: it waits for the delegation and says so, tries the CA's trial, then has its own certificate."""
    installing = testbed.Process("install", cloud.command(ZONE), os.path.join(cloud.folder, "install.log"))
    cloud.processes.append(installing)
    installing.start()
    testbed.wait_for(lambda: installing.check() and "the world does not see" in installing.log(), "the wait", 120, 0.2)
    text = installing.log()
    assert f"public address {cloud_world.PUBLIC} (metadata of Hetzner)" in text
    assert re.search(rf"^    ns-lan +A +{re.escape(cloud_world.PUBLIC)}$", text, re.M), text
    testbed.write_atomically(os.path.join(cloud.folder, "delegated"), "")
    assert installing.child.wait(300) == 0, installing.log()
    text = installing.log()
    assert "serves a certificate of the trial" in text and "serves a certificate that browsers trust" in text
    assert "about 7 new devices" in text
    config = cloud.read("/etc/latchkey/relay.conf")
    assert f"directory = https://127.0.0.1:{PRODUCTION}/dir" in config and str(TRIAL) not in config


def test_each_role_is_a_user(cloud):
    """The roles run as users of their own, and what one writes no other can touch or replace."""
    ids = {line.split(":")[0]: int(line.split(":")[2]) for line in cloud.read("/etc/passwd").splitlines()}
    done = conftest.run(["ps", "-eo", "uid,args"]).stdout
    for role in ("front", "issuer", "dns", "admin"):
        assert re.search(rf"^ *{ids['latchkey-' + role]} +/usr/bin/latchkey-relay {role}$", done, re.M), done
    store = "/var/lib/latchkey"
    assert os.stat(cloud.path(f"{store}/issuer/issuer.db")).st_uid == ids["latchkey-issuer"]
    for name in ("issuer/issuer.db-journal", "front/x", "x", "issuer.db"):
        done = conftest.run(["chroot", "--userspec=latchkey-dns:latchkey", cloud.root, "touch", f"{store}/{name}"], False)
        assert done.returncode != 0, name
    for name in ("secret", "issuer/ca-account.key", "issuer/relay-key.pem"):
        done = conftest.run(["chroot", "--userspec=latchkey-dns:latchkey", cloud.root, "cat", f"{store}/{name}"], False)
        assert done.returncode != 0, name
    done = conftest.run(["chroot", "--userspec=latchkey-dns:latchkey", cloud.root, "head", "-c", "6",
                         f"{store}/issuer/issuer.db"])
    assert done.stdout == "SQLite"


def test_the_dashboard_and_status(cloud):
    """After a plain install there is the dashboard on loopback, and `status` knows of each role."""
    page = conftest.run(cloud.inside("curl", "-s", "http://127.0.0.1:9440/")).stdout
    assert ZONE in page and "Content-Security-Policy" not in page
    done = cloud.in_root("latchkey-relay", "status", "--json", check=False)
    checks = {check["check"]: check for check in testbed.json.loads(done.stdout)["checks"]}
    for role in ("front", "issuer", "dns", "admin"):
        assert checks[role]["level"] == "good" and "since" in checks[role], checks[role]


def test_the_nightly_backup(cloud):
    """The command of its unit, in its sandbox, while the installed roles run; the admin role sees what came of it."""
    script = os.path.join(conftest.HERE, "unit_sandbox.py")
    done = subprocess.run(["/usr/bin/python3", script, cloud.root, "latchkey-relay-backup.service"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done
    path = done.stdout.strip()
    assert os.stat(cloud.path(path)).st_mode & 0o777 == 0o600
    names = cloud.in_root("tar", "-tf", path).stdout.split()
    assert {"front.db", "issuer.db", "secret", "relay-key.pem", "ca-account.key", "relay.conf"} <= set(names)
    done = cloud.in_root("latchkey-relay", "status", check=False)
    assert re.search(r"^good +backup +the last was made \d+ (second|minute)s? ago$", done.stdout, re.M), done.stdout
    cloud.in_root("latchkey-relay", "restore", path, "--into", "/srv/drill")
    assert os.path.exists(cloud.path("/srv/drill/issuer.db"))
    shutil.rmtree(cloud.path("/srv/drill"))


def test_the_packaged_agent(cloud):
    """Installed beside it, enrolled by a token, it serves a certificate that the CA's root vouches for."""
    shutil.copy(cloud.packages["latchkey-agent"], cloud.path("/tmp/agent.deb"))
    cloud.in_root("dpkg", "-i", "/tmp/agent.deb")
    token = cloud.in_root("latchkey-relay", "token", "add", "--label", "first").stdout.split()[-1]
    relay = re.search(r"https://\S+#\S+", cloud.in_root("latchkey-relay", "key").stdout)[0]
    shutil.copy(cloud.roots(PRODUCTION), cloud.path("/etc/test-roots.pem"))
    for path, text in (("/etc/latchkey/token", token + "\n"), ("/etc/latchkey/device.conf", f"""[device]
relay = {relay}
token_file = /etc/latchkey/token
ca_file = /etc/test-roots.pem
serve = {cloud_world.PRIVATE}:8443
http = none
mdns = no
doh = none
volatile_state = yes
""")):
        testbed.write_atomically(cloud.path(path), text)
        os.chmod(cloud.path(path), 0o600)
    cloud.in_root("systemctl", "start", "latchkey.service")

    def trusted():
        done = cloud.in_root("latchkey", "status", "--json", check=False)
        status = testbed.json.loads(done.stdout) if done.returncode == 0 else {}
        return status if status.get("serving") == "trusted" else None
    testbed.wait_for(trusted, "a trusted certificate", 90, 0.5)
    device = cloud.in_root("latchkey-relay", "list").stdout.split()
    identity = next(word for word in device if re.fullmatch(r"[a-z2-7]{32}", word))
    name = f"10-1-2-3.{identity}.{ZONE}"
    done = conftest.run(cloud.inside("curl", "-s", "--cacert", cloud.roots(PRODUCTION), "--resolve",
                                     f"{name}:8443:{cloud_world.PRIVATE}", f"https://{name}:8443/status.json"))
    assert identity in done.stdout


def state(cloud):
    paths = ("/etc/latchkey/relay.conf", "/var/lib/latchkey/secret", "/var/lib/latchkey/issuer/ca-account.key",
             "/var/lib/latchkey/issuer/relay-key.pem", "/etc/systemd/system/latchkey-dns.socket.d/addresses.conf")
    return {path: cloud.read(path) for path in paths}


def test_again_it_changes_nothing(cloud):
    with open(cloud.path("/etc/latchkey/relay.conf"), "a") as file:
        file.write("# the operator's own words\n")
    before = state(cloud)
    text = cloud.install(ZONE)
    assert "write " not in text and "stays as it is" in text, text
    assert state(cloud) == before


def test_it_repairs(cloud):
    """What is missing is made again, and what does not run is started."""
    before = state(cloud)
    os.unlink(cloud.path("/etc/systemd/system/latchkey-dns.socket.d/addresses.conf"))
    cloud.in_root("systemctl", "stop", "latchkey-front.service")
    cloud.install(ZONE)
    assert state(cloud) == before
    cloud.in_root("systemctl", "is-active", "latchkey-front.service")


def test_upgrade(cloud):
    before = state(cloud)
    text = cloud.install("--upgrade")
    assert state(cloud) == before, text
    cloud.in_root("systemctl", "is-active", "latchkey-front.service", "latchkey-dns.service", "latchkey-issuer.service")


def test_another_zone_is_refused(cloud):
    done = conftest.run(cloud.command("other.test"), check=False)
    assert done.returncode == 1 and f"is for the zone '{ZONE}'" in done.stdout, done.stdout


def test_uninstall(cloud):
    """The data stays, and an installation goes on with it; it goes when that is asked for."""
    before = state(cloud)
    cloud.install("--uninstall")
    assert not os.path.exists(cloud.path("/usr/bin/latchkey-relay"))
    assert "latchkey-relay dns" not in conftest.run(["ps", "-eo", "args"]).stdout
    cloud.install(ZONE)
    assert state(cloud) == before
    assert re.search(r"\b[a-z2-7]{32}\b", cloud.in_root("latchkey-relay", "list").stdout)
    cloud.install("--uninstall", "--purge-data")
    assert not os.path.exists(cloud.path("/var/lib/latchkey/issuer"))
    assert not os.path.exists(cloud.path("/etc/latchkey/relay.conf"))
    assert os.path.exists(cloud.path("/etc/latchkey/device.conf"))
