"""A minimal build: what it leaves out is out, and what it keeps works: built here, without tests and relay."""
import json
import os
import re
import subprocess

import pytest

import conftest
import testbed
from fake_relay import FakeRelay
from test_device import Device, ZONE


@pytest.fixture(scope="module")
def minimal(tmp_path_factory):
    conftest.need("cmake", "ninja")
    folder = str(tmp_path_factory.mktemp("minimal"))
    conftest.run(["cmake", "-S", conftest.TOP, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                  "-DLATCHKEY_MINIMAL=ON", "-DLATCHKEY_TESTS=OFF", "-DLATCHKEY_RELAY=OFF",
                  "-DLATCHKEY_LIBRARY=OFF"])
    conftest.run(["ninja", "-C", folder, "-j2"], timeout=600)
    return os.path.join(folder, "bin")


@pytest.fixture
def device(minimal, tmp_path, monkeypatch):
    relay_folder = tmp_path / "relay"
    relay_folder.mkdir()
    relay = FakeRelay(relay_folder)
    device = Device(tmp_path / "device", relay, worker=os.path.join(minimal, "latchkey-worker"))
    device.bin = minimal
    device.process = testbed.Process("agent", device.command("run"), os.path.join(device.folder, "agent.log"))
    yield device
    assert device.stop() in (0, None)
    relay.close()


def test_programs_and_libraries(minimal):
    assert sorted(os.listdir(minimal)) == ["latchkey", "latchkey-tool", "latchkey-worker"]
    for program in os.listdir(minimal):
        linked = conftest.run(["ldd", os.path.join(minimal, program)]).stdout
        assert "qrencode" not in linked and "avahi" not in linked and "dbus" not in linked, linked
        if program != "latchkey-worker":
            assert "libcurl" not in linked and "libcares" not in linked, linked


def test_trusted_and_shown(device):
    """It enrols, serves the trusted certificate, and its one page leads there."""
    device.start()
    device.wait_trusted()
    status, headers, body = device.get("/", host=device.name(), name=device.name())
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert f'href="https://{device.name()}:{device.port}/"' in body.decode()
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers
    status, headers, body = device.get("/.well-known/latchkey/status.json", host=device.name())
    assert status == 200 and json.loads(body)["serving"] == "trusted"
    assert device.get("/", host="elsewhere.example")[0] == 421
    assert device.get("/", host=device.name(), method="POST")[0] == 405


def test_commands(device, minimal):
    device.start()
    device.wait_trusted()
    tool = os.path.join(minimal, "latchkey")
    assert device.status()["serving"] == "trusted"
    done = conftest.run(device.command("renew"), check=False)
    assert done.returncode == 0, done.stdout
    for name in ("qr", "verify", "texts"):
        done = subprocess.run([tool, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 2 and f"'{name}' is no command" in done.stdout, done.stdout
    done = conftest.run([tool, "--check", "--config", device.config_file])
    assert re.search("good; the relay is", done.stdout)
    assert ZONE in device.name()
