"""backup and restore: taken under load, restored into a second relay, which goes on as the same one; what is
damaged is refused."""
import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import threading

import pytest

import acme_client
import conftest
import testbed
from conftest import ca_orders, ca_status, new_client
from test_zones import FIRST, SECOND, SecondZone

NOBODY = 65534
DATABASES = {"front.db", "issuer.db", "admin.db"}


def operate(lab, *arguments, status=0, store=None, **options):
    done = subprocess.run([conftest.program("latchkey-relay"), "--config", store or lab.config_file, *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120, **options)
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout, done.stderr.decode()


class Load:
    """Devices that enrol and get certificates, one after the other, until they are told to end."""

    def __init__(self, lab):
        self.lab, self.ending, self.chains, self.failures = lab, threading.Event(), {}, []
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.ending.is_set():
            client = new_client(self.lab)
            try:
                self.chains[client] = client.certificate()
            except (acme_client.Refused, OSError) as error:
                self.failures.append(error)
                return
            finally:
                client.close()

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


def rows(path, sql):
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_second_relay_goes_on(make_lab, tmp_path):
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    token = operate(lab, "token", "add")[0].decode().strip()
    kid, key = token.split(":")

    def enrolled():
        client = new_client(lab)
        client.account(externalAccountBinding=client.eab(kid, acme_client.unb64(key)))
        return client

    before = [enrolled() for _ in range(3)]
    chains = [client.certificate() for client in before]
    backup = str(tmp_path / "relay.tar")
    out, _ = operate(lab, "backup", backup)
    assert out.decode().strip() == backup and stat.S_IMODE(os.stat(backup).st_mode) == 0o600
    # What comes after the backup is lost with the old relay.
    late = enrolled()
    late.certificate()
    for role in ("front", "issuer", "dns"):
        lab.processes[role].stop()
    old = lab.store
    os.rename(old, old + ".lost")
    out, _ = operate(lab, "restore", backup)
    assert b"The old relay must not run any more" in out
    assert stat.S_IMODE(os.stat(f"{old}/ca-account.key").st_mode) == 0o600
    with open(f"{old}/ca-account.key") as new, open(f"{old}.lost/ca-account.key") as former:
        assert new.read() == former.read()
    for role in ("dns", "issuer", "front"):
        lab.start_role(role)
    # The same accounts, at the relay and at the CA; the tokens count; the chains are there again.
    for client, chain in zip(before, chains):
        assert client.post(client.kid).json()["status"] == "valid"
        assert ca_status(lab, client.certificate()) == "Valid"
    assert "There are now 1 accounts in memory" in lab.processes["pebble"].log()
    assert "There are now 2 accounts" not in lab.processes["pebble"].log()
    assert "the account at the CA is" in lab.processes["issuer"].log()
    enrolled().certificate()
    late.kid = None
    late.account(externalAccountBinding=late.eab(kid, acme_client.unb64(key)))
    late.certificate()
    audit = operate(lab, "audit", "--json")[0].decode()
    assert [json.loads(line)["action"] for line in audit.splitlines()][-1] == "restore"


def test_backup_under_load_is_one_moment(make_lab, tmp_path):
    lab = make_lab()
    load = Load(lab)
    backups = []
    for number in range(3):
        testbed.wait_for(lambda: len(load.chains) >= 3 * (number + 1), "certificates", 60)
        backups.append(operate(lab, "backup", str(tmp_path / f"{number}.tar"))[0].decode().strip())
    load.end()
    orders = ca_orders(lab)
    for number, backup in enumerate(backups):
        folder = tmp_path / f"store{number}"
        operate(lab, "restore", backup, "--into", str(folder))
        # The issuer's copy knows every request that front's has.
        cursor, = rows(folder / "issuer.db", "SELECT at FROM ledger WHERE kind = 'cursor'")
        last, = rows(folder / "front.db", "SELECT max(rev) FROM requests")
        assert cursor[0] >= last[0]
        assert rows(folder / "front.db", "SELECT count(*) FROM accounts")[0][0] >= 3 * (number + 1)
        valid = rows(folder / "issuer.db", "SELECT count(*) FROM orders WHERE state = 'valid'")[0][0]
        certificates = rows(folder / "issuer.db", "SELECT count(*) FROM certificates")[0][0]
        assert valid == certificates
    # The last one, in the place of the old store: what was under way ends. Only what the CA had not heard of when
    # the backup was made is ordered (again).
    unheard, = rows(folder / "issuer.db", "SELECT count(*) FROM issuances WHERE done = 0 AND saved = ''")
    for role in ("front", "issuer"):
        lab.processes[role].stop()
    operate(lab, "restore", backups[-1], status=1)
    operate(lab, "restore", backups[-1], "--force")
    for role in ("issuer", "front"):
        lab.start_role(role)
    open_sql = "SELECT count(*) FROM orders WHERE state = 'processing'"
    store = os.path.join(lab.store, "issuer.db")
    testbed.wait_for(lambda: sqlite3.connect(f"file:{store}?mode=ro", uri=True).execute(open_sql).fetchone() == (0,),
                     "what was under way", 60)
    assert ca_orders(lab) <= orders + unheard[0]
    client = next(iter(load.chains))
    client.certificate()


def test_what_is_in_it(lab, tmp_path):
    client = new_client(lab)
    client.certificate()
    operate(lab, "block", client.key.id())  # admin.db comes with the first command that writes
    path = str(tmp_path / "a.tar")
    operate(lab, "backup", path)
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert names[-1] == "MANIFEST.json" and DATABASES <= set(names)
        assert {"secret", "relay-key.pem", "relay.conf", "ca-account.key"} <= set(names)
        manifest = json.load(archive.extractfile("MANIFEST.json"))
        for file in manifest["files"]:
            assert hashlib.sha256(archive.extractfile(file["name"]).read()).hexdigest() == file["sha256"]
        assert {file["name"] for file in manifest["files"]} == set(names[:-1])
    conftest.run(["tar", "-tvf", path])
    # The same to standard output; nothing is written over.
    stream, _ = operate(lab, "backup", "-")
    assert tarfile.open(fileobj=io.BytesIO(stream)).getnames() == names
    assert "exists already" in operate(lab, "backup", path, status=1)[1]
    assert not [name for name in os.listdir(os.path.join(lab.store, "backup")) if "part" in name]


def test_keys_of_one_name(make_lab, tmp_path):
    """Each zone's relay key is in it, also where two folders hold files of one name, and comes back into its own."""
    lab = make_lab(zone=FIRST)
    second = SecondZone(lab)
    keys = [str(tmp_path / name / "relay-key.pem") for name in "ab"]
    for key in keys:
        os.mkdir(os.path.dirname(key))
        with open(key, "w", encoding="ascii") as file:
            file.write(f"the key {key}")
    lab.settings["relay"] = {"zone_files": second.config_file, "relay_key_file": keys[0]}
    second.write_config(relay={"relay_key_file": keys[1]})
    lab.write_config()
    path = str(tmp_path / "a.tar")
    operate(lab, "--zone", SECOND, "backup", path, status=2)
    operate(lab, "backup", path)
    with tarfile.open(path) as archive:
        for name, key in zip(("relay-key.pem", f"relay-key-{SECOND}.pem"), keys):
            assert archive.extractfile(name).read().decode() == f"the key {key}"
    for role in ("front", "issuer", "dns"):
        lab.processes[role].stop()
    for key in keys:
        os.unlink(key)
    operate(lab, "restore", path, "--force")
    for key in keys:
        with open(key, encoding="ascii") as file:
            assert file.read() == f"the key {key}"


@pytest.mark.skipif(os.geteuid() != 0, reason="root's backup")
def test_root_writes_through_no_link(lab, tmp_path):
    """The folder 'admin' is the admin role's; a link in it must not make root write somewhere else."""
    operate(lab, "block", new_client(lab).key.id())
    victim, folder = str(tmp_path / "victim.db"), os.path.join(lab.store, "admin")
    os.rename(os.path.join(lab.store, "admin.db"), victim)
    for end in ("-wal", "-shm"):
        os.rename(os.path.join(lab.store, f"admin.db{end}"), victim + end)
    os.chmod(victim, 0o600)
    actions = "SELECT count(*) FROM audit"
    before = sqlite3.connect(victim).execute(actions).fetchone()
    os.mkdir(folder, 0o750)
    os.symlink(victim, os.path.join(folder, "admin.db"))
    os.chown(folder, NOBODY, NOBODY)
    try:
        err = operate(lab, "backup", str(tmp_path / "b.tar"))[1]
        assert "can't write the store" in err, err
    finally:
        os.unlink(os.path.join(folder, "admin.db"))
        shutil.rmtree(folder)
    assert stat.S_IMODE(os.stat(victim).st_mode) == 0o600
    assert sqlite3.connect(victim).execute(actions).fetchone() == before
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert "front.db" in archive.getnames()


def test_nightly(make_lab):
    lab = make_lab(settings={"relay": {"backup_keep": "2"}})
    folder = os.path.join(lab.store, "backup")
    operate(lab, "backup", "--nightly")
    first, = [name for name in os.listdir(folder) if name.endswith(".tar")]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    operate(lab, "backup", "--nightly")
    assert [name for name in os.listdir(folder) if name.endswith(".tar")] == [first], "one a night is enough"
    os.rename(f"{folder}/{first}", f"{folder}/latchkey-2020-01-01T00-00-00Z.tar")
    operate(lab, "backup", "--nightly")
    os.rename(f"{folder}/{max(name for name in os.listdir(folder))}", f"{folder}/latchkey-2020-01-02T00-00-00Z.tar")
    operate(lab, "backup", "--nightly")
    kept = sorted(name for name in os.listdir(folder) if name.endswith(".tar"))
    assert len(kept) == 2 and kept[0].startswith("latchkey-2020-01-02"), kept


def damaged(path, change):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    change(data)
    broken = path + ".broken"
    with open(broken, "wb") as file:
        file.write(data)
    return broken


def forged(path, keep=lambda name: True, **more):
    """A backup as somebody makes it by hand: some of the files at PATH and more, with a manifest that is right."""
    made = path + ".forged"
    with tarfile.open(path) as archive:
        files = [(member, archive.extractfile(member).read()) for member in archive]
    files = [(member, data) for member, data in files if keep(member.name) and member.name != "MANIFEST.json"]
    files[:0] = [(tarfile.TarInfo(name), data) for name, data in more.items()]
    manifest = json.dumps({"format": 1, "madeAt": "2026-11-28T02:00:00Z", "about": "lab.test", "files": [
        {"name": member.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for member, data in files]}).encode()
    last = tarfile.TarInfo("MANIFEST.json")
    last.linkname = hashlib.sha256(manifest).hexdigest()
    with tarfile.open(made, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in [*files, (last, manifest)]:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made


def test_what_was_made_by_hand(lab, tmp_path):
    """Root takes no name from it that leads elsewhere, or into another file's place."""
    path = str(tmp_path / "a.tar")
    operate(lab, "backup", path)
    folder = tmp_path / "never"
    for name, reason in (("front.db-wal", "a name that no backup"), ("issuer.db.restoring", "a name that no backup"),
                         ("relay.conf.restored", "a name that no backup"),
                         ("../front", "no backup of a relay, or damaged"),
                         ("/etc/passwd", "no backup of a relay, or damaged"), ("secret", "'secret' is in it twice")):
        err = operate(lab, "restore", forged(path, **{name: b"x"}), "--into", str(folder), status=1)[1]
        assert reason in err, err
        assert not folder.exists()
    path_without = forged(path, lambda name: not name.endswith(".db"))
    err = operate(lab, "restore", path_without, "--into", str(folder), status=1)[1]
    assert "there is no database in it" in err and not folder.exists()
    operate(lab, "restore", forged(path, **{"ca-account-old.key": b"x"}), "--into", str(folder))
    assert (folder / "ca-account-old.key").exists()


def test_what_is_damaged_is_refused(lab, tmp_path):
    path = str(tmp_path / "a.tar")
    operate(lab, "backup", path)
    with tarfile.open(path) as archive:
        middle = archive.getmember("front.db").offset_data + 5000
        manifest = archive.getmember("MANIFEST.json").offset_data
    size = os.path.getsize(path)

    def flip(data):
        data[middle] ^= 1

    def cut(at):
        def change(data):
            del data[at:]
        return change

    for change, reason in ((flip, "'front.db' is not what was backed up"), (cut(middle), "it ends within 'front.db'"),
                           (cut(manifest - 512), "it has no manifest"), (cut(100), "it has no manifest"),
                           (cut(manifest + 3), "it ends within 'MANIFEST.json'"),
                           (lambda data: data.__setitem__(slice(0, 6), b"passwd"), "no backup of a relay, or damaged")):
        folder = tmp_path / "never"
        err = operate(lab, "restore", damaged(path, change), "--into", str(folder), status=1)[1]
        assert reason in err, err
        assert not folder.exists(), "nothing is written before all is verified"
    assert size == os.path.getsize(path)
    # A store that lives, or holds something, is not written over.
    assert "a relay runs on" in operate(lab, "restore", path, "--force", status=1)[1]
    folder = str(tmp_path / "other")
    operate(lab, "restore", path, "--into", folder)
    assert "give --force" in operate(lab, "restore", path, "--into", folder, status=1)[1]
    operate(lab, "restore", path, "--into", folder, "--force")
    assert os.path.exists(f"{folder}/relay.conf.restored")
    # Where the roles have folders, each finds its own there: the issuer would make a new key otherwise.
    roles = tmp_path / "roles"
    for role in ("front", "issuer", "dns", "admin"):
        (roles / role).mkdir(parents=True)
    operate(lab, "restore", path, "--into", str(roles), "--force")
    for name in ("front/front.db", "issuer/issuer.db", "issuer/relay-key.pem", "issuer/ca-account.key", "secret"):
        assert (roles / name).exists(), name
    assert "No such file" in operate(lab, "restore", str(tmp_path / "none"), status=1)[1]
