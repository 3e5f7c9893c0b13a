"""Several relays in order, and a signed move from one to another."""
import json
import os
import re
import subprocess
import time

import pytest

import conftest
import testbed
from fake_relay import FakeRelay
from test_device import Device, command
from test_device_lab import LabDevice


@pytest.fixture
def relays(tmp_path):
    """Two fake relays under one CA file, with zones and keys of their own."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        made.append(FakeRelay(folder, f"Fake Root {name}"))
        made[-1].zone = f"{name}.example.com"
        made[-1].pin = made[-1].make_key()
    both = tmp_path / "both.pem"
    both.write_text("".join(open(relay.ca_file).read() for relay in made))
    for relay in made:
        relay.ca_file = str(both)
    yield made
    for relay in made:
        relay.close()


@pytest.fixture
def make_device(tmp_path):
    devices = []

    def make(relay, names, kind=Device, start=True, **settings):
        device = kind(tmp_path / f"device{len(devices)}", relay, **settings)
        with open(device.config_file) as file:
            text = file.read()
        testbed.write_atomically(device.config_file, text.replace(
            f"relay = {relay.directory}\n", f"relay = {' '.join(names)}\n"))
        devices.append(device)
        if start:
            device.start()
        return device

    yield make
    for device in devices:
        if os.path.exists(device.process.log_path):
            device.stop()
            log = device.process.log()
            assert not conftest.sanitizer_reports(device.folder), log[-4000:]
            assert "worker: ended with status" not in log, log[-4000:]


def state_of(device):
    with open(device.file("state.json")) as file:
        return json.load(file)


def wait_log(device, pattern, seconds=20):
    def there():
        device.process.check()
        return re.search(pattern, device.process.log())
    return testbed.wait_for(there, f"'{pattern}' in the log", seconds, 0.05)


def zone_of(status):
    return status.get("zone")


# --- several, in order ---

def test_the_first_that_answers(make_device, relays):
    one, two = relays
    one.down = True
    device = make_device(one, [one.directory, two.directory])
    status = device.wait_trusted(40)
    assert zone_of(status) == "two.example.com" and status["relay"] == two.directory
    assert "turning from" in device.process.log()
    assert not one.accounts and two.accounts
    # A restart stays with what works.
    device.stop()
    device.start()
    assert device.wait_status()["relay"] == two.directory
    # A renewal tries the first again.
    one.down = False
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: zone_of(s) == "one.example.com" and
                                s["state"] == "trusted", 40)
    assert "it comes first" in device.process.log() and one.accounts


def test_one_that_is_not_itself_is_passed_over(make_device, relays):
    """The first has another key than its pin says, the second is right."""
    one, two = relays
    device = make_device(one, [f"{one.directory}#{'A' * 43}", f"{two.directory}#{two.pin}"])
    status = device.wait_trusted(40)
    assert status["relay"] == two.directory
    assert "somebody in its place" in device.process.log()
    assert not one.accounts, "an account was made at a relay that is not itself"


def test_none_answers(make_device, relays):
    """Each is tried in turn, ever more slowly, and what is served stays."""
    one, two = relays
    device = make_device(one, [one.directory, two.directory])
    serial = device.wait_trusted(30)["trusted"]["serial"]
    one.down = two.down = True
    command("renew", "--config", device.config_file)
    wait_log(device, f"turning from '{re.escape(one.directory)}' to '{re.escape(two.directory)}'", 40)
    status = device.wait_status(lambda s: s["failure"]["code"] == "net")
    assert status["serving"] == "trusted" and status["trusted"]["serial"] == serial
    assert zone_of(status) == "one.example.com", "the name of the certificate that is served"


# --- moves ---

def test_a_move_is_followed(make_device, relays):
    one, two = relays
    device = make_device(one, [f"{one.directory}#{one.pin}"])
    serial = device.wait_trusted(30)["trusted"]["serial"]
    device.wait_status(lambda s: s.get("publishedAt"))
    one.moved_to = one.state_move(two.directory, 1, two.pin)
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: zone_of(s) == "two.example.com" and
                                s["state"] == "trusted", 40)
    assert status["relay"] == two.directory and status["trusted"]["serial"] != serial
    assert status["movedFrom"] == one.directory
    wait_log(device, "the move to .* is complete")
    # The old one may go: the configuration that names it still leads to the new one.
    device.stop()
    one.down = True
    device.start()
    command_until(device, "renew")
    device.wait_status(lambda s: s["state"] == "trusted" and s["relay"] == two.directory, 30)


def command_until(device, *arguments):
    device.wait_status()
    command(*arguments, "--config", device.config_file)


def forged(kind, one, two):
    if kind == "another key":
        return one.state_move(two.directory, 1, two.pin, key=two.key)
    if kind == "about another relay":
        return one.state_move(two.directory, 1, two.pin, about=two.directory)
    if kind == "a time":
        return one.state("time", one.directory, {"movedTo": two.directory, "from": one.directory,
                                                 "serial": 1, "issued": int(time.time())})
    good = one.state_move(two.directory, 1, two.pin)
    if kind == "altered":
        return {**good, "payload": good["payload"][:-2] + "AA"}
    return {"protected": 1}


@pytest.mark.parametrize("kind", ["another key", "about another relay", "a time", "altered", "rubbish"])
def test_a_move_that_is_not_believed(make_device, relays, kind):
    """What a captured front could write into the directory."""
    one, two = relays
    one.moved_to = forged(kind, one, two)
    device = make_device(one, [one.directory])  # not even pinned
    status = device.wait_trusted(30)
    wait_log(device, "is not believed")
    device.wait_status(lambda s: s.get("publishedAt"))
    assert device.wait_status()["relay"] == one.directory and zone_of(status) == "one.example.com"
    assert "movedFrom" not in status and not two.log


def test_an_older_move_is_not_followed_again(make_device, relays):
    one, two = relays
    device = make_device(one, [one.directory], start=False)
    first = one.state_move(two.directory, 1)
    one.moved_to = one.state_move(one.directory, 2)  # taken back
    device.start()
    device.wait_trusted(30)
    wait_log(device, "move 2: it stays")
    one.moved_to = first
    command("renew", "--config", device.config_file)
    device.wait_status(lambda s: len(one.finalized) == 2 and s["state"] == "trusted", 30)
    assert device.wait_status()["relay"] == one.directory and not two.log
    device.stop()
    assert state_of(device)["move_serial"] == 2


def test_there_and_back_is_no_circle(make_device, relays):
    """The new relay sends its devices back, while the old one still announces the move: each is followed
    once. And what the new one says of the old one's key does not count, as the configuration names it."""
    one, two = relays
    one.moved_to = one.state_move(two.directory, 1, two.pin)
    two.moved_to = two.state_move(one.directory, 1, "A" * 43)
    device = make_device(one, [one.directory])
    device.wait_status(lambda s: s["relay"] == one.directory and len(two.finalized) == 1 and
                       len(one.finalized) == 2 and s["state"] == "trusted", 30)
    time.sleep(2)
    command("renew", "--config", device.config_file)
    status = device.wait_status(lambda s: len(one.finalized) == 3 and s["state"] == "trusted", 30)
    assert status["relay"] == one.directory and "movedFrom" not in status and len(two.finalized) == 1
    assert device.process.log().count("turning from") == 2


def test_the_old_one_is_there_until_the_new_one_has_issued(make_device, relays):
    one, two = relays
    two.down = True
    one.moved_to = one.state_move(two.directory, 1)
    device = make_device(one, [one.directory])
    device.wait_trusted(30)  # by the old one, first
    wait_log(device, "it has moved there")
    wait_log(device, f"turning from '{re.escape(two.directory)}' to '{re.escape(one.directory)}'", 60)
    status = device.wait_status(lambda s: s["state"] == "trusted" and s["relay"] == one.directory, 30)
    assert status["serving"] == "trusted"
    two.down = False
    command("renew", "--config", device.config_file)
    device.wait_status(lambda s: zone_of(s) == "two.example.com" and s["state"] == "trusted", 40)


def test_from_lab_to_lab(make_lab, make_device):
    """The operator's command on the old relay, and a device that follows it to the new one."""
    old, new = make_lab(zone="old.test"), make_lab(zone="new.test")

    def relay(lab, *arguments):
        return conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file,
                             *arguments]).stdout.strip()

    both = os.path.join(old.folder, "both.pem")
    with open(both, "w") as file:
        for lab in (old, new):
            with open(lab.ca.ca_file) as part:
                file.write(part.read())
    device = make_device(old, [relay(old, "key")], kind=LabDevice, ca_file=both)
    status = device.wait_trusted(30)
    assert zone_of(status) == "old.test"
    relay(old, "move", "--to", relay(new, "key"))

    def announced():
        client = conftest.new_client(old)
        try:
            return "movedTo" in client.directory()["meta"]["latchkey"]
        finally:
            client.close()
    testbed.wait_for(announced, "the announcement", 10)
    subprocess.run(device.command("renew"), check=True, stdout=subprocess.DEVNULL)
    status = device.wait_status(lambda s: zone_of(s) == "new.test" and s["state"] == "trusted", 40)
    assert status["relay"] == new.directory and status["movedFrom"] == old.directory
    device.lab = new
    assert device.verified(device.full_name("127-0-0-1"))[0] == 200
    listed = relay(new, "list")
    assert device.id() in listed
