"""deploy/install-relay, as far as it goes without a machine of its own (test_packages.py goes all the way): what it
finds out, what it writes, and what it refuses. A clouds' metadata service is played on loopback."""
import functools
import http.server
import ipaddress
import json
import os
import subprocess
import sys
import tarfile
import threading

import pytest

import conftest

INSTALLER = os.path.join(conftest.TOP, "deploy", "install-relay")
sys.path.insert(0, os.path.join(conftest.TOP, "deploy", "installer"))

import addresses  # noqa: E402
import host  # noqa: E402
import packages  # noqa: E402
import settings  # noqa: E402
import waiting  # noqa: E402

PUBLIC, PRIVATE, PUBLIC6 = "5.6.7.8", "10.1.2.3", "2a00:1:2::3"
CLOUDS = {  # path, what must be asked with
    "Google Cloud": ("/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip",
                     ("Metadata-Flavor", "Google")),
    "Azure": ("/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress", ("Metadata", "true")),
    "Hetzner": ("/hetzner/v1/metadata/public-ipv4", None),
    "DigitalOcean": ("/metadata/v1/interfaces/public/0/ipv4/address", None),
    "EC2": ("/latest/meta-data/public-ipv4", ("X-aws-ec2-metadata-token", "a-token")),
    "an EC2-like cloud": ("/latest/meta-data/public-ipv4", None),
}


class Metadata(http.server.BaseHTTPRequestHandler):
    cloud, answer = None, PUBLIC

    def reply(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        good = self.cloud == "EC2" and self.path == "/latest/api/token" and \
            self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.reply(200, "a-token") if good else self.reply(405)

    def do_GET(self):
        path, header = CLOUDS[self.cloud]
        if self.path.partition("?")[0] != path:
            self.reply(404)
        elif header is not None and self.headers[header[0]] != header[1]:
            self.reply(401)
        else:
            self.reply(200, self.answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def metadata():
    """(base URL, set(cloud, answer))"""
    handler = type("Handler", (Metadata,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def set_cloud(cloud, answer=PUBLIC):
        handler.cloud, handler.answer = cloud, answer
    yield f"http://127.0.0.1:{server.server_port}", set_cloud
    server.shutdown()
    server.server_close()


def machine(*entries, default="eth0"):
    """What `ip -j` says on a machine whose interfaces have these: (device, address, further fields)."""
    interfaces = [{"ifname": device, "addr_info": [{"local": address, "scope": "global", **more}]}
                  for device, address, more in entries]

    def ask(*words):
        return interfaces if words == ("addr",) else [{"dst": "default", "dev": default}]
    return ask


NAT = machine(("docker0", "172.17.0.1", {}), ("eth0", PRIVATE, {}))


def pairs(found):
    return [(str(address.public), str(address.listen)) for address in found]


# --- addresses ---

@pytest.mark.parametrize("cloud", CLOUDS)
def test_behind_a_clouds_nat(metadata, cloud):
    """It listens on the private address and tells the world the public one."""
    base, set_cloud = metadata
    set_cloud(cloud)
    found = addresses.find([], base, NAT)
    assert pairs(found) == [(PUBLIC, PRIVATE)] and found[0].source == f"metadata of {cloud}"
    assert found[0].behind_nat()


@pytest.mark.parametrize("answer", ["", "10.0.0.1", "<html>", "5.6.7.8\n5.6.7.9", "x" * 5000, "127.0.0.1", "::1"])
def test_metadata_that_is_none(metadata, answer):
    base, set_cloud = metadata
    set_cloud("Hetzner", answer)
    with pytest.raises(host.InstallError, match="--address"):
        addresses.find([], base, NAT)


def test_metadata_that_hangs(monkeypatch):
    """A service that takes the connection and says nothing costs one deadline, not one for each cloud."""
    import socket
    monkeypatch.setattr(addresses, "ANSWER_S", 0.2)
    asked = []
    monkeypatch.setattr(addresses, "fetch", lambda *words, real=addresses.fetch, **more:
                        asked.append(words) or real(*words, **more))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert addresses.public_ipv4(f"http://127.0.0.1:{silent.getsockname()[1]}") is None
    assert len(asked) == 1


def test_on_the_interface():
    ask = machine(("eth0", PUBLIC, {}), ("eth0", PUBLIC6, {}), ("eth0", "fd00::1", {}),
                  ("eth0", "2a00:1:2::9", {"temporary": True}), ("eth0", "2a00:1:2::8", {"deprecated": True}))
    assert pairs(addresses.find([], "http://127.0.0.1:1", ask)) == [(PUBLIC, PUBLIC), (PUBLIC6, PUBLIC6)]


def test_nat_with_ipv6_on_the_interface(metadata):
    base, set_cloud = metadata
    set_cloud("EC2")
    ask = machine(("eth0", PRIVATE, {}), ("eth0", PUBLIC6, {}))
    assert pairs(addresses.find([], base, ask)) == [(PUBLIC, PRIVATE), (PUBLIC6, PUBLIC6)]


def test_the_flag_wins(metadata):
    base, set_cloud = metadata
    set_cloud("EC2")
    assert pairs(addresses.find(["5.6.7.9"], base, NAT)) == [("5.6.7.9", PRIVATE)]


@pytest.mark.parametrize("text,says", [("relay", "no IP address"), (PUBLIC6, "no interface")])
def test_a_wrong_flag(text, says):
    with pytest.raises(host.InstallError, match=says):
        addresses.find([text], "http://127.0.0.1:1", NAT)


# --- what is written ---

def delegation(zone, registered=False, found=((PUBLIC, PRIVATE), (PUBLIC6, PUBLIC6))):
    return settings.Delegation(zone, [addresses.Address(*pair, "test") for pair in found], registered)


def test_records_of_the_simplest_delegation():
    text = delegation("lan.example.com").text()
    lines = [line.split() for line in text.splitlines() if line.startswith("    ")]
    assert lines == [["lan", "NS", "ns-lan.example.com."], ["ns-lan", "A", PUBLIC], ["ns-lan", "AAAA", PUBLIC6]]


@pytest.mark.parametrize("zone,registered", [("example.com", False), ("example.co.uk", True)])
def test_registrars_form(zone, registered):
    text = delegation(zone, registered).text()
    assert f"ns1.{zone}    {PUBLIC} {PUBLIC6}" in text and f"ns2.{zone}    {PUBLIC}" in text


@pytest.mark.parametrize("zone,registered", [("lan.example.com", False), ("example.com", True)])
def test_configuration_is_good(tmp_path, zone, registered):
    """The roles' own reader takes it, and it says what was found."""
    text = settings.config_text(delegation(zone, registered), "https://ca.test/dir", "ca.test", None)
    path = tmp_path / "relay.conf"
    path.write_text(text)
    done = subprocess.run([conftest.program("latchkey-relay"), "--config", path, "--check"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and done.stdout == f"{path}: good\n", done.stdout
    assert settings.value(text, "dns", "listen") == f"{PRIVATE}:53 [{PUBLIC6}]:53"
    assert settings.value(text, "dns", "hosts") == f"relay={PUBLIC},{PUBLIC6}"
    assert settings.value(text, "issuer", "check_name_servers") == f"{PRIVATE}:53 [{PUBLIC6}]:53"
    # The dashboard at once, for this machine alone; whom to tell is the operator's to say.
    assert settings.value(text, "admin", "listen") == "127.0.0.1:9440" and f"root@{PUBLIC}" in text
    assert settings.value(text, "alert", "command") is None and "\n[alert]\n" in text and "\n#command = /" in text
    other = settings.with_directory(text, "https://ca.test/dir", "https://other.test/dir")
    assert settings.value(other, "issuer", "directory") == "https://other.test/dir"
    assert other.replace("other.test", "ca.test") == text


def test_sockets_are_never_the_wildcard():
    for role in settings.SOCKETS:
        lines = [line for line in settings.socket_text(role, delegation("lan.example.com").addresses).splitlines()
                 if line.startswith("Listen")]
        assert len(lines) == {"front": 2, "dns": 4}[role]
        for line in lines:
            address = line.partition("=")[2].rpartition(":")[0].strip("[]")
            assert not ipaddress.ip_address(address).is_unspecified


@pytest.mark.parametrize("zone", ["example", "-a.example.com", "a b.example.com", "ü.example.com", "a..com", "*.a.com"])
def test_no_zone(zone):
    with pytest.raises(host.InstallError, match="can't be a zone"):
        settings.check_zone(zone)


# --- what is waited for ---

def verdict(code, level="ok"):
    return {"code": code, "level": level, "where": "x", "text": "y", "mend": ""}


@pytest.mark.parametrize("codes,done", [
    (["delegated", "public-sees", "public-sees"], True), (["delegated", "public-sees", "public-blind"], False),
    (["udp-silent", "tcp-silent", "public-sees", "public-sees"], True), (["delegated", "serves"], False),
    (["public-sees"], True), (["public-silent", "public-silent"], False)])
def test_two_resolvers_must_see_it(codes, done):
    """What this machine sees of its own public address says nothing: behind NAT it may see none."""
    assert waiting.judge([verdict(code) for code in codes], True)[0] is done


def test_waiting_says_what_changes(monkeypatch):
    """Each thing seen is said once; the deadline tells how to go on."""
    said, views = [], iter([(False, "a"), (False, "a"), (False, "b"), (True, "c")])
    monkeypatch.setattr(waiting, "LOOK_S", 0)
    machine = host.Host(out=said.append)
    waiting.wait(machine, lambda: next(views), None, "it")
    assert [line.split()[-1] for line in said] == ["a", "b", "c"]
    with pytest.raises(host.InstallError, match="same command again"):
        waiting.wait(machine, lambda: (False, "no"), 0, "it")


# --- a release ---

def make_release(folder, damage=None):
    deb = folder / "latchkey-relay_9.9_all.deb"
    deb.write_bytes(b"a package")
    sums = f"{packages.digest(deb)}  {deb.name}\n"
    if damage == "package":
        deb.write_bytes(b"another")
    (folder / "SHA256SUMS").write_text(sums)
    archive = folder / "release.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("SHA256SUMS", deb.name):
            tar.add(folder / name, name)
        if damage == "name":
            tar.add(deb, "../outside.deb")
    (folder / "release.tar.sha256").write_text(f"{packages.digest(archive)}  release.tar\n")
    if damage == "archive":
        with open(archive, "ab") as file:
            file.write(b"\0")
    if damage == "sum":
        os.unlink(folder / "release.tar.sha256")
    return str(archive)


@pytest.mark.parametrize("damage,says", [("archive", "damaged"), ("package", "damaged"), ("sum", "checksum")])
def test_a_damaged_release(tmp_path, damage, says):
    (tmp_path / "to").mkdir()
    with pytest.raises(host.InstallError, match=says):
        packages.unpack_release(make_release(tmp_path, damage), None, str(tmp_path / "to"))


def test_a_release(tmp_path):
    (tmp_path / "deep" / "to").mkdir(parents=True)
    found = packages.unpack_release(make_release(tmp_path, "name"), None, str(tmp_path / "deep" / "to"))
    with open(found, "rb") as file:
        assert file.read() == b"a package"
    assert not os.path.exists(tmp_path / "deep" / "outside.deb")
    with pytest.raises(host.InstallError, match="damaged"):
        packages.unpack_release(str(tmp_path / "release.tar"), "0" * 64, str(tmp_path / "deep" / "to"))


def test_a_release_by_plain_http(tmp_path):
    """What root will run is not verified by a checksum that the same stranger may have written."""
    folder = tmp_path / "to"
    folder.mkdir()
    archive = make_release(tmp_path)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/release.tar"
        with pytest.raises(host.InstallError, match="give --sha256"):
            packages.unpack_release(url, None, str(folder))
        assert os.path.exists(packages.unpack_release(url, packages.digest(archive), str(folder)))
    finally:
        server.shutdown()
        server.server_close()


# --- the program ---

def fresh_root(folder):
    """As much of a Debian as a dry run looks at."""
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    return folder


def tree(folder):
    return sorted((str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def install(root, *words):
    return subprocess.run([INSTALLER, "--root", root, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)


def test_dry_run(tmp_path, metadata):
    """It says each step in order, and leaves the machine as it was."""
    conftest.need("ip")
    base, set_cloud = metadata
    set_cloud("EC2")
    root = fresh_root(tmp_path / "root")
    before = tree(root)
    done = install(root, "lan.example.com", "--agree-tos", "--dry-run", "--metadata", base)
    assert done.returncode == 0, done.stdout
    assert tree(root) == before
    steps = [f"public address {PUBLIC}", "would get the package", "would write /etc/latchkey/relay.conf",
             "latchkey-dns.socket.d/addresses.conf", "would run systemctl enable", "would run systemctl start",
             "ns-lan.example.com.", "would wait until two public resolvers", "trial directory",
             "would switch to the CA's own directory", "would wait for the relay's own", "7 new devices"]
    places = [done.stdout.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), done.stdout


@pytest.mark.parametrize("words,says", [
    (["lan.example.com"], "--agree-tos"), (["example", "--agree-tos"], "can't be a zone"), ([], "which zone"),
    (["lan.example.com", "--agree-tos", "--address", "x"], "no IP address"),
    (["lan.example.com", "--purge-data"], "--uninstall")])
def test_what_is_wrong_is_said(tmp_path, words, says):
    done = install(fresh_root(tmp_path / "root"), "--dry-run", *words)
    assert done.returncode != 0 and says in done.stdout, done.stdout


def test_not_on_another_system(tmp_path):
    root = fresh_root(tmp_path / "root")
    (root / "etc" / "os-release").write_text('ID=fedora\nVERSION_ID=39\nPRETTY_NAME="Fedora 39"\n')
    done = install(root, "lan.example.com", "--agree-tos", "--dry-run")
    assert done.returncode == 1 and "Fedora 39" in done.stdout, done.stdout


def test_a_port_that_is_taken(tmp_path):
    """Named before anything is installed."""
    import socket
    root = fresh_root(tmp_path / "root")
    conftest.need_root()
    held = [entry["local"] for interface in addresses.ip_json("addr") for entry in interface["addr_info"]
            if entry["scope"] == "global" and entry["family"] == "inet"]
    if not held:
        pytest.skip("this machine has no address beside loopback")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.bind((held[0], 53))
        done = install(root, "lan.example.com", "--agree-tos", "--address", held[0])
    assert done.returncode == 1 and f"port 53 of {held[0]} is not free" in done.stdout, done.stdout
    assert not (root / "etc" / "latchkey").exists()


def test_a_dry_uninstall_and_upgrade(tmp_path):
    root = fresh_root(tmp_path / "root")
    done = install(root, "--uninstall", "--dry-run")
    assert done.returncode == 0 and "stay" in done.stdout, done.stdout
    done = install(root, "--upgrade", "--dry-run")
    assert done.returncode == 1 and "nothing to upgrade" in done.stdout, done.stdout


# --- units ---

@pytest.fixture(scope="module")
def units(tmp_path_factory):
    folder = tmp_path_factory.mktemp("relay")
    conftest.run(["cmake", "--install", conftest.BUILD, "--component", "relay", "--prefix", "/usr"],
                 env={**os.environ, "DESTDIR": str(folder)})
    return folder / "usr" / "lib" / "systemd" / "system"


@pytest.mark.parametrize("name", ["front", "issuer", "dns", "admin", "relay-backup"])
def test_units_are_hardened(units, name):
    conftest.need("systemd-analyze")
    done = conftest.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", "--json=short",
                         str(units / f"latchkey-{name}.service")])
    assert json.loads(done.stdout)


def test_units_are_understood(units, tmp_path):
    """systemd's own reader has nothing to say about any of them, with the addresses that the installer adds."""
    conftest.need("systemd-analyze")
    program = tmp_path / "latchkey-relay"
    program.symlink_to("/bin/true")
    for path in units.iterdir():
        text = path.read_text().replace("/usr/bin/latchkey-relay", str(program))
        text = "\n".join(line for line in text.splitlines() if not line.startswith("Documentation="))
        (tmp_path / path.name).write_text(text)
    for role in settings.SOCKETS:
        folder = tmp_path / f"latchkey-{role}.socket.d"
        folder.mkdir()
        (folder / "addresses.conf").write_text(settings.socket_text(role, delegation("lan.example.com").addresses))
    names = sorted(path.name for path in units.iterdir())
    assert len(names) == 9, names
    done = subprocess.run(["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"})
    said = [line for line in done.stdout.splitlines() if "latchkey" in line]
    assert not said and done.returncode == 0, done.stdout


def test_cloud_init(tmp_path):
    """User data that cloud-init can read, whose script and unit are whole."""
    yaml = pytest.importorskip("yaml")
    conftest.need("shellcheck")
    with open(os.path.join(conftest.TOP, "deploy", "cloud-init.yaml")) as file:
        text = file.read()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    written = {entry["path"]: entry["content"] for entry in data["write_files"]}
    script = tmp_path / "first-boot"
    script.write_text(written["/usr/local/sbin/latchkey-first-boot"])
    conftest.run(["shellcheck", "-e", "SC1091", script])
    names = set(line.partition("=")[0] for line in written["/etc/latchkey/first-boot.env"].splitlines() if "=" in line)
    assert names == {"ZONE", "RELEASE", "SHA256", "OPTIONS"}
    assert written["/etc/systemd/system/latchkey-install.service"].count("ExecStart=/usr/local/sbin/latchkey-first-boot")
    assert ["systemctl", "start", "--no-block", "latchkey-install.service"] in data["runcmd"]


def test_scripts():
    conftest.need("shellcheck")
    deploy = os.path.join(conftest.TOP, "deploy")
    scripts = [os.path.join(deploy, "install-relay"), os.path.join(deploy, "build-packages")]
    for where, _, names in os.walk(os.path.join(deploy, "debian")):
        scripts += [os.path.join(where, name) for name in names if name in ("postinst", "prerm", "postrm")]
    assert len(scripts) == 8
    conftest.run(["shellcheck", *scripts])
