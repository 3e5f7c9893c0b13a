"""Life without a clock: a device at 1970 or 2038 gets the time from the relay, signed by the relay's own
key, and never goes back past its floor. Its wall clock is bent by clock_shim.py."""
import json
import os
import re
import time

import pytest

import conftest
import testbed
from clock_shim import WrongClock
from fake_relay import FakeRelay
from test_device import Device, command
from test_device_lab import LabDevice

DAY = 86400
YEAR_2038 = 2145916800


@pytest.fixture
def relay(tmp_path):
    folder = tmp_path / "relay"
    folder.mkdir()
    server = FakeRelay(folder)
    yield server
    server.close()


@pytest.fixture
def make(tmp_path):
    """make(kind, relay or lab, at=seconds since 1970, pin=...): a device whose clock says AT."""
    conftest.need("cc")
    devices = []

    def make(kind, peer, at=0, pin=None, start=True, **settings):
        folder = tmp_path / f"device{len(devices)}"
        clock = WrongClock(str(folder))
        settings.setdefault("worker", clock.wrap(conftest.program("latchkey-worker")))
        device = kind(folder, peer, **settings)
        if pin:
            with open(device.config_file) as file:
                text = file.read()
            testbed.write_atomically(device.config_file, text.replace(
                f"relay = {peer.directory}\n", f"relay = {peer.directory}#{pin}\n"))
        device.clock = clock
        device.process.environment = clock.environment()
        clock.set(at)
        devices.append(device)
        if start:
            device.start()
        return device

    yield make
    for device in devices:
        if os.path.exists(device.process.log_path):
            device.stop()
            assert not conftest.sanitizer_reports(device.folder), device.process.log()[-4000:]


def lab_pin(lab):
    done = conftest.run([conftest.program("latchkey-relay"), "--config", lab.config_file, "key"])
    return done.stdout.strip().rpartition("#")[2]


def state_of(device):
    with open(device.file("state.json")) as file:
        return json.load(file)


def seconds_of(text):
    import calendar
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def wait_log(device, pattern, seconds=20):
    def there():
        device.process.check()
        return re.search(pattern, device.process.log())
    return testbed.wait_for(there, f"'{pattern}' in the log", seconds, 0.05)


# --- with the real relay ---

@pytest.mark.parametrize("pinned", [True, False])
def test_from_1970_to_a_padlock(make, lab, pinned):
    device = make(LabDevice, lab, at=0, pin=lab_pin(lab) if pinned else None)
    status = device.wait_trusted(30)
    log = device.process.log()
    assert "asking the relay for the time" in log and "the relay says it is" in log
    assert ("its key is not yet known" in log) == (not pinned)
    assert abs(seconds_of(status["now"]) - time.time()) < 10
    assert seconds_of(status["trusted"]["notAfter"]) > time.time()
    assert device.verified(device.full_name("127-0-0-1"))[0] == 200
    device.stop()
    floor = state_of(device)["time_floor_at"]
    assert abs(floor - time.time()) < 20, "the floor is kept"
    assert state_of(device)["relay_pin"] == lab_pin(lab)
    # The next boot begins at the floor, not in 1970, also without the relay.
    device.clock.set(0)
    lab.processes["front"].stop()
    try:
        device.start()
        device.wait_https()
        status = device.wait_status()
        assert seconds_of(status["now"]) >= floor and status["serving"] == "trusted"
    finally:
        lab.start_role("front")
    device.stop()


def test_from_2038(make, lab):
    """The relay's certificate has run out, by this clock: it is the clock that is asked about."""
    device = make(LabDevice, lab, at=YEAR_2038, pin=lab_pin(lab))
    status = device.wait_trusted(30)
    assert abs(seconds_of(status["now"]) - time.time()) < 10
    assert "relay-date" in device.process.log()
    device.stop()
    # What was never signed is not stored: 2038 did not become the floor.
    assert abs(state_of(device)["time_floor_at"] - time.time()) < 20


def test_a_clock_that_fails_and_comes_right(make, lab):
    device = make(LabDevice, lab, at=time.time(), pin=lab_pin(lab))
    serial = device.wait_trusted(30)["trusted"]["serial"]
    assert "asking the relay for the time" not in device.process.log()
    device.clock.set(0)
    command("renew", "--config", device.config_file)
    wait_log(device, "the relay says it is")
    status = device.wait_status(lambda s: s.get("trusted", {}).get("serial") != serial and
                                s["state"] == "trusted", 30)
    assert status["serving"] == "trusted" and abs(seconds_of(status["now"]) - time.time()) < 10
    device.clock.set(time.time())
    command("renew", "--config", device.config_file)
    wait_log(device, "the system's is right now")


def test_another_key_than_the_pinned_one(make, lab):
    wrong = "A" * 43
    device = make(LabDevice, lab, at=0, pin=wrong)
    wait_log(device, "this is another relay, or somebody in its place")
    time.sleep(1.5)
    status = device.wait_status()
    assert status["serving"] == "fallback" and "trusted" not in status
    assert seconds_of(status["now"]) < time.time() - DAY, "its time was believed"
    # Nor with a good clock.
    device.clock.set(time.time())
    device.stop()
    device.start()
    status = device.wait_failure("relay-not-itself", 30)
    assert status["serving"] == "fallback"
    assert "pin" in status["failure"]["detail"] or "refused" in status["failure"]["detail"]


# --- answers that must not be believed ---

@pytest.mark.parametrize("kind,reason", [
    ("other-key", "not signed by its key"), ("other-nonce", "an answer to somebody else"),
    ("other-url", "an answer to somebody else"), ("a-move", "an answer to somebody else"),
    ("back", "turn the clock back")])
def test_a_time_that_is_not_believed(make, relay, kind, reason):
    pin = relay.make_key()
    relay.time = kind
    device = make(Device, relay, at=0, pin=pin)
    wait_log(device, reason)
    assert seconds_of(device.wait_status()["now"]) < time.time() - DAY
    assert device.wait_status()["serving"] == "fallback"
    if kind == "other-key":  # and then it is: as soon as the answer is right
        relay.time = "good"
        device.wait_trusted(40)


def test_a_replayed_answer(make, relay):
    pin = relay.make_key()
    first = make(Device, relay, at=0, pin=pin)
    first.wait_trusted(30)
    relay.time = "replay"
    second = make(Device, relay, at=0, pin=pin)
    wait_log(second, "an answer to somebody else")
    assert len(relay.told) == 1
    assert second.wait_status()["serving"] == "fallback"


def test_time_does_not_go_back_past_the_floor(make, relay):
    """The newest signed time is stored; a relay, even the right one, can't turn it back."""
    pin = relay.make_key()
    device = make(Device, relay, at=0, pin=pin)
    device.wait_trusted(30)
    device.stop()
    state = state_of(device)
    floor = int(time.time()) + 10 * DAY
    state["time_floor_at"] = floor
    with open(device.file("state.json"), "w") as file:
        json.dump(state, file)
    device.clock.set(0)
    device.start()
    wait_log(device, "it would turn the clock back")
    assert seconds_of(device.wait_status()["now"]) >= floor


def test_a_far_future_is_not_stored(make, relay):
    """Who had the relay's key once can't turn devices off for good: the relay's own certificate has run
    out by such a time, so it is never the floor, and the next start is told the right one."""
    pin = relay.make_key()
    relay.time = "far"
    device = make(Device, relay, at=0, pin=pin)
    wait_log(device, "the relay says it is 2100")
    device.wait_failure("relay-date", 30)
    device.stop()
    assert state_of(device)["time_floor_at"] < time.time() + DAY
    relay.time = "good"
    device.start()
    device.wait_trusted(30)
    device.stop()
    assert abs(state_of(device)["time_floor_at"] - time.time()) < 20


def test_a_remembered_key_is_not_replaced(make, relay):
    """Without a pin the first key counts: another one gets no time believed, but certificates go on."""
    first = relay.make_key()
    device = make(Device, relay, at=time.time())
    device.wait_trusted(30)
    device.wait_status(lambda s: s.get("publishedAt"))
    device.stop()
    assert state_of(device)["relay_pin"] == first
    relay.make_key()
    device.start()
    device.wait_https()
    command("renew", "--config", device.config_file)
    wait_log(device, "its time and its moves are not believed")
    device.wait_trusted(30)
    device.stop()
    assert state_of(device)["relay_pin"] == first
    device.clock.set(0)
    device.start()
    wait_log(device, "no time from the relay")
    device.stop()


def test_a_time_by_a_key_that_was_not_the_relays(make, relay):
    """Without a pin: who stood in the relay's place when the time was asked for is not there any more."""
    relay.make_key()
    relay.other_key_next = True
    device = make(Device, relay, at=0)
    wait_log(device, "signed by another key than the relay has")
    device.wait_trusted(30)
    testbed.wait_for(lambda: len(relay.told) == 2, "the second question", 10)
    device.stop()
    assert abs(state_of(device)["time_floor_at"] - time.time()) < 20


def test_a_zone_is_not_replaced(make, relay):
    device = make(Device, relay, at=time.time())
    device.wait_trusted(30)
    relay.zone = "other.example.net"
    command("renew", "--config", device.config_file)
    status = device.wait_failure("zone-changed", 30)
    assert status["zone"] == "lan.example.com" and status["serving"] == "trusted"


def test_a_relay_that_tells_no_time(make, relay):
    """An older one: the device says so and tries all the same."""
    device = make(Device, relay, at=0)
    wait_log(device, "does not tell the time")
    device.wait_failure("relay-date", 30)
