"""The device with the real relay, its DNS and a CA: from the first boot to a verified name, and on."""
import os
import ssl
import subprocess
import time

import pytest

import acme_client
import conftest
import testbed
from test_device import Device, ask, command


class LabDevice(Device):
    def __init__(self, folder, lab, **settings):
        self.lab = lab

        class Relay:
            directory, ca_file = lab.directory, lab.ca.ca_file

        super().__init__(folder, Relay, **settings)

    def full_name(self, label="home"):
        return f"{label}.{self.id()}.{self.lab.zone}"

    def verified(self, name):
        """Opens the page by NAME: resolved by the lab's DNS alone, judged by the CA's root alone."""
        rcode, authoritative, found = testbed.dns_query(self.lab.address, self.lab.dns_port, name, 1)
        assert rcode == 0 and authoritative and found == ["127.0.0.1"], (rcode, found)
        return testbed.https_get(found[0], self.port, "/", self.lab.roots_file, name=name)


@pytest.fixture
def make_device(lab, tmp_path):
    devices = []

    def make(start=True, **settings):
        device = LabDevice(tmp_path / f"device{len(devices)}", lab, **settings)
        devices.append(device)
        if start:
            device.start()
        return device

    yield make
    for device in devices:
        if os.path.exists(device.process.log_path):
            device.stop()
            assert not conftest.sanitizer_reports(device.folder)
            assert "worker: ended with status" not in device.process.log()


def test_from_a_key_to_a_padlock(make_device, lab):
    started = time.monotonic()
    device = make_device()
    status = device.wait_trusted()
    print(f"trusted after {time.monotonic() - started:.2f} s")
    by_address = device.full_name("127-0-0-1")
    assert f"https://{by_address}:{device.port}/" in status["urls"]
    # No redirection, no interstitial: the page itself.
    connection = ssl.create_default_context(cafile=lab.roots_file)
    import socket
    with socket.create_connection(("127.0.0.1", device.port), 5) as raw:
        with connection.wrap_socket(raw, server_hostname=by_address) as tls:
            code, headers, body = ask(tls, "/", f"{by_address}:{device.port}")
    assert code == 200 and b"Browsers trust this device" in body
    assert "strict-transport-security" not in headers


def test_both_names_lead_to_it(make_device):
    device = make_device()
    device.wait_status(lambda s: s.get("publishedAt"))
    name = device.full_name("home")
    testbed.wait_for(lambda: testbed.dns_query(device.lab.address, device.lab.dns_port, name, 1)[2],
                     "the stable name", 10)
    for label in ("home", "127-0-0-1"):
        connection_name = device.full_name(label)
        found = testbed.dns_query(device.lab.address, device.lab.dns_port, connection_name, 1)[2]
        assert found == ["127.0.0.1"], label


def test_renewal_by_the_owner_and_its_advice(make_device, lab):
    device = make_device()
    first = device.wait_trusted()["trusted"]["serial"]
    subprocess.run(device.command("renew"), check=True, stdout=subprocess.DEVNULL)
    device.wait_status(lambda s: s["trusted"]["serial"] != first and s["state"] == "trusted", 60)
    status = device.wait_status(lambda s: s.get("renewAdvised"), 30)
    assert status["renewAt"] < status["trusted"]["notAfter"]


def test_restart_keeps_certificate_and_account(make_device):
    device = make_device()
    first = device.wait_trusted()
    orders = conftest.ca_orders(device.lab)
    device.stop()
    device.start()
    device.wait_https()
    again = device.wait_status(lambda s: s["state"] == "trusted")
    assert again["trusted"]["serial"] == first["trusted"]["serial"]
    assert again["account"] == first["account"]
    assert conftest.ca_orders(device.lab) == orders


def test_killed_during_the_order(make_device, lab):
    """Whatever moment: one certificate in the end, and the CA was asked once."""
    for delay_s in (0.1, 0.25, 0.4):
        device = make_device()
        time.sleep(delay_s)
        device.process.kill()
        device.start()
        status = device.wait_trusted()
        path = device.file("trusted.pem")
        pem = "-----BEGIN CERTIFICATE-----" + open(path).read().split(
            "-----BEGIN CERTIFICATE-----", 1)[1]
        conftest.verify_chain(lab, pem, device.full_name())
        assert status["serving"] == "trusted"


def test_publish_for_another_client(lab, tmp_path):
    key = acme_client.Key("rsa2048")
    client = conftest.new_client(lab, key)
    path = tmp_path / "key.pem"
    pem = key.pem() if callable(key.pem) else key.pem
    path.write_bytes(pem if isinstance(pem, bytes) else pem.encode())
    arguments = ["publish", str(path), "192.168.77.9", "--relay", lab.directory, "--ca-file",
                 lab.ca.ca_file]
    assert "account" in command(*arguments, status=1).stderr
    client.account()
    client.certificate()
    assert "Published" in command(*arguments).stdout
    device = key.id() if callable(key.id) else key.id
    name = f"home.{device}.{lab.zone}"
    testbed.wait_for(lambda: testbed.dns_query(lab.address, lab.dns_port, name, 1)[2] ==
                     ["192.168.77.9"], "the published address", 10)
