"""Two devices with one identity key, as from a copied disk image: the relay notices, and both sides say so."""
import json
import os
import shutil
import subprocess
import time

import pytest

import conftest
import testbed
from test_device_lab import LabDevice


@pytest.fixture
def make_device(lab, tmp_path):
    devices = []

    def make(copy_of=None):
        device = LabDevice(tmp_path / f"device{len(devices)}", lab)
        if copy_of is not None:
            shutil.copytree(copy_of.state_folder, device.state_folder,
                            ignore=shutil.ignore_patterns("control.sock", "lock"))
            os.chmod(device.state_folder, 0o700)
        devices.append(device)
        return device

    yield make
    for device in devices:
        if os.path.exists(device.process.log_path):
            device.stop()
            assert not conftest.sanitizer_reports(device.folder), device.process.log()[-4000:]


def receipt_of(device):
    with open(device.file("state.json")) as file:
        return json.load(file)["receipt"]


def publish(device):
    """A start of the device publishes its addresses; returns its status then."""
    before = receipt_of(device) if os.path.exists(device.file("state.json")) else ""
    device.stop()
    device.start()
    testbed.wait_for(lambda: receipt_of(device) != before, "a receipt", 20)
    return device.wait_status()


def operator(lab, *arguments):
    return conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file,
                         *arguments]).stdout


def status_text(device):
    return subprocess.run(device.command("status"), check=True, stdout=subprocess.PIPE, text=True).stdout


def test_a_copy_is_noticed_and_settled(make_device, lab):
    first = make_device()
    first.start()
    first.wait_trusted()
    first.wait_status(lambda s: s.get("publishedAt"))
    first.stop()
    second = make_device(copy_of=first)
    identity = publish(second)["id"]
    assert publish(first)["id"] == identity  # the one before may come once more
    status = publish(second)
    assert "clone" not in status["attention"], "one that did not fit may be a backup"
    assert "a restored backup, or a copy" in second.process.log()
    status = publish(first)
    assert "clone" in status["attention"]
    assert "factory-reset one of them" in status_text(first)
    status = publish(second)
    assert "clone" in status["attention"], "both sides say so"
    assert "CLONED" in operator(lab, "list")
    # It is known after a restart of the relay, too.
    lab.restart("front")
    assert "cloned    yes" in operator(lab, "show", identity)
    # One is reset: a new identity, and the operator settles it.
    second.stop()
    shutil.rmtree(second.state_folder)
    second.start()
    assert second.wait_trusted()["id"] != identity
    operator(lab, "settle", identity)
    assert "cloned    no" in operator(lab, "show", identity)
    publish(first)
    status = publish(first)
    assert "clone" not in status["attention"]
    assert "no other device with this key any more" in first.process.log()


def test_a_restored_backup_is_none(make_device, lab):
    device = make_device()
    device.start()
    device.wait_trusted()
    device.wait_status(lambda s: s.get("publishedAt"))
    device.stop()
    backup = make_device(copy_of=device)
    for _ in range(2):
        publish(device)
    device.stop()
    with open(device.file("state.json")) as file:
        counter = json.load(file)["counter"]
    testbed.wait_for(lambda: time.time() > counter + 1, "a moment above the last counter", 10)
    status = publish(backup)
    assert "clone" not in status["attention"]
    for _ in range(3):
        status = publish(backup)
    assert "clone" not in status["attention"]
    assert "cloned    no" in operator(lab, "show", status["id"])
