"""What each role of the relay can no longer do once it serves: a helper that confines itself by the role's own rules
tries each act, and the real roles do their work under them. `confined` runs as root here, so that it is not the files'
modes that say no."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import conftest
import pytest
import testbed

CHOSEN_GROUP = 5002
ROLES = ("front", "issuer", "dns", "admin")
DENIED = {"EPERM", "EACCES"}

# What no role may do: system calls that have nothing to do with serving.
NEVER = [("unix", ""), ("netlink", ""), ("packet", ""), ("raw", ""), ("bind", "0"), ("listen", ""), ("exec", "/bin/true"),
         ("fork", ""), ("thread", ""), ("ptrace", ""), ("read-memory", ""), ("signal", ""), ("mount", "/tmp"),
         ("unshare", ""), ("setuid", ""), ("chroot", "/tmp"), ("code", ""), ("limit", ""), ("bpf", ""), ("io-uring", ""),
         ("keyctl", ""), ("privileges", ""), ("read", "/root"), ("read", "/proc/1/environ"), ("read", "/var/lib"),
         ("make", "/tmp/made"), ("make", "/dev/shm/made"), ("write", "/etc/passwd"), ("write", "/proc/self/mem"),
         ("make", "{store}/made"), ("write", "{store}/secret"), ("read", "{store}/relay-key.pem"),
         ("link", "{store}/{role}/own"), ("write", "{config}"), ("make", "{folder}/made")]


@pytest.fixture(scope="module")
def place():
    """A store with a folder for each role, as the packages make it, and a configuration elsewhere."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="latchkey-place-"))
    folder.chmod(0o755)
    store, etc, tls = folder / "store", folder / "etc", folder / "tls"
    for name in (store, etc, tls, *(store / role for role in ROLES)):
        name.mkdir()
    for name in ("secret", "relay-key.pem"):
        (store / name).write_text("x")
    for role in ROLES:
        for name in (f"{role}.db", f"{role}.db-wal", "own"):
            (store / role / name).write_text("x")
    for name in ("chain.pem", "key.pem"):
        (tls / name).write_text("x")
    (etc / "relay.conf").write_text(
        f"[relay]\nzone = lab.test\nstore = {store}\n"
        f"[front]\ncertificate_file = {tls}/chain.pem\nkey_file = {tls}/key.pem\n"
        "[issuer]\nterms_agreed = yes\n[dns]\nname_servers = ns.example.net\n")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def kernel(place):
    """Skips, saying so, where this kernel can't do what is tested."""
    conftest.need_root()
    done = run(place, "dns", "udp", "")
    for line in done.stderr.splitlines():
        if "which this kernel lacks" in line:
            pytest.skip(line)


def run(place, role, act, argument, **options):
    paths = {"store": place / "store", "config": place / "etc/relay.conf", "folder": place, "role": role}
    command = [conftest.program("confined"), role, str(paths["config"]), act, argument.format(**paths)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, **options)
    assert done.returncode == 0, done.stderr
    return done


def outcome(place, role, act, argument, **options):
    return run(place, role, act, argument, **options).stdout.strip()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("act, argument", NEVER)
def test_what_no_role_may_do(place, role, act, argument):
    assert outcome(place, role, act, argument) in DENIED


@pytest.mark.parametrize("role, act, argument", [
    *((role, act, f"{{store}}/{other}/{other}.db") for role in ROLES for other in ROLES if other != role
      for act in ("write", "remove", "rename")),
    *((role, "make", f"{{store}}/{other}/{other}.db-journal") for role in ROLES for other in ROLES
      if other != role),
    ("dns", "read", "{store}/secret"), ("front", "read", "/etc/shadow"), ("dns", "read", "/etc/shadow"), ("dns", "read", "/etc/passwd"),
    ("front", "tcp", ""), ("dns", "tcp", ""), ("dns", "udp", ""), ("admin", "read", "{store}/secret"),
    ("admin", "read", "{folder}/tls/key.pem"),
    ("front", "write", "{folder}/tls/key.pem"), ("dns", "read", "{folder}/tls/key.pem"),
    ("issuer", "read", "{folder}/tls/key.pem"),
])
def test_what_is_another_roles(place, role, act, argument):
    assert outcome(place, role, act, argument) in DENIED


def test_keys_are_their_users(place):
    """Landlock lets a role read the other roles' folders, for the databases; keys in them are for one user alone."""
    users, group = {"front": 60001, "issuer": 60002, "dns": 60003, "admin": 60004}, 60000
    for role, user in users.items():
        folder = place / "store" / role
        (folder / "role.key").write_text("x")
        (folder / "role.key").chmod(0o600)
        for path in (folder, *folder.iterdir()):
            os.chown(path, user, group)
    for role in ROLES:
        for other in users:
            key = outcome(place, role, "read", f"{{store}}/{other}/role.key", user=users[role], group=group,
                          extra_groups=[])
            assert key == "done" if role == other else key in DENIED, (role, other)
            assert outcome(place, role, "read", f"{{store}}/{other}/{other}.db", user=users[role], group=group,
                           extra_groups=[]) == "done"
        assert outcome(place, role, "read", "/etc/shadow", user=users[role], group=group, extra_groups=[]) in DENIED


@pytest.mark.parametrize("role, allowed", [("front", False), ("dns", False), ("issuer", True), ("admin", True)])
def test_who_may_connect_by_tcp(place, role, allowed):
    """On a socket that the role might have had before, too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        got = outcome(place, role, "connect", str(server.getsockname()[1]))
    assert got == "done" if allowed else got in DENIED


@pytest.mark.parametrize("role, act, argument", [
    *((role, "write", f"{{store}}/{role}/{role}.db") for role in ROLES),
    *((role, "make", f"{{store}}/{role}/new") for role in ROLES),
    *((role, "rename", f"{{store}}/{role}/own") for role in ROLES),
    *((role, "read", f"{{store}}/{other}/{other}.db") for role in ROLES for other in ROLES),
    *((role, "read", "{config}") for role in ROLES),
    ("front", "read", "{store}/secret"), ("issuer", "read", "{store}/secret"),
    ("front", "read", "{folder}/tls/key.pem"), ("front", "udp", ""), ("issuer", "udp", ""), ("issuer", "tcp", ""),
    ("issuer", "read", "/etc/resolv.conf"), ("admin", "tcp", ""), ("admin", "udp", ""),
])
def test_what_a_role_needs(place, role, act, argument):
    assert outcome(place, role, act, argument) == "done"


@pytest.mark.parametrize("backups, argument, allowed", [
    ("{folder}/spare/backup", "{folder}/spare", True), ("{folder}/spare/a/b", "{folder}/spare/later", True),
    ("{folder}/spare/backup", "{folder}/spare/name", False), ("{folder}/spare/backup", "{folder}", False),
    ("/nowhere/backup", "/", False), ("/var/lib/nowhere/backup", "/var/lib", False)])
def test_a_folder_for_backups_that_is_not_made_yet(place, tmp_path, backups, argument, allowed):
    """The admin role lists it when the first backup has made it: the names, not what is in the files."""
    (place / "spare/later").mkdir(parents=True, exist_ok=True)
    (place / "spare/name").write_text("x")
    config = tmp_path / "relay.conf"
    config.write_text((place / "etc/relay.conf").read_text().replace(
        "[relay]\n", f"[relay]\nbackup_folder = {backups.format(folder=place)}\n"))
    done = conftest.run([conftest.program("confined"), "admin", str(config), "read", argument.format(folder=place)])
    got = done.stdout.split()[-1]
    assert got == "done" if allowed else got in DENIED, done.stdout


def test_without_a_sandbox_the_same_acts_are_done(place):
    """The denials above are the confinement's."""
    open_config = place / "open.conf"
    open_config.write_text((place / "etc/relay.conf").read_text().replace("[relay]\n", "[relay]\nsandbox = no\n"))
    for act, argument in (("fork", ""), ("thread", ""), ("unix", ""), ("code", ""), ("bind", "0"), ("exec", "/bin/true"),
                          ("read", "/etc/shadow"), ("write", str(place / "store/front/front.db"))):
        done = conftest.run([conftest.program("confined"), "dns", str(open_config), act, argument])
        assert "EPERM" not in done.stdout and "EACCES" not in done.stdout


def status(process):
    with open(f"/proc/{process.pid}/status") as file:
        return dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.M))


def test_the_real_roles_are_confined_and_work(make_lab, tmp_path):
    """A store with folders, the whole way to a certificate, a reload and a revocation, and no call that was missed."""
    for role in ROLES:
        os.makedirs(tmp_path / "lab0" / "store" / role)
    lab = make_lab(unbound=True)
    for role in testbed.ROLES:
        for task in os.listdir(f"/proc/{lab.processes[role].pid}/task"):
            with open(f"/proc/{lab.processes[role].pid}/task/{task}/status") as file:
                fields = dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.M))
            assert fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1", (role, task)
        log = lab.processes[role].log()
        assert "confined by seccomp" in log and "confined by Landlock" in log, log
    client = conftest.new_client(lab)
    client.account()
    pem = client.certificate()
    conftest.verify_chain(lab, pem, f"x.{client.name()}")
    assert client.revoke(pem).status == 200
    testbed.wait_for(lambda: conftest.ca_status(lab, pem) == "Revoked", "the revocation")
    client.close()
    for role in testbed.ROLES:
        assert "denied" not in lab.processes[role].log().lower()
        assert "not permitted" not in lab.processes[role].log().lower()


@pytest.mark.parametrize("role, name, mode, mend", [("front", "secret", 0o644, "0640"), ("issuer", "secret", 0o660, "0640"),
                                                    ("issuer", "relay-key.pem", 0o640, "0600"),
                                                    ("issuer", "ca-account.key", 0o604, "0600"),
                                                    ("front", "front-tls.key", 0o644, "0600")])
def test_a_secret_that_others_can_read_is_refused(role, name, mode, mend, lab):
    path = os.path.join(lab.store, name)
    before = os.stat(path).st_mode & 0o777
    process = lab.processes[role]
    process.stop()
    os.chmod(path, mode)
    assert process.start().child.wait(30) != 0
    assert f"mend it with: chmod {mend} '{path}'" in process.log()
    os.chmod(path, before)
    lab.start_role(role)


def test_a_key_for_a_chosen_group(lab):
    """As Debian's certbot gives keys to ssl-cert: good for a front that was put into that group, and for no other."""
    conftest.need_root()
    conftest.need("setpriv")
    path, process = os.path.join(lab.folder, "front.key"), lab.processes["front"]
    plain = process.command
    process.stop()
    os.chown(path, 0, CHOSEN_GROUP)
    os.chmod(path, 0o640)
    try:
        assert process.start().child.wait(30) != 0
        assert "mend it with SupplementaryGroups= in the role's unit" in process.log()
        process.command = ["setpriv", f"--groups={CHOSEN_GROUP}", *plain]
        lab.start_role("front")
        process.stop()
        os.chmod(path, 0o644)
        assert process.start().child.wait(30) != 0
        assert f"others can read it; mend it with: chmod 0640 '{path}'" in process.log()
    finally:
        process.command = plain
        os.chown(path, 0, 0)
        os.chmod(path, 0o600)
    lab.start_role("front")


def test_a_role_can_be_started_without(make_lab):
    lab = make_lab(settings={"relay": {"sandbox": "no"}})
    for role in testbed.ROLES:
        assert status(lab.processes[role])["Seccomp"] == "0"
        assert "not confined: [relay] sandbox = no" in lab.processes[role].log()
