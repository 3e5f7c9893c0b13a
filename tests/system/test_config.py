"""Every program explains itself, and a wrong line of a configuration is named with file, line, key and
what is allowed."""
import os
import re
import subprocess

import pytest

import conftest

GOOD_RELAY = """[relay]
zone = lan.example.com
store = {folder}/store
[issuer]
terms_agreed = yes
[dns]
name_servers = ns-lan.example.com
"""
GOOD_DEVICE = """[device]
relay = https://relay.lan.example.com/acme/directory
state_folder = {folder}/state
"""


def say(*command):
    """(status, output) of a command; a sanitizer's report is a failure."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30)
    assert not conftest.SANITIZER.search(done.stdout), done.stdout
    return done.returncode, done.stdout


def check(folder, name, text):
    """`PROGRAM --check` on a configuration with this text. Returns (status, output, path)."""
    path = os.path.join(folder, "test.conf")
    with open(path, "w") as file:
        file.write(text.format(folder=folder))
    return *say(conftest.program(name), "--check", "--config", path), path


@pytest.mark.parametrize("name", ["latchkey-relay", "latchkey", "latchkey-worker"])
def test_programs_explain_themselves(name):
    status, text = say(conftest.program(name), "--help")
    assert status == 0 and text.startswith("Usage: " + name) and "--version" in text, text
    status, text = say(conftest.program(name), "--version")
    assert status == 0 and re.fullmatch(name + r" \d+\.\d+\.\d+\n", text), text
    status, text = say(conftest.program(name), "--no-such-option")
    assert status != 0 and "no-such-option" in text, text
    status, text = say(conftest.program(name), "no-such-command")
    assert status != 0 and text, text


@pytest.mark.parametrize("name, good", [("latchkey-relay", GOOD_RELAY), ("latchkey", GOOD_DEVICE)])
def test_good_configuration(tmp_path, name, good):
    status, text, path = check(tmp_path, name, good)
    assert status == 0 and path in text, text


WRONG_RELAY = [
    # (line put at the end of its section, section, key, what the message must hold)
    ("zone = LAN.example.com", "relay", "zone", "lower-case"),
    ("base_url = http://relay.lan.example.com", "relay", "base_url", "https://"),
    ("log = loud", "relay", "log", "debug"),
    ("lgo = debug", "relay", "lgo", "log"),
    ("terms_agreed = maybe", "issuer", "terms_agreed", "yes"),
    ("max_in_flight = 0", "issuer", "max_in_flight", "10000"),
    ("max_in_flight = many", "issuer", "max_in_flight", "10000"),
    ("directory = example.com", "issuer", "directory", "https://"),
    ("listen = 53", "dns", "listen", "address:port"),
    ("listen = 127.0.0.1:99999", "dns", "listen", "address:port"),
    ("hosts = relay", "dns", "hosts", "name=address"),
    ("answer_loopback = 2", "dns", "answer_loopback", "yes"),
]


@pytest.mark.parametrize("line, section, key, allowed", WRONG_RELAY)
def test_wrong_line_of_the_relay(tmp_path, line, section, key, allowed):
    text = GOOD_RELAY.replace(f"[{section}]\n", f"[{section}]\n{line}\n", 1)
    if key in ("zone", "terms_agreed"):
        text = re.sub(rf"(?m)^{key} = (lan\.example\.com|yes)\n", "", text)
    number = text.splitlines().index(line) + 1
    status, said, path = check(tmp_path, "latchkey-relay", text)
    assert status != 0
    wanted = [row for row in said.splitlines() if f"{path}:{number}:" in row]
    assert wanted and key in wanted[0] and allowed in wanted[0], said


def test_all_wrong_lines_are_named(tmp_path):
    text = "[relay]\nzone = x\nlog = loud\n[nosuch]\na = 1\n[dns]\nlisten = 53\nrubbish\n"
    status, said, path = check(tmp_path, "latchkey-relay", text)
    assert status != 0
    for number in (2, 3, 4, 7, 8):
        assert f"{path}:{number}:" in said, said
    assert "name_servers" in said, "what is missing is named too: " + said


def test_terms_must_be_agreed(tmp_path):
    status, said, path = check(tmp_path, "latchkey-relay", GOOD_RELAY.replace("= yes", "= no"))
    assert status != 0 and path in said and "terms_agreed" in said and "yes" in said, said


@pytest.mark.parametrize("line, key, allowed", [
    ("relay = http://relay.example", "relay", "https"), ("serve = x", "serve", "address:port"),
    ("log = loud", "log", "debug"), ("nmae = home", "nmae", "name"),
    ("address = 8.8.8.8.8", "address", "address"), ("name = -home", "name", "letters")])
def test_wrong_line_of_the_device(tmp_path, line, key, allowed):
    text = GOOD_DEVICE + line + "\n"
    if key == "relay":
        text = f"[device]\n{line}\n"
    number = text.splitlines().index(line) + 1
    status, said, path = check(tmp_path, "latchkey", text)
    assert status != 0
    wanted = [row for row in said.splitlines() if f"{path}:{number}:" in row]
    assert wanted and key in wanted[0] and allowed in wanted[0], said


@pytest.mark.parametrize("name", ["latchkey-relay", "latchkey"])
def test_configuration_that_is_not_there(tmp_path, name):
    path = str(tmp_path / "nowhere.conf")
    status, said = say(conftest.program(name), "--check", "--config", path)
    assert status != 0 and path in said, said
    status, said = say(conftest.program(name), "--check", "--config", str(tmp_path))
    assert status != 0 and str(tmp_path) in said, said


def test_a_role_does_not_start_on_a_wrong_file(tmp_path):
    path = tmp_path / "relay.conf"
    path.write_text("[relay]\nzone = x\n")
    for role in ("front", "issuer", "dns", "run"):
        status, said = say(conftest.program("latchkey-relay"), "--config", str(path), role)
        assert status != 0 and f"{path}:2:" in said, said


def test_examples_are_good(tmp_path):
    """The commented examples: as they are once the terms are agreed to, and with every default spelt out."""
    for name, source, change in (
            ("latchkey-relay", "deploy/relay.conf.example", ("terms_agreed = no", "terms_agreed = yes")),
            ("latchkey", "device/latchkey.conf.example", ("", ""))):
        with open(os.path.join(conftest.TOP, source)) as file:
            text = file.read().replace(*change)
        path = tmp_path / "example.conf"
        path.write_text(text)
        status, said = say(conftest.program(name), "--check", "--config", str(path))
        assert status == 0, said
        # "#key = value" without the mark; keys without a value have no default to spell out.
        path.write_text(re.sub(r"(?m)^#(\w+ = \S)", r"\1", text))
        status, said = say(conftest.program(name), "--check", "--config", str(path))
        assert status == 0, said


def test_examples_name_every_key():
    """A key that the programs know and the example doesn't explain is a key that nobody finds."""
    for source, example in (("relay/relay_config.c", "deploy/relay.conf.example"),
                            ("device/device_config.c", "device/latchkey.conf.example")):
        with open(os.path.join(conftest.TOP, source)) as file:
            rows = re.findall(r'"(relay|front|issuer|dns|device)",\s*"(\w+)"', file.read())
        if not rows:  # the device's table gives the section once
            with open(os.path.join(conftest.TOP, source)) as file:
                rows = [("device", key) for key in re.findall(r'\.key = "(\w+)"', file.read())]
        assert len(rows) > 8, f"the table of '{source}' was not found"
        with open(os.path.join(conftest.TOP, example)) as file:
            text = file.read()
        missing = [f"[{section}] {key}" for section, key in rows
                   if not re.search(rf"(?m)^#?{key} =", text) and not key.endswith("ready_file")]
        assert not missing, f"'{example}' doesn't mention {missing}"


def test_zone_files(tmp_path):
    """Further zones have files of their own; --zone names one of them, and what can't stand there is said."""
    second = tmp_path / "second.conf"
    second.write_text(GOOD_RELAY.replace("lan.example.com", "dev.example.com").replace("store = {folder}/store\n", ""))
    main = GOOD_RELAY.replace("[issuer]", f"zone_files = {second}\n[issuer]")
    status, said, path = check(tmp_path, "latchkey-relay", main)
    assert status == 0 and "warning" in said and "'example.com'" in said, said
    relay = (conftest.program("latchkey-relay"), "--config", path)
    status, said = say(*relay, "--zone", "lan.example.org", "list")
    assert status == 2 and "lan.example.com, dev.example.com" in said, said
    status, said = say(*relay, "--zone", "dev.example.com", "front")
    assert status == 2 and "--zone" in said, said
    status, said = say(*relay, "list")
    assert status == 0 and said == "0 devices\n", said
    status, said = say(*relay, "--zone", "DEV.example.com", "list")
    assert status == 0 and said == "0 devices\n", said
    second.write_text(second.read_text() + "listen = 127.0.0.1:53\n")
    status, said, path = check(tmp_path, "latchkey-relay", main)
    assert status != 0 and f"{second}:7: [dns] listen" in said and "main file" in said, said
