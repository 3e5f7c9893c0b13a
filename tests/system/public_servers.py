"""HTTPS servers in the internet, for test_doctor.py: public_servers.py LAB_FOLDER MODE_FILE DNS_PORT.

4443: a public resolver at /dns-query (RFC 8484) that asks the relay's name server, or does what MODE_FILE
says (servfail, empty-addresses); and under other paths servers that a device might be led to instead of its relay.
4444: the same with a certificate by nobody. 4445: with one that has run out. 4446: no TLS at all."""
import email.utils
import http.server
import os
import socket
import ssl
import struct
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)))]
import fake_relay  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

ADDRESS = "198.51.100.1"
lab, mode_file, dns_port = sys.argv[1], sys.argv[2], int(sys.argv[3])

DIRECTORY = b"""{"newNonce":"https://x/n","newAccount":"https://x/a","newOrder":"https://x/o",
"meta":{"latchkey":{"zone":"ZONE"}}}"""


def ask(question):
    """The answer of the relay's name server, with the bits of a recursive one."""
    with open(mode_file) as file:
        mode = file.read()
    if mode == "servfail" or mode == "empty-addresses" and b"_acme-challenge" not in question:
        end = question.index(b"\0", 12) + 5
        rcode = 2 if mode == "servfail" else 0
        return question[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, 0, 0, 0) + question[12:end]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.sendto(question, (ADDRESS, dns_port))
        return sock.recv(4096)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ahead_s = 0

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + self.ahead_s, usegmt=True)

    def reply(self, status, kind, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        question = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/dns-query" or self.headers["Content-Type"] != "application/dns-message":
            self.reply(404, "text/plain", b"")
        else:
            self.reply(200, "application/dns-message", ask(question))

    def do_GET(self):
        directory = DIRECTORY.replace(b"ZONE", open(mode_file + ".zone", "rb").read())
        ahead = {"/minutes/directory": 600, "/days/directory": 3 * 86400}
        self.ahead_s = ahead.get(self.path, 0)
        if self.path in ahead or self.path == "/relay/directory":
            self.reply(200, "application/json", directory)
        elif self.path == "/acme/directory":
            self.reply(200, "application/json", b'{"newOrder":"https://x/o"}')
        elif self.path == "/down/directory":
            self.reply(503, "text/plain", b"later")
        elif self.path == "/login/directory":
            self.reply(302, "text/html", b"", Location="https://portal.example/")
        else:
            self.reply(200, "text/html", b"<h1>Welcome to our Wi-Fi</h1>")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def serve(port, chain, key):
    server = Server((ADDRESS, port), Handler)
    if chain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def make(name, start, life, by_lab):
    """A certificate for ADDRESS, by the lab's CA or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, issuer_key = subject, key
    if by_lab:
        with open(os.path.join(lab, "lab-ca.pem"), "rb") as file:
            issuer = x509.load_pem_x509_certificate(file.read()).subject
        with open(os.path.join(lab, "lab-ca.key"), "rb") as file:
            issuer_key = serialization.load_pem_private_key(file.read(), None)
    made = fake_relay.make_certificate(subject, key.public_key(), issuer, issuer_key, start=start,
                                       life=life, addresses=[ADDRESS])
    chain, key_file = (os.path.join(lab, f"{name}.{end}") for end in ("pem", "key"))
    with open(chain, "wb") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
    with open(key_file, "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
    return chain, key_file


serve(4443, os.path.join(lab, "front.pem"), os.path.join(lab, "front.key"))
serve(4444, *make("wifi-login", -3600, 86400, False))
serve(4445, *make("old", -86400 * 9, -86400 * 2, True))
serve(4446, None, None)
with open(os.path.join(lab, "public.ready"), "w"):
    pass
threading.Event().wait()
