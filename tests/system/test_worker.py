"""What a captured worker finds and leaves behind: a short environment, no children that outlive it, and an
agent that judges the relay before anything is done with it."""
import json
import os
import signal
import time

import pytest

import conftest
import testbed
from test_device import captured, make_device, relay  # noqa: F401 (fixtures)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_the_environment_is_short(make_device, tmp_path, monkeypatch):  # noqa: F811
    result = tmp_path / "environment"
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://evil.example:1")
    captured(make_device, tmp_path, f"""
open({str(result)!r} + ".new", "w").write(json.dumps(dict(os.environ)))
os.rename({str(result)!r} + ".new", {str(result)!r})
send({{"type": "failed", "code": "net", "text": "that was all"}})
""")
    testbed.wait_for(result.exists, "the worker's environment", 20)
    found = set(json.loads(result.read_text()))
    assert "SECRET_OF_THE_AGENT" not in found and "HTTPS_PROXY" not in found and "HOME" not in found
    assert found <= {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "ASAN_OPTIONS",
                     "LSAN_OPTIONS", "UBSAN_OPTIONS"}, found


@pytest.mark.parametrize("how", ["it ends", "the agent is killed"])
def test_no_child_outlives_it(make_device, tmp_path, how):  # noqa: F811
    result = tmp_path / "child"
    end = 'send({"type": "failed", "code": "net", "text": "gone"})' if how == "it ends" else "time.sleep(60)"
    device = captured(make_device, tmp_path, f"""
import signal, time
child = os.fork()
if child == 0:
    os.close(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    time.sleep(60)
    os._exit(0)
open({str(result)!r} + ".new", "w").write(f"{{os.getpid()}} {{child}}")
os.rename({str(result)!r} + ".new", {str(result)!r})
{end}
""")
    testbed.wait_for(result.exists, "the worker's child", 20)
    worker, child = (int(text) for text in result.read_text().split())
    if how == "the agent is killed":
        device.stop()  # SIGTERM: it ends its worker and what that started
    testbed.wait_for(lambda: not is_alive(child), "the end of the child", 10)
    testbed.wait_for(lambda: not is_alive(worker), "the end of the worker", 10)


def test_the_real_worker_dies_with_a_killed_agent(make_device, relay):  # noqa: F811
    """No handler of the agent's runs at SIGKILL: the kernel tells the worker."""
    relay.hold.clear()  # the order is not answered
    device = make_device()
    pid = device.process.pid

    def workers():
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat") as file:
                        if int(file.read().rpartition(")")[2].split()[1]) == pid:
                            found.append(int(name))
                except (OSError, ValueError):
                    continue
        return found

    testbed.wait_for(lambda: workers() and relay.orders, "a worker that waits", 20)
    children = workers()
    device.process.kill(signal.SIGKILL)
    for child in children:
        testbed.wait_for(lambda c=child: not is_alive(c), "the end of the worker", 5)
    relay.hold.set()


def test_nothing_is_signed_for_a_zone_that_was_not_checked(make_device, tmp_path):  # noqa: F811
    result = tmp_path / "answers"
    captured(make_device, tmp_path, f"""
def tell(**facts):
    send({{"type": "relay", **facts}})
    return receive()["type"]
def csr(zone):
    send({{"type": "sign_csr", "zone": zone}})
    return receive()["type"]
answers = [
    csr("lan.example.com"),
    tell(zone="evil/../zone"),
    tell(zone="lan.example.com", time_url="https://evil.example/acme/time"),
    tell(zone="lan.example.com", relay_key={{"kty": "oct"}}),
    tell(zone="lan.example.com"),
    csr("evil.example"),
    tell(zone="evil.example"),
    csr("lan.example.com"),
]
open({str(result)!r} + ".new", "w").write(json.dumps(answers))
os.rename({str(result)!r} + ".new", {str(result)!r})
send({{"type": "failed", "code": "net", "text": "that was all"}})
""")
    testbed.wait_for(result.exists, "the worker's answers", 20)
    assert json.loads(result.read_text()) == ["refused"] * 4 + ["saved", "refused", "refused", "csr"]
