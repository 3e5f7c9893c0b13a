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
