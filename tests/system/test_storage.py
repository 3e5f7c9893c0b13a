"""A disk that is full, read-only, or holds something odd: it is reported, and HTTPS goes on."""
import os
import stat

import pytest

import conftest
import testbed
from fake_relay import ZONE
from test_device import Device, command, make_device, relay  # noqa: F401 (fixtures)


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    conftest.need_root()
    conftest.need("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    conftest.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)])
    yield folder
    conftest.run(["umount", "-l", str(folder)])


def fill(disk):
    ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError):
        while True:
            os.write(ballast, b"x" * 4096)
    os.close(ballast)


def on_disk(make_device, disk, **settings):
    device = make_device(start=False, state_folder=str(disk / "state"), volatile_state="yes", **settings)
    device.state_folder = str(disk / "state")
    return device.start()


def test_a_full_disk(make_device, relay, disk):
    device = on_disk(make_device, disk)
    first = device.wait_trusted()
    assert first["disk"] == "good"
    old_live = os.readlink(device.file("live"))
    fill(disk)
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: s["disk"] == "full", 30)
    # Nothing of the old is lost, and nothing half written.
    assert status["serving"] == "trusted"
    assert device.served(device.name()) in (status["trusted"]["sha256"], first["trusted"]["sha256"])
    assert os.readlink(device.file("live")) == old_live
    assert device.process.log().count("storage: can't write") == 1, "said once for each change"
    # A start with the full disk serves what is there.
    device.stop()
    device.start()
    device.wait_https()
    assert device.served(f"home.{first['id']}.{ZONE}") == first["trusted"]["sha256"]
    os.remove(disk / "ballast")
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: s["disk"] == "good" and s["state"] == "trusted" and
                                s["trusted"]["sha256"] != first["trusted"]["sha256"], 40)
    assert "could be written again" in device.process.log()
    assert status["live"]["sha256"] == status["trusted"]["sha256"]
    assert not [n for n in os.listdir(device.state_folder) if n.endswith(".tmp")]
    device.stop()


def test_a_read_only_disk(make_device, relay, disk):
    device = on_disk(make_device, disk)
    first = device.wait_trusted()
    device.wait_status(lambda s: s["live"]["holds"] == "trusted")
    conftest.run(["mount", "-o", "remount,ro", str(disk)])
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: s["disk"] == "read-only", 30)
    assert status["serving"] == "trusted"
    # ... and it starts from it, even without a place for its control socket.
    device.process.kill()
    device.start()
    name = f"home.{first['id']}.{ZONE}"
    testbed.wait_for(lambda: device.served(name) == first["trusted"]["sha256"], "the certificate", 20, 0.05)
    testbed.wait_for(lambda: "Read-only file system; HTTPS goes on" in device.process.log(), "the log", 10)
    conftest.run(["mount", "-o", "remount,rw", str(disk)])
    device.stop()
    device.start()
    assert device.wait_status()["disk"] == "good"
    device.stop()


@pytest.mark.parametrize("name", ["state.json", "trusted.pem", "fallback.pem", "candidate.pem"])
@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file(make_device, relay, name, kind):
    """It hangs nothing, and is replaced where that is possible."""
    device = make_device(start=False)
    os.makedirs(device.state_folder, 0o700)
    path = device.file(name)
    if kind == "fifo":
        os.mkfifo(path)
    else:
        os.mkdir(path)
    device.start()
    assert device.wait_https(10)
    if kind == "fifo":
        status = device.wait_trusted()
        assert status["disk"] == "good"
        assert not os.path.exists(path) or stat.S_ISREG(os.stat(path).st_mode)
    else:
        device.wait_status(lambda s: s["disk"] == "error" or s["serving"] == "trusted", 20)
