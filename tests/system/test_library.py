"""liblatchkey as its users have it: installed into a prefix, found by pkg-config, compiled against without
this tree, and run against a real relay. What it exports is compared with the list that is in the tree."""
import hashlib
import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import time

import pytest

import conftest
import testbed

TOP = conftest.TOP
LIB = os.path.join(TOP, "device", "lib")
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def install(build, prefix):
    for component in ("library", "library-curl", "development"):
        conftest.run(["cmake", "--install", build, "--component", component, "--prefix", prefix])
    for where, folders, _ in os.walk(prefix):
        if "pkgconfig" in folders:
            return os.path.join(where, "pkgconfig")
    raise AssertionError(f"no pkgconfig below '{prefix}'")


class Installed:
    """An installed library, and what is compiled against it."""

    def __init__(self, build, folder):
        self.folder = str(folder)
        self.prefix = os.path.join(self.folder, "prefix")
        self.pkgconfig = install(build, self.prefix)
        self.lib = os.path.dirname(self.pkgconfig)
        self.shared = os.path.join(self.lib, "liblatchkey.so.0")
        needed = conftest.run(["readelf", "-d", self.shared]).stdout
        self.sanitize = SANITIZE if "libasan" in needed else []

    def flags(self, *arguments):
        environment = {**os.environ, "PKG_CONFIG_PATH": self.pkgconfig}
        return shlex.split(conftest.run(["pkg-config"] + list(arguments), env=environment).stdout)

    def compile(self, source, *packages, static=False, name=None):
        """The program made from SOURCE in C99, with the flags that pkg-config gives and no others."""
        program = os.path.join(self.folder, name or os.path.splitext(os.path.basename(source))[0])
        flags = self.flags("--cflags", "--libs", *(["--static"] if static else []), *packages)
        if static:
            flags = [flag if not flag.startswith("-llatchkey") else f"-l:lib{flag[2:]}.a"
                     for flag in flags]
        conftest.run(["cc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pedantic"]
                     + self.sanitize + ["-o", program, source] + flags + [f"-Wl,-rpath,{self.lib}"])
        return program


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The library of the build under test (sanitized in the usual lane)."""
    conftest.need("cc", "pkg-config", "cmake", "nm", "objdump")
    return Installed(conftest.BUILD, tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """As it is shipped: sanitizers add symbols and data of their own."""
    conftest.need("cmake", "ninja", "nm", "objdump")
    folder = tmp_path_factory.mktemp("release")
    build = os.path.join(folder, "build")
    conftest.run(["cmake", "-S", TOP, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                  "-DLATCHKEY_TESTS=OFF"])
    conftest.run(["cmake", "--build", build, "-j2", "--target", "latchkey_shared_library",
                  "latchkey_curl_shared_library", "latchkey_static_library",
                  "latchkey_curl_static_library"], timeout=300)
    return Installed(build, folder)


@pytest.fixture
def programs(installed):
    """The two examples and the test's own program, compiled once."""
    if not hasattr(installed, "programs"):
        examples = os.path.join(LIB, "examples")
        installed.programs = {
            "poll": installed.compile(os.path.join(examples, "poll_curl.c"), "liblatchkey-curl", "openssl"),
            "own": installed.compile(os.path.join(examples, "own_transport.c"), "liblatchkey", "openssl"),
            "own-static": installed.compile(os.path.join(examples, "own_transport.c"), "liblatchkey",
                                            "openssl", static=True, name="own-static"),
            "handles": installed.compile(os.path.join(conftest.HERE, "library_handles.c"),
                                         "liblatchkey-curl"),
        }
    return installed.programs


# Run against a relay ----------------------------------------------------------------------------


class Device(testbed.Process):
    """poll_curl, with what it said."""

    def __init__(self, program, lab, folder):
        self.port = testbed.free_port("127.0.0.1", set())
        self.state = os.path.join(str(folder), "state")
        super().__init__("poll_curl", [program, "--directory", lab.directory, "--ca", lab.ca.ca_file,
                                       "--folder", self.state, "--listen", f"127.0.0.1:{self.port}"],
                         os.path.join(str(folder), "poll_curl.log"))

    def words(self, *start):
        """The rest of each line that begins with these words."""
        prefix = " ".join(start) + " "
        lines = self.log().splitlines() if os.path.exists(self.log_path) else []
        return [line[len(prefix):].split() for line in lines if line.startswith(prefix)]

    def wait(self, count=1, seconds=20):
        """The serial of the COUNTth trusted certificate."""
        testbed.wait_for(lambda: self.check() and len(self.words("certificate", "trusted")) >= count,
                         f"certificate {count}", seconds)
        return self.words("certificate", "trusted")[count - 1][0]

    def saved(self):
        with open(os.path.join(self.state, "state.json")) as file:
            return json.load(file)

    def end(self):
        assert self.stop() == 0, self.tail()
        assert not conftest.sanitizer_reports(os.path.dirname(self.log_path))


def peer(port, name, roots=None):
    """Serial (as the library prints it) and names of what is served to NAME; verified when ROOTS."""
    context = ssl.create_default_context(cafile=roots)
    if roots is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as raw, \
            context.wrap_socket(raw, server_hostname=name) as tls:
        der = tls.getpeercert(binary_form=True)
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert tls.recv(1000).startswith(b"HTTP/1.0 200")
    leaf = conftest.acme_client.leaf(ssl.DER_cert_to_PEM_cert(der))
    text = f"{leaf.serial_number:x}"
    return text if len(text) % 2 == 0 else "0" + text


def test_a_poll_loop_serves_renews_and_goes_on_after_a_restart(programs, lab, tmp_path):
    device = Device(programs["poll"], lab, tmp_path)
    try:
        device.start()
        first = device.wait()
        name = device.words("certificate", "trusted")[0][1]
        (device_id,) = device.words("id")[0]
        assert name == f"home.{device_id}.{lab.zone}"
        assert device.words("qr")[0][0].startswith(f"LATCHKEY:1/K{device_id.upper()}")
        address_name = f"127-0-0-1.{device_id}.{lab.zone}"
        assert peer(device.port, name, lab.roots_file) == first
        assert peer(device.port, address_name, lab.roots_file) == first
        fallback = device.words("certificate", "fallback")[-1][0]
        assert peer(device.port, "elsewhere.test") == fallback == peer(device.port, None)

        # The address behind the name that stays.
        testbed.wait_for(lambda: testbed.dns_query(lab.address, lab.dns_port, name, 1)[2] ==
                         ["127.0.0.1"], "the published address")

        # Asked for one, a new certificate is served without a restart.
        device.child.send_signal(signal.SIGUSR1)
        second = device.wait(2)
        assert second != first
        testbed.wait_for(lambda: peer(device.port, name, lab.roots_file) == second, "the new one")
        device.end()

        # A restart orders nothing.
        orders = conftest.ca_orders(lab)
        device.start()
        assert device.wait(3) == second
        assert peer(device.port, name, lab.roots_file) == second
        device.end()
        assert conftest.ca_orders(lab) == orders
    finally:
        device.stop()


def test_a_killed_order_is_resumed(programs, lab, tmp_path):
    device = Device(programs["poll"], lab, tmp_path)
    pebble = lab.processes["pebble"].child
    orders = conftest.ca_orders(lab)
    try:
        pebble.send_signal(signal.SIGSTOP)
        device.start()
        order = testbed.wait_for(lambda: device.saved().get("order"), "the order's state")
        with open(os.path.join(device.state, "pending.pem")) as file:
            key = file.read()
        device.kill()
        pebble.send_signal(signal.SIGCONT)
        device.start()
        device.wait()
        device.end()
    finally:
        pebble.send_signal(signal.SIGCONT)
        device.stop()
    assert "/acme/" in order
    assert conftest.ca_orders(lab) == orders + 1
    with open(os.path.join(device.state, "trusted.pem")) as file:
        assert file.read().startswith(key)
    assert not os.path.exists(os.path.join(device.state, "pending.pem"))
    assert not device.saved().get("order")


@pytest.mark.parametrize("kind", ("own", "own-static"))
def test_own_transport_and_signer(kind, programs, lab, tmp_path):
    key = os.path.join(tmp_path, "identity.pem")
    state = os.path.join(tmp_path, "state")
    conftest.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key])
    said = conftest.run([programs[kind], lab.directory, lab.ca.ca_file, key, state], timeout=60).stdout
    assert not conftest.SANITIZER.search(said), said
    spki = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                          stdout=subprocess.PIPE, check=True).stdout
    device_id = conftest.acme_client.base64.b32encode(hashlib.sha256(spki).digest()[:20]).decode().lower()
    assert f"id {device_id}\n" in said
    chain = said[said.index("-----BEGIN"):]
    chain = chain[:chain.rindex("-----END CERTIFICATE-----\n") + 26]
    conftest.verify_chain(lab, chain, f"x.{device_id}.{lab.zone}")
    # The library never had the key.
    assert not os.path.exists(os.path.join(state, "identity.pem"))


def test_a_relay_that_cannot_be_reached_or_trusted(programs, lab, tmp_path):
    closed = testbed.free_port("127.0.0.1", set())
    for number, (directory, ca_file, said) in enumerate((
            (f"https://localhost:{closed}/acme/directory", lab.ca.ca_file, "connect"),
            (lab.directory, lab.roots_file, "certificate"),
            ("https://no-such-host.invalid/acme/directory", lab.ca.ca_file, "resolve"))):
        folder = os.path.join(tmp_path, str(number))
        os.mkdir(folder)
        device = Device(programs["poll"], lab, folder)
        device.command[2], device.command[4] = directory, ca_file
        try:
            device.start()
            testbed.wait_for(lambda: device.check() and any(
                "failure=net" in words and said in " ".join(words).lower()
                for words in device.words("state", "waiting")), f"'{said}' in what failed")
            # It serves its own certificate all the same, and its loop rests.
            fallback = device.words("certificate", "fallback")[-1][0]
            assert peer(device.port, None) == fallback
            assert "certificate trusted" not in device.log()
            device.end()
        finally:
            device.stop()


def switches(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))


def test_an_idle_loop_rests(programs, lab, tmp_path):
    device = Device(programs["poll"], lab, tmp_path)
    try:
        device.start()
        device.wait()
        testbed.wait_for(lambda: "published=1" in device.log(), "the publication")
        # Whatever curl still had to do.
        testbed.wait_for(lambda: (before := switches(device.pid), time.sleep(0.5),
                                  switches(device.pid) == before)[-1], "half a second of rest")
        before = switches(device.pid)
        time.sleep(2)
        assert switches(device.pid) - before <= 2
        device.end()
    finally:
        device.stop()


def test_enrolment_by_token(programs, make_lab, tmp_path):
    lab = make_lab(settings={"front": {"enrolment": "token"}})
    relay = [os.path.join(conftest.BIN, "latchkey-relay"), "--config", lab.config_file]
    token = re.search(r"^(\S+:\S+)$", conftest.run(relay + ["token", "add"]).stdout, re.M).group(1)
    without = Device(programs["poll"], lab, tmp_path)
    try:
        without.start()
        testbed.wait_for(lambda: any("failure=eab" in words for words in without.words("state", "waiting")),
                         "the relay's refusal")
        without.end()
        enrolled = Device(programs["poll"], lab, tmp_path)
        enrolled.command += ["--token", token]
        enrolled.start()
        enrolled.wait()
        enrolled.end()
    finally:
        without.stop()


def test_several_handles_in_one_loop(programs, lab, tmp_path):
    folders = [os.path.join(tmp_path, str(number)) for number in range(3)]
    said = conftest.run([programs["handles"], lab.directory, lab.ca.ca_file] + folders, timeout=60).stdout
    ids = {line.split()[1] for line in said.splitlines() if line.startswith("trusted ")}
    assert len(ids) == 3, said
    # A folder belongs to one handle at a time.
    refused = conftest.run([programs["handles"], lab.directory, lab.ca.ca_file, folders[0], folders[0]],
                           check=False)
    assert refused.returncode == 1 and "no handle" in refused.stdout


# What is installed ------------------------------------------------------------------------------


def listed(stem):
    with open(os.path.join(LIB, f"{stem}.symbols")) as file:
        return {line.strip() for line in file if line.startswith("latchkey_")}


def exported(path):
    """{symbol: version} of a shared library."""
    pairs = {}
    for line in conftest.run(["nm", "-D", "--defined-only", path]).stdout.splitlines():
        symbol = line.split()[-1]
        if line.split()[-2] != "A":
            name, _, version = symbol.partition("@@")
            pairs[name] = version
    return pairs


@pytest.mark.parametrize("stem", ("liblatchkey", "liblatchkey-curl"))
def test_exactly_the_listed_symbols_are_exported(stem, installed, released):
    for prefix in (installed, released):
        found = exported(os.path.join(prefix.lib, f"{stem}.so.0"))
        assert found == {name: "LATCHKEY_0.1" for name in listed(stem)}
    said = conftest.run(["readelf", "-d", os.path.join(released.lib, f"{stem}.so")]).stdout
    assert f"[{stem}.so.0]" in said
    header = os.path.join(released.prefix, "include", f"{stem[3:]}.h")
    with open(header) as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    declared = set(re.findall(r"^LATCHKEY_API [^;(]*?\b(latchkey_\w+)\(", text, re.M))
    assert declared == listed(stem)


def test_the_static_library_shows_nothing_else(released):
    path = os.path.join(released.lib, "liblatchkey.a")
    names = {line.split()[-1] for line in conftest.run(["nm", "-g", "--defined-only", path])
             .stdout.splitlines() if len(line.split()) == 3}
    assert names == listed("liblatchkey")
    clash = os.path.join(released.folder, "clash.c")
    with open(clash, "w") as file:
        file.write('#include <latchkey.h>\n'
                   'int json_parse(void);\nint json_parse(void) { return 1; }\n'
                   'int buffer_append(void);\nint buffer_append(void) { return 2; }\n'
                   'int main(void)\n{\n    struct latchkey_options options = LATCHKEY_OPTIONS_INIT;\n'
                   '    struct latchkey *handle = NULL;\n'
                   '    return latchkey_new(&options, &handle) == LATCHKEY_ERROR_ARGUMENT &&\n'
                   '           json_parse() + buffer_append() == 3 ? 0 : 1;\n}\n')
    conftest.run([released.compile(clash, "liblatchkey", static=True)])


@pytest.mark.parametrize("name", ("liblatchkey.so.0", "liblatchkey-curl.so.0", "liblatchkey.a",
                                  "liblatchkey-curl.a"))
def test_there_are_no_writable_globals(name, released):
    of_the_start_files = {"completed.0", "__dso_handle", "_DYNAMIC", "_GLOBAL_OFFSET_TABLE_", "__TMC_END__",
                          "__frame_dummy_init_array_entry", "__do_global_dtors_aux_fini_array_entry"}
    found = set()
    for line in conftest.run(["objdump", "-t", os.path.join(released.lib, name)]).stdout.splitlines():
        match = re.match(r"[0-9a-f]+ .{7} (\.(?:data|bss|tdata|tbss)\S*|\*COM\*)\s+\S+\s+(?:\.hidden )?(\S+)$",
                         line)
        if match and not match.group(1).startswith(".data.rel.ro") and match.group(2) != match.group(1):
            found.add(match.group(2))
    assert not found - of_the_start_files


def test_the_headers_are_c_and_cpp(installed):
    source = os.path.join(installed.folder, "header")
    text = ("#include <latchkey-curl.h>\n#include <latchkey.h>\nint main() {\n"
            "    struct latchkey_options options = LATCHKEY_OPTIONS_INIT;\n"
            "    struct latchkey_status status = LATCHKEY_STATUS_INIT;\n"
            "    struct latchkey_transport transport = LATCHKEY_TRANSPORT_INIT;\n"
            "    struct latchkey_curl_options curl = LATCHKEY_CURL_OPTIONS_INIT;\n"
            "    return options.size > 0 && status.size > 0 && transport.size > 0 && curl.size > 0 &&\n"
            "        latchkey_version_number() == LATCHKEY_VERSION_NUMBER ? 0 : 1;\n}\n")
    for command, ending in ((["c++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic"], ".cc"),
                            (["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"], ".c")):
        with open(source + ending, "w") as file:
            file.write(text.replace("main()", "main(void)"))
        program = source + ending + ".out"
        conftest.run(command + installed.sanitize + ["-o", program, source + ending] +
                     installed.flags("--cflags", "--libs", "liblatchkey-curl") +
                     [f"-Wl,-rpath,{installed.lib}"])
        conftest.run([program])


def test_nothing_of_a_program_comes_along(released):
    """No libevent, c-ares, libqrencode or inih; libcurl beside it only; and it is small."""
    def needed(name):
        text = conftest.run(["readelf", "-d", os.path.join(released.lib, name)]).stdout
        return set(re.findall(r"NEEDED.*\[(lib[\w-]+)\.so", text))
    assert needed("liblatchkey.so.0") == {"libssl", "libcrypto", "libjansson", "libc"}
    assert needed("liblatchkey-curl.so.0") == {"liblatchkey", "libcurl", "libc"}
    stripped = os.path.join(released.folder, "stripped.so")
    conftest.run(["strip", "-o", stripped, os.path.join(released.lib, "liblatchkey.so.0")])
    assert os.path.getsize(stripped) <= 200 << 10
