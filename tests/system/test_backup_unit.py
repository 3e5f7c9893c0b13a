"""The nightly backup as its unit makes it: root with one capability, a read-only file system, no network, and a filter
of system calls (unit_sandbox.py), over a store with the owners and modes that the package gives, while the roles run as
their users. And what comes of it: a second relay, and those who watch."""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time

import pytest

import conftest
import testbed
from conftest import new_client

UNIT = "latchkey-relay-backup.service"
PREFIX = "/opt/latchkey"
STORE = "/var/lib/latchkey"
DAY = 86400


class Installed(testbed.Testbed):
    """A lab in the root folder ROOT, in which the relay is installed: each role runs as its user on a store that only
    the package's own files have made."""

    def __init__(self, root):
        self.root = root
        super().__init__(os.path.join(root, "srv"), os.path.join(root, PREFIX.lstrip("/"), "bin"))
        self.store = root + STORE
        os.chmod(self.folder, 0o777)  # ready files

    def users(self):
        with open(f"{self.root}/etc/passwd") as file:
            return {line.split(":")[0]: line.split(":")[2:4] for line in file}

    def _start(self, name, command, environment=None):
        if name in testbed.ROLES:
            user, group = self.users()[f"latchkey-{name}"]
            command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", *command]
        return super()._start(name, command, environment)

    def make_folders(self):
        """As the package does at its installation, and systemd at each start."""
        for program, name in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
            options = ["--create"] if program == "systemd-tmpfiles" else []
            conftest.run([program, f"--root={self.root}", *options,
                          f"{self.root}{PREFIX}/lib/{name}/latchkey-relay.conf"])

    def prepare(self):
        self.make_folders()
        super().prepare()
        user = int(self.users()["latchkey-front"][0])
        os.chown(os.path.join(self.folder, "front.key"), user, 0)
        admin, group = map(int, self.users()["latchkey-admin"])
        with open(os.open(f"{self.store}/secret", os.O_WRONLY | os.O_CREAT, 0o640), "w") as file:
            file.write("0123456789abcdef" * 4 + "\n")
        os.chown(f"{self.store}/secret", admin, group)

    def write_config(self):
        """For the roles, and as it is seen from within."""
        super().write_config()
        os.makedirs(f"{self.root}/etc/latchkey", exist_ok=True)
        with open(self.config_file) as file:
            testbed.write_atomically(f"{self.root}/etc/latchkey/relay.conf", file.read().replace(self.root, ""))

    def inside(self, *command, status=0):
        """A command in the root folder, as root without any sandbox."""
        enter = 'for f in usr dev; do mount --bind /$f "$0/$f"; done; mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'
        done = conftest.run(["unshare", "-m", "sh", "-c", enter, self.root, *command], check=False)
        assert done.returncode == status, done.stdout
        return done.stdout

    def relay(self, *words, status=0):
        return self.inside(f"{PREFIX}/bin/latchkey-relay", *words, status=status)

    def run_unit(self, status=0):
        script = os.path.join(conftest.HERE, "unit_sandbox.py")
        done = subprocess.run([sys.executable, script, self.root, UNIT], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout, done.stderr

    def backups(self):
        return sorted(name for name in os.listdir(f"{self.store}/backup") if not name.startswith("."))

    def check(self, name):
        """(level, text) of what `status` says."""
        done = subprocess.run([f"{self.bin}/latchkey-relay", "--config", self.config_file, "status", "--json"],
                              capture_output=True, text=True)
        return next((check["level"], check["text"]) for check in json.loads(done.stdout)["checks"]
                    if check["check"] == name)


@pytest.fixture(scope="module")
def relay():
    conftest.need_root()
    conftest.need("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles", "setpriv", "unshare", "mount")
    root = tempfile.mkdtemp(prefix="lk-unit-", dir="/tmp")  # where the roles' users can go
    os.chmod(root, 0o755)
    for folder in ("usr", "dev", "proc", "tmp", "var/tmp", "srv", "etc/systemd/system"):
        os.makedirs(f"{root}/{folder}")
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink(f"usr/{name}", f"{root}/{name}")
    testbed.write_atomically(f"{root}/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    testbed.write_atomically(f"{root}/etc/group", "root:x:0:\n")
    conftest.run(["cmake", "--install", conftest.BUILD, "--component", "relay", "--prefix", PREFIX],
                 env={**os.environ, "DESTDIR": root})
    shutil.copy(f"{root}{PREFIX}/lib/systemd/system/{UNIT}", f"{root}/etc/systemd/system")
    lab = Installed(root)
    try:
        lab.start()
        yield lab
    finally:
        results = lab.stop()
        reports = conftest.sanitizer_reports(lab.folder)
        shutil.rmtree(root)
    assert not reports, reports
    assert not [name for name in testbed.ROLES if results.get(name) not in (0, None)], results


@pytest.fixture(scope="module")
def device(relay):
    client = new_client(relay)
    client.account()
    client.certificate()
    yield client
    client.close()


def owners(store):
    """Path to (mode, user, group) of all that is in it, but what only lives with a process."""
    found = {}
    for where, _, names in os.walk(store):
        for name in names:
            info = os.stat(os.path.join(where, name))
            if not name.endswith((".lock", "-wal", "-shm", ".snapshot")) and not where.endswith("backup"):
                found[os.path.relpath(os.path.join(where, name), store)] = (
                    stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
    return found


def test_the_unit_makes_a_backup(relay, device):
    relay.relay("block", device.key.id(), "so that there is an audit")
    relay.relay("unblock", device.key.id())
    audit = relay.relay("audit", "--json")
    assert relay.check("backup")[0] == "attention"
    out, err = relay.run_unit()
    assert err == "", "a warning each night is read by nobody"
    name, = relay.backups()
    assert out == f"{STORE}/backup/{name}\n"
    info = os.stat(f"{relay.store}/backup/{name}")
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o600, 0)
    with tarfile.open(f"{relay.store}/backup/{name}") as archive:
        assert {"front.db", "issuer.db", "admin.db", "secret", "relay-key.pem", "ca-account.key",
                "relay.conf"} <= set(archive.getnames())
    assert not [name for name in os.listdir(f"{relay.store}/backup") if name.endswith(".part")]
    # Nobody gave a command: the audit is as it was, and the folder tells of the backup.
    assert relay.relay("audit", "--json") == audit
    level, text = relay.check("backup")
    assert level == "good" and re.search(r"made \d+ (second|minute)s? ago", text), text
    assert relay.run_unit() == ("", "") and relay.backups() == [name], "one a night is enough"


def test_the_unit_can_do_nothing_else(relay):
    """The sandbox is one: what the unit does not need fails in it."""
    path = f"{relay.root}/etc/systemd/system/{UNIT}"
    with open(path) as file:
        unit = file.read()
    try:
        for command in (f"touch {STORE}/front/x", "touch /etc/x", "chown 1 /tmp", "chroot / true",
                        "mount -t tmpfs x /tmp", "python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53))'"):
            with open(path, "w") as file:
                file.write(re.sub("^ExecStart=.*$", f"ExecStart=/usr/bin/env {command}", unit, flags=re.M))
            done = subprocess.run([sys.executable, os.path.join(conftest.HERE, "unit_sandbox.py"), relay.root, UNIT],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode not in (0, 127), command
            assert re.search("Read-only|not permitted|denied|unreachable|setting", done.stderr), done.stderr
    finally:
        with open(path, "w") as file:
            file.write(unit)


def test_old_ones_go(relay):
    """Fourteen nights are kept; what an operator put beside them stays."""
    folder = f"{relay.store}/backup"
    for number in range(1, 21):
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(time.time() - number * DAY))
        testbed.write_atomically(f"{folder}/latchkey-{stamp}.tar", "")
    testbed.write_atomically(f"{folder}/latchkey-before-upgrade.tar", "")
    newest = relay.backups()[-2]
    os.unlink(f"{folder}/{newest}")
    relay.run_unit()
    kept = relay.backups()
    assert len(kept) == 15 and kept[-1] == "latchkey-before-upgrade.tar" and kept[-2] > newest, kept


def test_a_full_disk_leaves_the_last_one(relay):
    """It is not begun where it would take the last of the disk; and one that fails in the middle leaves nothing."""
    folder = f"{relay.store}/backup"
    kept = relay.backups()
    last = kept[-2]
    group = relay.users()["latchkey-admin"][1]
    conftest.run(["mount", "-t", "tmpfs", "-o", f"size=4m,mode=750,gid={group}", "tmpfs", folder])
    try:
        shutil.copy(f"{relay.config_file}", f"{folder}/latchkey-2026-01-01T00-00-00Z.tar")
        err = relay.run_unit(status=1)[1]
        assert re.search(rf"'{STORE}/backup' has \d MiB free, and this wants \d+: nothing was written", err), err
        assert os.listdir(folder).count("latchkey-2026-01-01T00-00-00Z.tar") == 1
        assert relay.check("backup")[0] == "failure", "it is from last January"
        conftest.run(["mount", "-o", "remount,size=64m", folder])
        relay.run_unit()
    finally:
        conftest.run(["umount", folder])
    assert relay.backups() == kept
    os.unlink(f"{folder}/{last}")
    command = ["prlimit", "--fsize=100000", f"{relay.bin}/latchkey-relay", "--config", relay.config_file, "backup",
               "--nightly"]
    done = subprocess.run(["env", "--ignore-signal=XFSZ", *command], capture_output=True, text=True)
    assert done.returncode == 1 and "backup" in done.stderr, done.stderr
    assert relay.backups() == [name for name in kept if name != last]
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]


def test_another_folder(relay):
    """The unit writes its own folder only; what OPERATIONS says lets it write another, and the admin role list that."""
    folder = f"{relay.root}/mnt/backup"
    os.makedirs(folder, 0o700)
    relay.settings = {"relay": {"backup_folder": "/mnt/backup"}}
    relay.write_config()
    drop_in = f"{relay.root}/etc/systemd/system/{UNIT}.d"
    try:
        err = relay.run_unit(status=1)[1]
        assert "Read-only file system (another backup_folder must be in ReadWritePaths=" in err, err
        os.mkdir(drop_in)
        testbed.write_atomically(f"{drop_in}/override.conf", "[Service]\nReadWritePaths=/mnt/backup\n")
        assert relay.run_unit()[0].startswith("/mnt/backup/latchkey-2")
        assert "(chgrp latchkey and chmod 0750" in relay.relay("status", status=3)
        relay.inside("install", "-d", "-o", "root", "-g", "latchkey", "-m", "0750", "/mnt/backup")
        assert "backup        the last was made" in relay.relay("status", status=1)
    finally:
        relay.settings = {}
        relay.write_config()
        shutil.rmtree(drop_in)


def test_a_second_relay_of_it(relay, device):
    """Restored by root into what a new machine's package has made, each file is its role's, and the relay goes on."""
    relay.run_unit()
    name = next(name for name in reversed(relay.backups()) if re.match(r"latchkey-\d", name))
    for role in ("front", "issuer", "dns"):
        relay.processes[role].stop()
    before = owners(relay.store)
    shutil.copy(f"{relay.store}/backup/{name}", f"{relay.root}/srv/relay.tar")
    os.rename(relay.store, relay.store + ".lost")
    relay.make_folders()
    relay.relay("restore", "/srv/relay.tar", "--force")
    after = owners(relay.store)
    assert {path: after[path] for path in before if path in after} == {path: before[path] for path in after
                                                                      if path in before}
    for path in ("front/front.db", "issuer/issuer.db", "admin/admin.db", "issuer/ca-account.key",
                 "issuer/relay-key.pem", "secret"):
        assert path in after, after
    for role in ("dns", "issuer", "front"):
        relay.start_role(role)
    assert device.post(device.kid).json()["status"] == "valid"
    device.certificate()
    assert "There are now 2 accounts" not in relay.processes["pebble"].log()


def test_who_watches(relay):
    """The admin role, confined, sees how old the last one is, and the operator's command hears of it."""
    folder = f"{relay.store}/backup"
    for name in relay.backups():
        os.unlink(f"{folder}/{name}")
    told = os.path.join(relay.folder, "told")
    command = os.path.join(relay.folder, "tell")
    testbed.write_atomically(command, f"#!/bin/sh\ncat >> {told}\n", 0o755)
    address = f"127.0.0.1:{testbed.free_port('127.0.0.1', set())}"
    relay.settings = {"admin": {"listen": address, "ready_file": f"{relay.folder}/admin.ready"},
                      "alert": {"command": command, "check_delegation": "no"}}
    relay.write_config()
    with_history(relay)
    user, group = relay.users()["latchkey-admin"]
    admin = testbed.Process("admin", ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
                                      f"{relay.bin}/latchkey-relay", "--config", relay.config_file, "admin"],
                            os.path.join(relay.folder, "admin.log"))

    def states():
        if not os.path.exists(told):
            return []
        with open(told) as file:
            lines = [json.loads(line) for line in file]
        return [line["state"] for line in lines if line["alert"] == "backup-old"]

    admin.start()
    try:
        testbed.wait_for(lambda: admin.check() and states() == ["begin"], "the alert", 60)
        relay.run_unit()
        testbed.wait_for(lambda: admin.check() and states() == ["begin", "end"], "its end", 120)
    finally:
        assert admin.stop() == 0, admin.tail(40)
    assert "denied" not in admin.log().lower(), admin.log()


def test_an_alert_command_in_its_unit(relay):
    """What OPERATIONS tells of where the operator's command runs: the network is there, the file system is not."""
    name = "latchkey-admin.service"
    with open(f"{relay.root}{PREFIX}/lib/systemd/system/{name}") as file:
        unit = file.read()
    script = (f"echo alert | curl -sf --max-time 10 -k --data-binary @- {relay.base_url}/ -o /dev/null -w %{{http_code}};"
              f" touch {STORE}/admin/x && ! touch {STORE}/front/x /etc/x 2>/dev/null")
    with open(f"{relay.root}/etc/systemd/system/{name}", "w") as file:
        file.write(re.sub("^ExecStart=.*$", f"ExecStart=/bin/sh -c '{script}'", unit, flags=re.M))
    done = subprocess.run([sys.executable, os.path.join(conftest.HERE, "unit_sandbox.py"), relay.root, name],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "405" and done.returncode == 0, done
    os.unlink(f"{relay.store}/admin/x")


def with_history(relay):
    """A relay on its first days is not told that it has no backup: make this one older."""
    code = ("import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=20);"
            " db.execute('UPDATE certificates SET not_before_at = not_before_at - 864000 WHERE lane = ?', ('device',));"
            " db.commit()")
    user, group = relay.users()["latchkey-issuer"]
    conftest.run(["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "/usr/bin/python3", "-c", code,
                  f"{relay.store}/issuer/issuer.db"])
