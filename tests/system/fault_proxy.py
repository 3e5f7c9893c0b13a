"""A TLS proxy in front of Pebble that spoils chosen answers. Pebble builds its URLs from the Host header,
which passes through, so that nothing needs rewriting."""
import contextlib
import http.client
import http.server
import re
import select
import socket
import ssl
import struct
import threading
import time


class Rule:
    """What happens to requests whose path matches: to the NTHth of them (from 1), or to all (0).

    before: called with the handler before the request goes on; true: it goes no further.
    edit: called with the Answer that came back, which it may change.
    after: called with the handler in place of sending the answer.
    """

    def __init__(self, path, nth=0, before=None, edit=None, after=None):
        self.path, self.nth = re.compile(path), nth
        self.before, self.edit, self.after = before, edit, after
        self.count = 0


class Answer:
    """headers: a list of (name, value). path: of the request, where there was one."""

    def __init__(self, status, headers, body, path=None):
        self.status, self.headers, self.body, self.path = status, headers, body, path

    def set_header(self, name, *values):
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        self.headers += [(name, value) for value in values]


def respond(status, body=b"", **headers):
    """Answers instead of the CA. retry_after="7" becomes Retry-After: 7."""
    def before(handler):
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        handler.send(Answer(status, pairs, body if isinstance(body, bytes) else body.encode()))
        return True
    return before


def reset(handler, *_):
    """Cuts the connection without a word."""
    handler.connection.unwrap = lambda: None
    raw = handler.connection
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    raw.close()
    return True


def replace_body(body):
    def edit(answer):
        answer.body = body if isinstance(body, bytes) else body.encode()
    return edit


def replace_text(pattern, text):
    def edit(answer):
        answer.body = re.sub(pattern.encode(), text.encode(), answer.body)
    return edit


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def send(self, answer):
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_slowly(self, answer, bytes_per_s=1):
        """One byte at a time, for as long as the other end stays."""
        self.send_response_only(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        for byte in answer.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(1 / bytes_per_s)
        return True

    def forward(self, body):
        """Passes the request on and returns the Answer."""
        upstream = http.client.HTTPSConnection("127.0.0.1", self.server.upstream, timeout=60,
                                               context=self.server.upstream_context)
        try:
            headers = {name: value for name, value in self.headers.items() if name != "Connection"}
            upstream.request(self.command, self.path, body, headers)
            response = upstream.getresponse()
            kept = [(name, value) for name, value in response.getheaders()
                    if name.lower() not in ("transfer-encoding", "content-length", "connection")]
            return Answer(response.status, kept, response.read(), self.path)
        finally:
            upstream.close()

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        rule = self.server.match(self.path)
        try:
            if rule is not None and rule.before is not None and rule.before(self):
                return
            answer = self.forward(body)
            if rule is not None and rule.edit is not None:
                rule.edit(answer)
            if rule is not None and rule.after is not None and rule.after(self, answer):
                return
            self.send(answer)
        except (OSError, http.client.HTTPException):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = handle_any


class BlackHole:
    """A port at HOST that never answers a connection, as behind a firewall that drops: its queue is full."""

    def __init__(self, host, port):
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.queued = []
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(0)
        while self._is_answered(host, port):
            pass

    def _is_answered(self, host, port):
        knocking = socket.socket(self.listener.family)
        knocking.setblocking(False)
        knocking.connect_ex((host, port))
        if not select.select([], [knocking], [], 0.3)[1]:
            knocking.close()
            return False
        self.queued.append(knocking)
        return True

    def close(self):
        for each in (self.listener, *self.queued):
            each.close()


class FaultProxy(http.server.ThreadingHTTPServer):
    """Listens on 127.0.0.1:PORT with the certificate files; forwards to 127.0.0.1:UPSTREAM."""

    daemon_threads = True

    def __init__(self, port, upstream, pem, key, upstream_ca):
        super().__init__(("127.0.0.1", port), Handler)
        self.upstream = upstream
        self.upstream_context = ssl.create_default_context(cafile=upstream_ca)
        self.upstream_context.check_hostname = False
        self.rules, self.paths, self.lock = [], [], threading.Lock()
        self.connections = 0  # so far
        self.use_certificate(pem, key)
        self.start()

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @contextlib.contextmanager
    def black_hole(self):
        """New connections are not answered; those that are there go on."""
        host, port = self.server_address
        self.shutdown()
        self.socket.close()
        hole = BlackHole(host, port)
        try:
            yield
        finally:
            hole.close()
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
            self.server_activate()
            self.start()

    def use_certificate(self, pem, key, maximum=None):
        """For connections from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if maximum is not None:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = maximum
        context.load_cert_chain(pem, key)
        self.context = context

    def get_request(self):
        raw, address = self.socket.accept()
        self.connections += 1
        return self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, client_address):
        pass  # a cut connection is what many tests want

    def set_rules(self, *rules):
        with self.lock:
            self.rules, self.paths = list(rules), []

    def match(self, path):
        with self.lock:
            self.paths.append(path)
            for rule in self.rules:
                if rule.path.search(path):
                    rule.count += 1
                    if rule.nth in (0, rule.count):
                        return rule
        return None

    def count(self, pattern):
        """How many requests since set_rules had such a path."""
        with self.lock:
            return sum(1 for path in self.paths if re.search(pattern, path))

    def stop(self):
        self.shutdown()
        self.server_close()
