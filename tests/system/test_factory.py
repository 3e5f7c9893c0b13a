"""From the golden image to the next owner: what factory-prepare and factory-reset remove, a backup of the
identity key, and file systems that forget it."""
import json
import os
import pty
import stat
import subprocess
import time

import pytest

import conftest
import testbed
from test_device import Device, command, make_device, relay  # noqa: F401 (fixtures)


def run(device, name, *arguments, status=0):
    done = subprocess.run(device.command(name, *arguments), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode == status, (name, done.stdout, done.stderr)
    return done.stdout + done.stderr


def live_a_little(device):
    """A device with a trusted certificate, an app, and a request for the owner's own CA."""
    device.wait_trusted()
    run(device, "csr", "camera.example.com")
    payload = [line for line in run(device, "qr", "--invite").splitlines()
               if line.startswith("LATCHKEY:")][0]
    command("verify", payload, "--store", os.path.join(device.folder, "pins.json"))
    return device.id()


@pytest.fixture
def passphrase_file(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("correct horse battery\n")
    return str(path)


def test_factory_prepare_leaves_nothing(make_device, relay):
    device = make_device()
    first = live_a_little(device)
    before = set(os.listdir(device.state_folder))
    assert {"identity.pem", "trusted.pem", "apps.json", "state.json", "fallback.pem", "own"} <= before
    assert "an agent runs" in run(device, "factory-prepare", status=1)
    assert set(os.listdir(device.state_folder)) == before
    device.stop()
    with open(device.file("state.json.77-0.tmp"), "w") as file:
        file.write("left by a crash")
    out = run(device, "factory-prepare")
    # Whatever the agent's parts keep there: nothing else may stay.
    assert os.listdir(device.state_folder) == ["lock"]
    for name in before - {"lock", "control.sock"}:
        assert f"removed      {name}\n" in out, out
    assert out.rstrip().endswith("holds no identity, key, state or secret")
    assert "it held none before" in run(device, "factory-prepare")
    assert not relay.left  # an image has no account to leave
    device.start()
    assert device.wait_trusted()["id"] != first


def test_what_is_not_the_agents_stays(make_device):
    device = make_device()
    device.wait_https()
    device.stop()
    os.mkdir(device.file("photos"))
    os.symlink("/etc", device.file("live-9"))
    message = run(device, "factory-prepare", status=1)
    assert "'photos' stays: it is not the agent's" in message
    assert sorted(os.listdir(device.state_folder)) == ["lock", "photos"]
    assert os.path.isdir("/etc")
    missing = Device(os.path.join(device.folder, "other"), type("R", (), {
        "directory": "https://127.0.0.1:9/acme/directory", "ca_file": ""}))
    assert "is not there" in run(missing, "factory-prepare")


def test_factory_reset_leaves_the_relay(make_device, relay):
    device = make_device()
    first = live_a_little(device)
    account = device.status()["id"]
    device.stop()
    assert "Say --yes" in run(device, "factory-reset", status=2)
    assert os.path.exists(device.file("identity.pem"))
    out = run(device, "factory-reset", "--yes")
    assert f"relay        left: {first}." in out, out
    assert len(relay.left) == 1 and account == first
    assert os.listdir(device.state_folder) == ["lock"]
    assert os.path.exists(device.config_file)
    device.start()
    assert device.wait_trusted()["id"] != first
    assert "no pins match" not in device.process.log()
    # The app of the former owner is a stranger to it.
    assert "another one" in command("verify", "--pinned", os.path.join(device.folder, "pins.json"),
                                    status=1).stderr


def test_factory_reset_without_a_relay(make_device, relay):
    device = make_device()
    device.wait_trusted()
    device.stop()
    relay.down = True
    started = time.monotonic()
    out = run(device, "factory-reset", "--yes")
    assert time.monotonic() - started < 25
    assert "the relay was not told" in out and os.listdir(device.state_folder) == ["lock"]


def test_a_backup_brings_the_name_back(make_device, relay, tmp_path, passphrase_file):
    device = make_device()
    device.wait_trusted()
    name, backup = device.id(), str(tmp_path / "backup.pem")
    out = run(device, "identity", "export", backup, "--passphrase-file", passphrase_file)
    assert name in out and stat.S_IMODE(os.stat(backup).st_mode) == 0o600
    with open(backup) as file:
        text = file.read()
    assert text.startswith(f"latchkey identity {name}\n-----BEGIN ENCRYPTED PRIVATE KEY-----")
    # openssl reads it, too, and sees scrypt.
    conftest.run(["openssl", "pkey", "-in", backup, "-passin", f"file:{passphrase_file}", "-noout"])
    assert "can't be written" in run(device, "identity", "export", backup, "--passphrase-file",
                                     passphrase_file, status=1)
    assert "an agent runs" in run(device, "identity", "import", backup, "--passphrase-file",
                                  passphrase_file, status=1)
    device.stop()
    run(device, "factory-prepare")
    run(device, "identity", "import", backup, "--passphrase-file", passphrase_file)
    assert stat.S_IMODE(os.stat(device.file("identity.pem")).st_mode) == 0o600
    device.start()
    assert device.wait_trusted()["id"] == name


def test_what_import_refuses(make_device, relay, tmp_path, passphrase_file):
    device, other = make_device(), make_device()
    for one in (device, other):
        one.wait_trusted()
    mine, backup = other.id(), str(tmp_path / "backup.pem")
    run(device, "identity", "export", backup, "--passphrase-file", passphrase_file)
    name = device.id()
    for one in (device, other):
        one.stop()
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect horse\n")
    short = tmp_path / "short"
    short.write_text("short\n")
    plain = other.file("identity.pem")
    for file, passphrase, expected in (
            (backup, str(wrong), "passphrase is wrong"), (backup, str(short), "has 8 to 1024"),
            (backup, "/nonexistent", "can't be read"), ("/nonexistent", passphrase_file, "can't be read"),
            (plain, passphrase_file, "is no identity that was exported"),
            (backup, passphrase_file, "--replace gives it up")):
        assert expected in run(other, "identity", "import", file, "--passphrase-file", passphrase,
                               status=1), expected
    assert "no terminal" in subprocess.run(
        other.command("identity", "import", backup), stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, start_new_session=True).stdout
    assert "needs a file" in run(other, "identity", "export", status=2)
    with open(plain, "rb") as file:
        kept = file.read()
    other.start()
    assert other.wait_status()["id"] == mine
    other.stop()
    with open(plain, "rb") as file:
        assert file.read() == kept
    run(other, "identity", "import", backup, "--passphrase-file", passphrase_file, "--replace")
    other.start()
    assert other.wait_trusted()["id"] == name  # and nothing of the old one is in the way


def test_a_passphrase_from_the_terminal_is_not_shown(make_device, tmp_path):
    device = make_device()
    device.wait_https()
    backup = str(tmp_path / "backup.pem")
    child, terminal = pty.fork()
    if child == 0:
        argv = device.command("identity", "export", backup)
        os.execv(argv[0], argv)
    shown = b""

    def read_until(text):
        nonlocal shown
        while text not in shown:
            shown += os.read(terminal, 4096)

    read_until(b"Passphrase: ")
    os.write(terminal, b"correct horse battery\n")
    read_until(b"Once more: ")
    os.write(terminal, b"correct horse battery\n")
    read_until(b"exported")
    assert os.waitpid(child, 0)[1] == 0 and b"horse" not in shown
    os.close(terminal)
    assert os.path.exists(backup)


def refused_on(device, folder, word):
    text = open(device.config_file).read().replace("volatile_state = yes\n", "")
    with open(device.config_file, "w") as file:
        file.write(text.replace(f"state_folder = {device.state_folder}", f"state_folder = {folder}"))
    done = subprocess.run(device.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20)
    assert done.returncode == 1 and f"is on {word}, which forgets" in done.stdout, done.stdout
    assert not os.path.exists(os.path.join(folder, "identity.pem"))


def test_an_identity_that_would_be_forgotten(make_device, tmp_path):
    conftest.need_root()
    memory, merged = tmp_path / "memory", tmp_path / "merged"
    for folder in (memory, merged):
        folder.mkdir()
    conftest.run(["mount", "-t", "tmpfs", "none", str(memory)])
    try:
        for name in ("lower", "upper", "work"):
            (memory / name).mkdir()
        device = make_device(start=False)
        refused_on(device, str(memory / "state"), "tmpfs")
        mounted = conftest.run(
            ["mount", "-t", "overlay", "none", "-o", f"lowerdir={memory}/lower,upperdir={memory}/upper,"
             f"workdir={memory}/work", str(merged)], check=False)
        if mounted.returncode == 0:
            try:
                refused_on(make_device(start=False), str(merged / "state"), "an overlay on tmpfs")
            finally:
                conftest.run(["umount", str(merged)])
        else:
            print("no overlay on tmpfs can be mounted here")
    finally:
        conftest.run(["umount", str(memory)])
