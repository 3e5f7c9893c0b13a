"""Fixtures of the system tests: real programs on loopback, with Pebble as the CA. The programs are taken
from LATCHKEY_BIN (set by ctest; else build/debug/bin)."""
import fcntl
import os
import re
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "deploy")]

import acme_client  # noqa: E402
import testbed  # noqa: E402

BIN = os.environ.get("LATCHKEY_BIN") or os.path.join(TOP, "build", "debug", "bin")
BUILD = os.environ.get("LATCHKEY_BUILD") or os.path.dirname(BIN)
SOAK = os.environ.get("LATCHKEY_SOAK") == "1"
SANITIZER = re.compile(r"ERROR: (?:Address|Leak)Sanitizer|runtime error:|SUMMARY: \w*Sanitizer")


def program(name):
    path = os.path.join(BIN, name)
    assert os.path.exists(path), f"'{path}' is not built"
    return path


def release_bin():
    """The folder of programs as they are shipped, without sanitizers, for what is about memory or calls of the
    system. tests/run has built them."""
    folder = os.path.join(os.path.dirname(BUILD), "release")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(folder, "build.ninja")):
            run(["cmake", "-S", TOP, "-B", folder, "--preset", "release"], cwd=TOP)
        run(["cmake", "--build", folder, "--target", "latchkey-relay", "bench_front_load"], timeout=900)
    return os.path.join(folder, "bin")


def need(*commands):
    """Skips the test, saying why, without these commands."""
    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"'{command}' is not installed (deploy/install-packages test)")


def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


def run(command, check=True, timeout=120, **options):
    """Runs a command; its output is in the failure's text."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, **options)
    assert not check or done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}"
    return done


def sanitizer_reports(folder):
    """What the sanitizers said in any log below FOLDER."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".log"):
                with open(os.path.join(where, name), errors="replace") as file:
                    text = file.read()
                match = SANITIZER.search(text)
                if match:
                    found.append(f"{name}: {text[match.start():match.start() + 3000]}")
    return found


def check_stopped(results, folder):
    """After a testbed has been stopped: each program of ours ended well, and no sanitizer spoke."""
    assert not sanitizer_reports(folder), "\n".join(sanitizer_reports(folder))
    bad = {name: status for name, status in results.items()
           if name in testbed.ROLES and status not in (0, None)}
    assert not bad, f"ended by SIGTERM with another status than 0: {bad}"


def pytest_collection_modifyitems(config, items):
    """What makes a Debian of its own is for the long lane; as a skip it would count as a failure."""
    later = [] if SOAK else [item for item in items if "debian" in item.fixturenames]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for lab in getattr(item, "labs", []) + getattr(item.module, "_labs", []):
            for name, process in lab.processes.items():
                report.sections.append((f"end of {name}.log", process.tail(40)))


@pytest.fixture
def make_lab(request, tmp_path):
    """make_lab(**options of Testbed) starts a testbed that ends with the test."""
    labs = []
    request.node.labs = labs

    def make(**options):
        need("pebble", "openssl")
        program("latchkey-relay")
        lab = testbed.Testbed(tmp_path / f"lab{len(labs)}", BIN, **options)
        labs.append(lab)
        return lab.start()

    yield make
    for lab in labs:
        check_stopped(lab.stop(), lab.folder)


@pytest.fixture(scope="module")
def lab(request, tmp_path_factory):
    """A testbed that all tests of the module share."""
    need("pebble", "openssl")
    program("latchkey-relay")
    bed = testbed.Testbed(tmp_path_factory.mktemp("lab"), BIN, **getattr(request.module, "LAB", {}))
    request.module._labs = [bed]
    bed.start()
    yield bed
    check_stopped(bed.stop(), bed.folder)


def new_client(bed, key=None, source=None):
    return acme_client.Client(bed.directory, bed.ca.ca_file, key, source=source)


def ca_status(bed, pem):
    """What Pebble says of a certificate: "Valid" or "Revoked"."""
    serial = acme_client.leaf(pem).serial_number
    status, body = testbed.https_get("127.0.0.1", bed.pebble_management,
                                     f"/cert-status-by-serial/{serial:x}", bed.ca.ca_file)
    assert status == 200, body
    return acme_client.json.loads(body)["Status"]


def ca_orders(bed):
    """How many orders Pebble has taken since the log began."""
    return bed.processes["pebble"].log().count("Added order ")


def verify_chain(bed, pem, name):
    """The chain leads to Pebble's root and holds for NAME: openssl is the judge."""
    path = os.path.join(bed.folder, "judged.pem")
    with open(path, "w") as file:
        file.write(pem)
    run(["openssl", "verify", "-CAfile", bed.roots_file, "-untrusted", path, "-verify_hostname", name,
         "-purpose", "sslserver", path])
