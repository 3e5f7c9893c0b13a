"""A backend behind the agent's TLS: what passes through, in which order it ends, what a full or a broken
backend does, and that a new certificate disturbs nobody."""
import base64
import contextlib
import hashlib
import http.server
import os
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time

import pytest

import conftest
import testbed
from test_device import ask, command, make_device, relay  # noqa: F401 (fixtures)

MEGABYTES_5 = os.urandom(1 << 16) * 80


class Backend:
    """A server on loopback or a unix socket: HANDLE(connection) in a thread for each connection."""

    def __init__(self, handle, path=None):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    handle(self.request)

        kind = socketserver.ThreadingUnixStreamServer if path else socketserver.ThreadingTCPServer
        kind.daemon_threads, kind.allow_reuse_address, kind.request_queue_size = True, True, 128
        self.server = kind(path or ("127.0.0.1", 0), Handler)
        self.address = path or "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def echo(connection):
    """Back what comes, and an end for an end."""
    while True:
        data = connection.recv(65536)
        if not data:
            connection.shutdown(socket.SHUT_WR)
            return
        connection.sendall(data)


@pytest.fixture
def make_backend():
    backends = []

    def make(handle, path=None):
        backends.append(Backend(handle, path))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()


@pytest.fixture
def tunnel(make_device, relay):  # noqa: F811
    """An agent that serves a backend with its fallback: it does not ask for a certificate."""
    relay.refuse["new-account"] = (503, "serverInternal", "not today")

    def make(backend, **settings):
        device = make_device(backend=backend, **settings)
        device.wait_https()
        return device
    return make


class Client:
    """TLS over memory: unlike ssl.SSLSocket it can end its own direction alone."""

    def __init__(self, port, name="camera.local", source="127.0.0.1", context=None):
        self.raw = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
        self.context = context or anybody()
        self.come, self.go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.come, self.go, server_hostname=name)
        self.drive(self.tls.do_handshake)

    def drive(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.raw.recv(65536)
                if not data:
                    self.come.write_eof()
                else:
                    self.come.write(data)

    def flush(self):
        if self.go.pending:
            self.raw.sendall(self.go.read())

    def send(self, data):
        self.drive(self.tls.write, data)

    def recv(self):
        """b"" is a proper end."""
        try:
            return self.drive(self.tls.read, 65536)
        except ssl.SSLZeroReturnError:
            return b""

    def recv_all(self, size):
        data = b""
        while len(data) < size:
            more = self.recv()
            assert more, f"it ended after {len(data)} bytes"
            data += more
        return data

    def end(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()

    def close(self):
        self.raw.close()


def anybody():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- bytes ---

def test_bytes_pass_as_they_are(tunnel, make_backend):
    device = tunnel(make_backend(echo).address)
    client = Client(device.port)
    assert client.tls.version() == "TLSv1.3"
    for value in range(256):
        client.send(bytes([value]))
        assert client.recv_all(1) == bytes([value])

    digest, step = hashlib.sha256(), 1 << 16
    for at in range(0, len(MEGABYTES_5), step):
        client.send(MEGABYTES_5[at:at + step])
        digest.update(client.recv_all(step))
    assert digest.hexdigest() == hashlib.sha256(MEGABYTES_5).hexdigest()
    client.end()
    assert client.recv() == b""
    client.close()


def test_half_close_both_ways(tunnel, make_backend):
    def answer_at_the_end(connection):
        size = 0
        while True:
            data = connection.recv(65536)
            size += len(data)
            if not data:
                break
        connection.sendall(b"%d bytes" % size)

    def speak_first(connection):
        connection.sendall(b"said all")
        connection.shutdown(socket.SHUT_WR)
        heard.append(b"".join(iter(lambda: connection.recv(65536), b"")))

    heard = []
    device = tunnel(make_backend(answer_at_the_end).address)
    client = Client(device.port)
    client.send(MEGABYTES_5)
    client.end()
    assert client.recv_all(13) == b"5242880 bytes"
    assert client.recv() == b""
    device.stop()
    other = tunnel(make_backend(speak_first).address)
    client = Client(other.port)
    assert client.recv_all(8) == b"said all" and client.recv() == b""
    client.send(b"and I go on")
    client.end()
    testbed.wait_for(lambda: heard, "what the client said", 5, 0.02)
    assert heard == [b"and I go on"]


def test_http_by_curl(tunnel, make_backend, tmp_path):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[::-1])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    device = tunnel("127.0.0.1:%d" % server.server_address[1])
    (tmp_path / "body").write_bytes(MEGABYTES_5)
    for option in ("--tlsv1.3", "--tls-max=1.2"):
        arguments = [option] if "=" not in option else option.split("=")
        url = f"https://127.0.0.1:{device.port}/x"
        conftest.run(["curl", "--silent", "--show-error", "--fail", "--insecure", "--noproxy", "*",
                      *arguments, "--data-binary", f"@{tmp_path}/body", "--output",
                      str(tmp_path / "answer"), url, "--next", "--silent", "--fail", "--insecure",
                      *arguments, "--data-binary", "second", "--output", str(tmp_path / "second"), url])
        assert (tmp_path / "answer").read_bytes() == MEGABYTES_5[::-1]
        assert (tmp_path / "second").read_bytes() == b"dnoces"
    server.shutdown()
    server.server_close()


def test_websocket(tunnel, make_backend):
    def serve(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", head).group(1)
        accept = base64.b64encode(
            hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                           b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while True:
            first, second = connection.recv(2, socket.MSG_WAITALL)
            mask = connection.recv(4, socket.MSG_WAITALL)
            data = connection.recv(second & 127, socket.MSG_WAITALL)
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
            connection.sendall(bytes([first, len(text)]) + text.upper())

    device = tunnel(make_backend(serve).address)
    client = Client(device.port)
    client.send(b"GET /live HTTP/1.1\r\nHost: camera.local\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = client.recv_all(120)
    assert b"101 Switching" in head and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    for word in (b"hello", b"again", b"x" * 100):
        mask = b"\x01\x02\x03\x04"
        client.send(bytes([0x81, 0x80 | len(word)]) + mask +
                    bytes(b ^ mask[i % 4] for i, b in enumerate(word)))
        assert client.recv_all(2 + len(word))[2:] == word.upper()
    client.close()


def test_unix_socket_and_sessions(tunnel, make_backend, tmp_path):
    """And TLS sessions are resumed, by 1.2 and 1.3."""
    device = tunnel(make_backend(echo, str(tmp_path / "backend.sock")).address)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = anybody()
        context.minimum_version = context.maximum_version = version
        session = None
        for turn in range(3):
            with socket.create_connection(("127.0.0.1", device.port), 10) as raw:
                with context.wrap_socket(raw, server_hostname="camera.local", session=session) as tls:
                    tls.sendall(b"hello")
                    assert tls.recv(5) == b"hello"
                    assert tls.session_reused == (turn > 0), (version, turn)
                    session = tls.session


# --- PROXY protocol ---

def parse_proxy_header(connection):
    head = connection.recv(16, socket.MSG_WAITALL)
    assert head[:13] == b"\r\n\r\n\0\r\nQUIT\n\x21", head
    body = connection.recv(struct.unpack(">H", head[14:])[0], socket.MSG_WAITALL)
    assert head[13] == 0x11
    client, local = (socket.inet_ntoa(body[i:i + 4]) for i in (0, 4))
    ports = struct.unpack(">HH", body[8:12])
    values, at = {}, 12
    while at < len(body):
        kind, size = struct.unpack(">BH", body[at:at + 3])
        values[kind] = body[at + 3:at + 3 + size]
        at += 3 + size
    return client, local, ports, values


def test_proxy_header(tunnel, make_backend):
    heard = []

    def serve(connection):
        heard.append(parse_proxy_header(connection))
        echo(connection)

    device = tunnel(make_backend(serve).address, proxy_protocol="v2")
    client = Client(device.port, "camera.local", "127.0.0.7")
    client.send(b"hello")
    assert client.recv_all(5) == b"hello"
    # wait_https() was the first one; it sent no name.
    address, local, ports, values = next(h for h in heard if h[0] == "127.0.0.7")
    assert local == "127.0.0.1" and ports == (client.raw.getsockname()[1], device.port)
    assert values[0x02] == b"camera.local"
    assert values[0x20][:5] == b"\x01\0\0\0\x01" and b"TLSv1.3" in values[0x20]
    client.close()


NGINX = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} proxy_protocol;
    set_real_ip_from 127.0.0.1;
    real_ip_header proxy_protocol;
    location / {{
      return 200 "$remote_addr $proxy_protocol_port $proxy_protocol_server_port $http_host";
    }}
  }}
}}
"""


def test_proxy_header_as_nginx_reads_it(tunnel, tmp_path):
    conftest.need("nginx")
    port = testbed.free_port("127.0.0.1", set())
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port))
    nginx = testbed.Process("nginx", ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
                            str(tmp_path / "nginx.log")).start()
    try:
        device = tunnel(f"127.0.0.1:{port}", proxy_protocol="v2")
        for source in ("127.0.0.1", "127.0.0.9"):
            client = Client(device.port, source=source)
            client.send(b"GET / HTTP/1.1\r\nHost: camera.local\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(client.recv, b""))
            expected = f"{source} {client.raw.getsockname()[1]} {device.port} camera.local"
            assert text.endswith(expected.encode()), text
            client.close()
    finally:
        nginx.stop()


# --- a backend that fails ---

def test_backend_down_and_back(tunnel, make_backend):
    port = testbed.free_port("127.0.0.1", set())
    device = tunnel(f"127.0.0.1:{port}")
    for _ in range(5):
        client = Client(device.port)
        assert client.recv() == b""  # a proper end, and not a byte that nobody said
        client.close()
    with socket.create_server(("127.0.0.1", port)) as server:
        client = Client(device.port)
        connection, _ = server.accept()
        connection.sendall(b"here again")
        assert client.recv_all(10) == b"here again"
        connection.close()
        client.close()
    log = device.process.log()
    assert log.count("can't be reached: Connection refused") == 1
    assert log.count(f"backend '127.0.0.1:{port}': it answers again") == 1


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) / 1024


def test_backend_that_never_reads(tunnel, monkeypatch):
    """Clients push until they stick; the agent's memory does not grow with what they push."""
    # The sanitizer keeps what was freed for a while; here it would hide what is measured.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        device = tunnel("127.0.0.1:%d" % server.getsockname()[1])
        before = resident_mb(device.process.pid)
        clients, pushed = [], 0
        for _ in range(12):
            client = Client(device.port)
            client.raw.settimeout(0.2)
            clients.append(client)
            with contextlib.suppress(TimeoutError):
                while pushed < len(clients) * (16 << 20):
                    client.tls.write(MEGABYTES_5[:1 << 16])
                    pushed += client.go.pending
                    client.flush()
        assert pushed > 12 << 20
        # A buffer of 64 KiB and OpenSSL's state for each, and the sanitizer's share of it.
        assert resident_mb(device.process.pid) - before < 40
        # Others are served meanwhile.
        client = Client(device.port, source="127.0.0.3")
        client.send(b"still alive")
        for client in clients:
            client.close()


def test_idle_deadline(tunnel, make_backend):
    device = tunnel(make_backend(echo).address, backend_idle="2s")
    quiet, busy = Client(device.port), Client(device.port)
    started = time.monotonic()
    quiet.raw.settimeout(0.2)
    while True:
        busy.send(b"x")
        assert busy.recv_all(1) == b"x"
        try:
            if not quiet.raw.recv(65536):
                break
        except ConnectionResetError:
            break
        except TimeoutError:
            pass
        assert time.monotonic() - started < 8
    assert time.monotonic() - started > 1.5
    busy.send(b"on")
    assert busy.recv_all(2) == b"on"
    busy.close()


def test_one_flooding_client_keeps_nobody_out(tunnel, make_backend):
    device = tunnel(make_backend(echo).address, max_connections="8")
    first = Client(device.port, source="127.0.0.3")
    flood = [socket.create_connection(("127.0.0.1", device.port), 5, ("127.0.0.2", 0)) for _ in range(60)]
    second = Client(device.port, source="127.0.0.4")
    for client in (first, second):
        client.send(b"served")
        assert client.recv_all(6) == b"served"
        client.close()
    for raw in flood:
        raw.close()


# --- certificates and pages ---

def test_a_new_certificate_disturbs_nobody(make_device, relay, make_backend):  # noqa: F811
    pages = testbed.free_port("127.0.0.1", set())
    device = make_device(backend=make_backend(echo).address, pages=f"127.0.0.1:{pages}")
    before = device.wait_trusted()
    name = device.name()
    old = Client(device.port, name)
    old.send(b"before")
    assert old.recv_all(6) == b"before"
    command("renew", "--config", device.config_file)
    after = device.wait_status(
        lambda s: s["state"] == "trusted" and s["trusted"]["sha256"] != before["trusted"]["sha256"])
    testbed.wait_for(lambda: device.served(name) == after["trusted"]["sha256"], "the new one", 10)
    old.send(b"after")
    assert old.recv_all(5) == b"after"
    assert hashlib.sha256(old.tls.getpeercert(True)).hexdigest() == before["trusted"]["sha256"]
    old.close()
    # The pages are beside it, with the same certificates.
    with anybody().wrap_socket(socket.create_connection(("127.0.0.1", pages), 10),
                               server_hostname=name) as tls:
        assert hashlib.sha256(tls.getpeercert(True)).hexdigest() == after["trusted"]["sha256"]
        status, _, body = ask(tls, "/status.json", f"{name}:{pages}")
        assert status == 200 and before["id"].encode() in body


def test_no_pages_unless_told(tunnel, make_backend):
    """With a backend and no `pages`, nothing of ours is served."""
    heard = []

    def serve(connection):
        heard.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")

    device = tunnel(make_backend(serve).address)
    assert device.get("/status.json")[2] == b"mine"
    assert any(h.startswith(b"GET /status.json HTTP/1.1\r\n") for h in heard)


def test_a_taken_pages_port_is_named_with_its_owner(make_device):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = "127.0.0.1:%d" % server.getsockname()[1]
        device = make_device(start=False, backend="127.0.0.1:1", pages=taken)
        done = subprocess.run(device.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=20)
    assert done.returncode == 1
    assert re.search(rf"pages = '{taken}': taken by \S+ \(pid {os.getpid()}\)", done.stdout), done.stdout
