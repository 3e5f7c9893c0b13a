"""Identity keys that never leave their token: a SoftHSM by PKCS#11 and a TPM (swtpm), from the first boot to
a certificate that the CA has issued."""
import os
import socket
import subprocess
import time

import pytest

import conftest
import testbed
from test_device_lab import LabDevice, make_device  # noqa: F401 (fixture)

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "13579246"


def env(**values):
    return {**os.environ, **{name: str(value) for name, value in values.items()}}


def neighbours():
    """A free port whose next one is free, too: there the TPM's clients look for its control channel."""
    while True:
        port = testbed.free_port("127.0.0.1", set())
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            continue


class Tpm:
    """A TPM in software; its key stays at the persistent handle 0x81000001."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = neighbours()
        self.process = testbed.Process(
            "swtpm", ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}", "--server",
                      f"type=tcp,port={self.port},bindaddr=127.0.0.1", "--ctrl",
                      f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1", "--flags",
                      "not-need-init,startup-clear"], os.path.join(self.folder, "swtpm.txt"))
        self.tcti = f"swtpm:host=127.0.0.1,port={self.port}"

    def tool(self, *command):
        conftest.run([*command], env=env(TPM2TOOLS_TCTI=self.tcti), cwd=self.folder)

    def begin(self):
        self.process.start()
        testbed.wait_for(lambda: subprocess.run(
            ["tpm2_getrandom", "4"], env=env(TPM2TOOLS_TCTI=self.tcti), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0, "the TPM", 10, 0.1)
        sign = "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth"
        for command in (["tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc256", "-c", "primary"],
                        ["tpm2_create", "-Q", "-C", "primary", "-G", "ecc256:ecdsa-sha256", "-u", "public",
                         "-r", "private", "-a", sign],
                        ["tpm2_load", "-Q", "-C", "primary", "-u", "public", "-r", "private", "-c", "key"],
                        ["tpm2_evictcontrol", "-Q", "-C", "o", "-c", "key", "0x81000001"]):
            self.tool(*command)
            self.tool("tpm2_flushcontext", "-t")  # there is no resource manager


@pytest.fixture
def tpm(tmp_path):
    conftest.need("swtpm", "tpm2_create")
    folder = tmp_path / "tpm"
    folder.mkdir()
    one = Tpm(folder)
    try:
        one.begin()
        yield one
    finally:
        one.process.stop()


@pytest.fixture
def softhsm(tmp_path):
    """The URI of a key in a fresh token, without its PIN."""
    conftest.need("softhsm2-util", "pkcs11-tool")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "pin").write_text(PIN)
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(conf)
    conftest.run(["softhsm2-util", "--init-token", "--free", "--label", "device", "--pin", PIN,
                  "--so-pin", PIN])
    conftest.run(["pkcs11-tool", "--module", MODULE, "--login", "--pin", PIN, "--token-label", "device",
                  "--keypairgen", "--key-type", "EC:prime256v1", "--label", "identity", "--id", "01"])
    yield f"pkcs11:token=device;object=identity?module-path={MODULE}"
    del os.environ["SOFTHSM2_CONF"]


def prove(device):
    """A certificate that the CA has issued, by a key that is in no file of ours."""
    started = time.monotonic()
    status = device.wait_trusted()
    print(f"trusted after {time.monotonic() - started:.2f} s")
    assert not os.path.exists(device.file("identity.pem"))
    assert "(kept in a token)" in device.process.log()
    assert device.verified(device.full_name("127-0-0-1"))[0] == 200
    # The fallback is signed by it, too, and people can check that.
    payload = [line for line in conftest.run(device.command("qr")).stdout.splitlines()
               if line.startswith("LATCHKEY:")][0]
    conftest.run([conftest.program("latchkey"), "verify", payload])
    return status["id"]


def test_a_key_in_a_pkcs11_token(make_device, softhsm, tmp_path):  # noqa: F811
    uri = f"{softhsm}&pin-source=file:{tmp_path}/pin"
    device = make_device(identity=uri)
    name = prove(device)
    # The same name at the next start, and after a reset, which can't reach into the token.
    device.stop()
    done = conftest.run(device.command("factory-reset", "--yes"))
    assert "stays: the name does, too" in done.stdout
    device.start()
    assert device.wait_trusted()["id"] == name  # its account is still good


def test_a_key_in_a_tpm(make_device, tpm):  # noqa: F811
    os.environ["TPM2OPENSSL_TCTI"] = tpm.tcti
    try:
        device = make_device(identity="handle:0x81000001", openssl_provider="tpm2")
        name = prove(device)
        device.stop()
        device.start()
        assert device.wait_status()["id"] == name
        device.stop()
    finally:
        del os.environ["TPM2OPENSSL_TCTI"]


def test_what_is_wrong_is_said(make_device, softhsm, tmp_path):  # noqa: F811
    (tmp_path / "wrong").write_text("99999999")
    rows = [({"identity": "pkcs11:token=other;object=identity?module-path=" + MODULE},
             "no private key is at 'pkcs11:token=other;object=identity'"),
            ({"identity": f"{softhsm}&pin-source=file:{tmp_path}/wrong"}, "or its PIN is wrong"),
            ({"identity": "pkcs11:object=x?module-path=/nonexistent.so"}, "pkcs11"),
            ({"identity": "handle:0x81000001", "openssl_provider": "nonexistent"},
             "OpenSSL's provider 'nonexistent' can't be loaded"),
            ({"identity": f"file:{tmp_path}/pin"}, "no private key is at")]
    for settings, expected in rows:
        device = make_device(start=False, **settings)
        # libp11's engine leaves its tables behind when it is unloaded.
        done = subprocess.run(device.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=30, env=env(ASAN_OPTIONS="detect_leaks=0"))
        assert done.returncode == 1 and expected in done.stdout, done.stdout
        assert "AddressSanitizer" not in done.stdout and PIN not in done.stdout
        assert not os.path.exists(device.file("identity.pem"))
