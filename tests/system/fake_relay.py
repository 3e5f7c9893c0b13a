"""A stand-in for a relay's front whose answers a test may bend: wrong chains, refusals, short certificates.
What a device must bear from a captured or broken relay can't be produced by the real one. It verifies
signatures, nonces and urls like a front would, so that a device that sends nonsense fails here too."""
import base64
import datetime
import hashlib
import http.server
import json
import os
import ssl
import threading
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ZONE = "lan.example.com"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def utc(seconds=0):
    return datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)


def make_certificate(name, key, issuer_name, issuer_key, names=(), ca=False, start=-3600, life=86400,
                     addresses=()):
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(issuer_name)
               .public_key(key).serial_number(x509.random_serial_number())
               .not_valid_before(utc(start)).not_valid_after(utc(life))
               .add_extension(x509.BasicConstraints(ca, None), True)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                   issuer_key.public_key()), False))
    if names or addresses:
        import ipaddress
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.DNSName(n) for n in names] +
            [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]), not names)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    return builder.sign(issuer_key, hashes.SHA256())


class FakeRelay:
    def __init__(self, folder, root="Fake Root"):
        self.folder = str(folder)
        self.zone = ZONE
        self.life = 86400 * 40
        self.chain = "good"  # or foreign-key, foreign-name, expired, garbage, extra-name
        self.refuse = {}     # path word -> (status, type, detail, headers)
        self.window = None   # (start, end) as offsets from now, or None: 404
        self.token = None    # (kid, key bytes): enrolment is by token then
        self.key = None      # the relay's own key, by make_key(): then it tells the time
        self.time = "good"   # or replay, other-key, other-nonce, back, other-zone, other-url, a-move
        self.told = []       # statements of the time that it made
        self.moved_to = None # a statement
        self.other_key_next = False # after it told the time once
        self.receipts = False
        self.down = False    # connections are closed without a response
        self.nonce_errors = 0
        self.log = []
        self.accounts, self.orders, self.nonces = {}, {}, set()
        self.published = []
        self.finalized = []  # CSRs, in order
        self.left = []       # devices that deactivated their account
        self.lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, root)])
        self.ca = make_certificate(self.ca_name, self.ca_key.public_key(), self.ca_name, self.ca_key,
                                   ca=True, life=86400 * 400)
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = make_certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")]),
                                key.public_key(), self.ca_name, self.ca_key, names=["localhost"],
                                addresses=["127.0.0.1"])
        self.ca_file = os.path.join(self.folder, "fake-ca.pem")
        with open(self.ca_file, "wb") as out:
            out.write(self.ca.public_bytes(serialization.Encoding.PEM))
        own = os.path.join(self.folder, "fake-server.pem")
        with open(own, "wb") as out:
            out.write(key.private_bytes(serialization.Encoding.PEM,
                                        serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()))
            out.write(leaf.public_bytes(serialization.Encoding.PEM))
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                relay.serve(self, b"")

            do_HEAD = do_GET

            def do_POST(self):
                relay.serve(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.base = f"https://127.0.0.1:{self.port}/acme"
        self.directory = self.base + "/directory"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    # --- what it signs with its own key ---

    def make_key(self):
        """A key of its own; returns its pin."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        spki = self.key.public_key().public_bytes(serialization.Encoding.DER,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo)
        return b64(hashlib.sha256(spki).digest())

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        return {"crv": "P-256", "kty": "EC", "x": b64(numbers.x.to_bytes(32, "big")),
                "y": b64(numbers.y.to_bytes(32, "big"))}

    def state(self, typ, url, payload, key=None):
        """A statement."""
        protected = b64(json.dumps({"alg": "ES256", "typ": f"latchkey-{typ}+jws", "url": url}).encode())
        body = b64(json.dumps(payload).encode())
        r, s = utils.decode_dss_signature((key or self.key).sign(f"{protected}.{body}".encode(),
                                                                 ec.ECDSA(hashes.SHA256())))
        return {"protected": protected, "payload": body,
                "signature": b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}

    def state_move(self, to, serial, pin=None, key=None, about=None):
        payload = {"movedTo": to, "from": about or self.directory, "serial": serial,
                   "issued": int(time.time())}
        if pin:
            payload["relayKey"] = pin
        return self.state("move", about or self.directory, payload, key)

    def on_time(self, handler, path, payload, device, jwk):
        url = f"{self.base}/time"
        if self.time == "replay" and self.told:
            self.respond(handler, 200, self.told[0], kind="application/jose+json")
            return
        said = {"time": int(time.time()), "zone": self.zone, "nonces": [payload["nonce"]]}
        key, typ = None, "time"
        if self.time == "other-key":
            key = ec.generate_private_key(ec.SECP256R1())
        elif self.time == "other-nonce":
            said["nonces"] = [b64(os.urandom(16))]
        elif self.time == "back":
            said["time"] = 1700000000
        elif self.time == "far":
            said["time"] = 4102444800
        elif self.time == "other-zone":
            said["zone"] = "evil.example"
        elif self.time == "other-url":
            url = "https://evil.example/acme/time"
        elif self.time == "a-move":
            typ = "move"
        self.told.append(self.state(typ, url, said, key))
        if self.other_key_next:
            self.other_key_next = False
            self.make_key()
        self.respond(handler, 200, self.told[-1], kind="application/jose+json")

    # --- responses ---

    def nonce(self):
        nonce = b64(os.urandom(12))
        self.nonces.add(nonce)
        return nonce

    def respond(self, handler, status, body=b"", headers=(), kind="application/json"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Replay-Nonce", self.nonce())
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def problem(self, handler, status, kind, detail, headers=()):
        self.respond(handler, status, {"type": "urn:ietf:params:acme:error:" + kind,
                                       "detail": detail, "status": status}, headers,
                     "application/problem+json")

    def serve(self, handler, body):
        path = handler.path[len("/acme/"):]
        with self.lock:
            self.log.append(path)
        if self.down:
            handler.close_connection = True
            return
        for word, answer in self.refuse.items():
            if path.startswith(word):
                self.problem(handler, *answer)
                return
        if path == "directory":
            meta = {"latchkey": {"zone": self.zone, "addressesUrl": self.base + "/addresses"}}
            if self.key is not None:
                meta["latchkey"].update(relayKey=self.jwk(), timeUrl=self.base + "/time")
            if self.moved_to is not None:
                meta["latchkey"]["movedTo"] = self.moved_to
            if self.zone is None:
                meta = {}
            if self.token:
                meta["externalAccountRequired"] = True
            self.respond(handler, 200, {
                "newNonce": self.base + "/new-nonce", "newAccount": self.base + "/new-account",
                "newOrder": self.base + "/new-order", "revokeCert": self.base + "/revoke",
                "renewalInfo": self.base + "/renewal-info", "meta": meta})
        elif path == "new-nonce":
            self.respond(handler, 200)
        elif path.startswith("renewal-info/"):
            self.serve_window(handler)
        else:
            self.serve_jws(handler, path, body)

    def serve_window(self, handler):
        if self.window is None:
            self.problem(handler, 404, "malformed", "no such certificate")
            return
        start, end = (utc(at).strftime("%Y-%m-%dT%H:%M:%SZ") for at in self.window)
        self.respond(handler, 200, {"suggestedWindow": {"start": start, "end": end}},
                     [("Retry-After", "21600")])

    # --- signed requests ---

    def verify(self, handler, path, body):
        jws = json.loads(body)
        header = json.loads(unb64(jws["protected"]))
        assert set(jws) == {"protected", "payload", "signature"}, jws
        assert header["url"] == f"{self.base}/{path}", header
        if header["nonce"] not in self.nonces or self.nonce_errors > 0:
            self.nonce_errors -= 1
            self.problem(handler, 400, "badNonce", "try again")
            return None, None
        self.nonces.discard(header["nonce"])
        jwk = header.get("jwk") or self.accounts[header["kid"]]
        x, y = (int.from_bytes(unb64(jwk[c]), "big") for c in "xy")
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        raw = unb64(jws["signature"])
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                         int.from_bytes(raw[32:], "big"))
        public.verify(der, f"{jws['protected']}.{jws['payload']}".encode(), ec.ECDSA(hashes.SHA256()))
        payload = json.loads(unb64(jws["payload"])) if jws["payload"] else None
        return (header, jwk, public), payload

    def serve_jws(self, handler, path, body):
        try:
            signer, payload = self.verify(handler, path, body)
        except (KeyError, ValueError, AssertionError, InvalidSignature) as error:
            self.problem(handler, 400, "malformed", f"fake relay: {error!r}")
            return
        if signer is None:
            return
        header, jwk, public = signer
        spki = public.public_bytes(serialization.Encoding.DER,
                                   serialization.PublicFormat.SubjectPublicKeyInfo)
        device = base64.b32encode(hashlib.sha256(spki).digest()[:20]).decode().lower()
        word = path.split("/")[0]
        getattr(self, "on_" + word.replace("-", "_"))(handler, path, payload, device, jwk)

    def on_new_account(self, handler, path, payload, device, jwk):
        url = f"{self.base}/acct/{device}"
        if payload.get("onlyReturnExisting") and url not in self.accounts:
            self.problem(handler, 400, "accountDoesNotExist", "there is no account with this key")
            return
        if self.token and url not in self.accounts and not self.is_bound(payload, path, jwk):
            self.problem(handler, 403, "externalAccountRequired", "an enrolment token is needed")
            return
        status = 200 if url in self.accounts else 201
        self.accounts[url] = jwk
        self.respond(handler, status, {"status": "valid"}, [("Location", url)])

    def is_bound(self, payload, path, jwk):
        binding = payload.get("externalAccountBinding")
        if not binding:
            return False
        header = json.loads(unb64(binding["protected"]))
        mac = hmac.HMAC(self.token[1], hashes.SHA256())
        mac.update(f"{binding['protected']}.{binding['payload']}".encode())
        try:
            mac.verify(unb64(binding["signature"]))
        except InvalidSignature:
            return False
        return (header["kid"] == self.token[0] and header["url"] == f"{self.base}/{path}" and
                json.loads(unb64(binding["payload"])) == jwk)

    def on_acct(self, handler, path, payload, device, jwk):
        if payload == {"status": "deactivated"}:
            self.left.append(device)
        self.respond(handler, 200, {"status": "deactivated" if device in self.left else "valid"})

    def order_object(self, number):
        order = self.orders[number]
        result = {"status": order["status"], "identifiers": order["identifiers"], "authorizations": [],
                  "finalize": f"{self.base}/finalize/{number}",
                  "expires": utc(86400).strftime("%Y-%m-%dT%H:%M:%SZ")}
        if order["status"] == "valid":
            result["certificate"] = f"{self.base}/cert/{number}"
        return result

    def on_new_order(self, handler, path, payload, device, jwk):
        if payload["identifiers"] != [{"type": "dns", "value": f"*.{device}.{self.zone}"}]:
            self.problem(handler, 400, "rejectedIdentifier", "only your own name")
            return
        number = str(len(self.orders) + 1)
        self.orders[number] = {"status": "ready", "identifiers": payload["identifiers"],
                               "device": device, "replaces": payload.get("replaces")}
        self.respond(handler, 201, self.order_object(number),
                     [("Location", f"{self.base}/order/{number}")])

    def on_order(self, handler, path, payload, device, jwk):
        self.respond(handler, 200, self.order_object(path.split("/")[1]))

    def on_finalize(self, handler, path, payload, device, jwk):
        self.hold.wait(30)
        number = path.split("/")[1]
        order = self.orders[number]
        csr = x509.load_der_x509_csr(unb64(payload["csr"]))
        self.finalized.append(payload["csr"])
        names = [f"*.{device}.{self.zone}"]
        key = csr.public_key()
        start, life = -3600, self.life
        if self.chain == "foreign-key":
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
        elif self.chain == "foreign-name":
            names = [f"*.{'a' * 32}.{self.zone}"]
        elif self.chain == "extra-name":
            names.append("www.example.com")
        elif self.chain == "expired":
            start, life = -7200, -3600
        leaf = make_certificate(x509.Name([]), key, self.ca_name, self.ca_key, names, start=start,
                                life=life)
        order["chain"] = (leaf.public_bytes(serialization.Encoding.PEM) +
                          self.ca.public_bytes(serialization.Encoding.PEM))
        if self.chain == "garbage":
            order["chain"] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        order["serial"] = format(leaf.serial_number, "x")
        order["status"] = "valid"
        self.respond(handler, 200, self.order_object(number),
                     [("Location", f"{self.base}/order/{number}")])

    def on_cert(self, handler, path, payload, device, jwk):
        self.respond(handler, 200, self.orders[path.split("/")[1]]["chain"],
                     kind="application/pem-certificate-chain")

    def on_addresses(self, handler, path, payload, device, jwk):
        assert set(payload) == {"counter", "addresses"}
        if self.published and payload["counter"] <= self.published[-1]["counter"]:
            self.problem(handler, 409, "conflict", "the counter must rise")
            return
        self.published.append(payload)
        self.respond(handler, 200, payload)
