"""deploy/demo and deploy/lab do what they say."""
import os
import re
import signal
import subprocess

import conftest
import testbed

LISTED = ("LAB_DIRECTORY", "LAB_CA_FILE", "LAB_ROOTS_FILE", "LAB_ZONE", "LAB_DNS_HOST", "LAB_DNS_PORT",
          "LAB_STORE", "LAB_PEBBLE_DIRECTORY", "LAB_PEBBLE_CA_FILE", "LAB_PID_FRONT", "LAB_PID_ISSUER",
          "LAB_PID_DNS", "LAB_PID_PEBBLE")


def deploy(name):
    return os.path.join(conftest.TOP, "deploy", name)


def test_demo_check():
    conftest.need("pebble", "curl", "dig", "certutil")
    done = conftest.run([deploy("demo"), "--check", "--bin", conftest.BIN], timeout=180)
    assert re.search(r"Verified over a real connection: https://127-0-0-1\.[a-z2-7]{32}\.", done.stdout)
    assert "--host-resolver-rules=" in done.stdout and "█" in done.stdout, done.stdout


def test_demo_and_its_chromium_command(tmp_path):
    """The demo stays until Ctrl-C, and the command that it prints opens the device without a warning."""
    conftest.need("pebble", "curl", "dig", "certutil", "chromium")
    log = tmp_path / "demo.log"
    with open(log, "w") as file:
        demo = subprocess.Popen([deploy("demo"), "--bin", conftest.BIN], stdout=file, stderr=file)
    try:
        testbed.wait_for(lambda: demo.poll() is not None or "Ctrl-C ends" in log.read_text(), "the demo", 120)
        assert demo.poll() is None, log.read_text()
        command, = [line.strip() for line in log.read_text().splitlines() if " chromium --" in line]
        name = re.search(r"127-0-0-1\.([a-z2-7]{32})\.", command).group(1)
        headless = command.replace(" chromium ", " chromium --headless --no-sandbox --disable-gpu "
                                   "--disable-quic --no-first-run --disable-background-networking "
                                   "--disable-component-update --disable-sync --dump-dom ")
        done = subprocess.run(["sh", "-c", headless], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=90)
        assert "Browsers trust this device" in done.stdout and name in done.stdout, done.stderr[-3000:]
        assert "ERR_CERT" not in done.stderr, done.stderr[-3000:]
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0, log.read_text()
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait()


def test_demo_fails_without_a_relay(tmp_path):
    """A relay that can't start is a demo that fails."""
    for name in ("latchkey-relay", "latchkey"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = conftest.run([deploy("demo"), "--check", "--bin", str(tmp_path)], check=False)
    assert done.returncode == 1 and "Verified" not in done.stdout, done.stdout


def test_lab(tmp_path):
    """Up, all variables there, what dies comes back, ends cleanly on SIGTERM."""
    conftest.need("pebble")
    folder = str(tmp_path / "lab")
    path = os.path.join(folder, "lab.env")
    log = open(tmp_path / "out.log", "w")
    lab = subprocess.Popen([deploy("lab"), "--bin", conftest.BIN, folder], stdout=log, stderr=log,
                           env={**os.environ, "PEBBLE_WFE_NONCEREJECT": "30"})
    try:
        testbed.wait_for(lambda: lab.poll() is not None or os.path.exists(path), "lab.env", 60)
        assert lab.poll() is None, (tmp_path / "out.log").read_text()
        env = testbed.read_environment(path)
        assert set(LISTED) <= set(env)
        # As a shell reads it.
        said = conftest.run(["sh", "-c", f". '{path}' && echo \"$LAB_ZONE $LAB_PID_FRONT\""]).stdout
        assert said.split() == [env["LAB_ZONE"], env["LAB_PID_FRONT"]]
        conftest.run(["curl", "--silent", "--fail", "--cacert", env["LAB_CA_FILE"],
                      env["LAB_DIRECTORY"]])
        with open(f"/proc/{env['LAB_PID_PEBBLE']}/environ") as file:
            assert "PEBBLE_WFE_NONCEREJECT=30" in file.read().split("\0")
        os.kill(int(env["LAB_PID_DNS"]), signal.SIGKILL)
        testbed.wait_for(lambda: testbed.read_environment(path)["LAB_PID_DNS"] != env["LAB_PID_DNS"],
                         "another dns", 30)
        env = testbed.read_environment(path)
        rcode, _, _ = testbed.dns_query(env["LAB_DNS_HOST"], int(env["LAB_DNS_PORT"]), env["LAB_ZONE"], 6)
        assert rcode == 0
        lab.send_signal(signal.SIGTERM)
        assert lab.wait(20) == 0, (tmp_path / "out.log").read_text()
        for name in ("FRONT", "ISSUER", "DNS", "PEBBLE"):
            assert not os.path.exists(f"/proc/{env[f'LAB_PID_{name}']}"), name
        assert not conftest.sanitizer_reports(folder)
    finally:
        if lab.poll() is None:
            lab.terminate()
            lab.wait()
        log.close()


def test_lab_says_what_is_missing(tmp_path):
    done = conftest.run([deploy("lab"), "--bin", str(tmp_path), str(tmp_path / "lab")], check=False)
    assert done.returncode == 1 and str(tmp_path) in done.stdout and "build" in done.stdout


def children(pid):
    """{name of the role: pid} of the processes that PID has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        found = {}
        for child in file.read().split():
            with open(f"/proc/{child}/cmdline") as line:
                words = [word for word in line.read().split("\0") if word]
            if words and words[-1] in testbed.ROLES:  # not a dead one, nor one between fork and exec
                found[words[-1]] = int(child)
        return found


def test_relay_in_one_command(tmp_path):
    """`latchkey-relay run` starts every role, starts again what dies, and takes all of them down with it."""
    bed = testbed.Testbed(tmp_path / "lab", conftest.BIN)
    bed.prepare()
    command = [conftest.program("latchkey-relay"), "--config", bed.config_file, "run"]
    relay = testbed.Process("relay", command, str(tmp_path / "relay.log"))
    try:
        relay.start()
        testbed.wait_for(lambda: relay.check() and bed._dns_serves(), "dns", 20)
        bed.start_pebble()
        testbed.wait_for(lambda: relay.check() and bed._front_serves(), "front", 20)
        testbed.wait_for(lambda: relay.check() and bed._own_certificate_serves(), "a certificate", 60)
        roles = children(relay.pid)
        assert set(roles) == set(testbed.ROLES), roles
        os.kill(roles["dns"], signal.SIGKILL)
        testbed.wait_for(lambda: children(relay.pid).get("dns") not in (None, roles["dns"]) and
                         bed._dns_serves(), "another dns", 20)
        roles = children(relay.pid)
        assert relay.stop() == 0, relay.tail()
        for name, pid in roles.items():
            assert not os.path.exists(f"/proc/{pid}"), f"'{name}' lives on"
    finally:
        relay.stop()
        bed.stop()
    assert not conftest.sanitizer_reports(str(tmp_path))
