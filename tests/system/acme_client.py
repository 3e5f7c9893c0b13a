"""An ACME client for the tests that can also do everything wrong: each part of a request (header, nonce,
url, signature, body) and of a CSR can be replaced. Debian's python3-cryptography."""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import ssl
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, size=None):
    size = size or (value.bit_length() + 7) // 8
    return b64(value.to_bytes(size, "big"))


class Key:
    """A key pair. kind: p256, p384, rsa2048 (any size), ed25519."""

    def __init__(self, kind="p256", private=None):
        if private is not None:
            self.private = private
        elif kind == "p256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif kind == "p384":
            self.private = ec.generate_private_key(ec.SECP384R1())
        elif kind == "ed25519":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(65537, int(kind[3:]))
        self.public = self.private.public_key()

    @property
    def alg(self):
        if isinstance(self.private, rsa.RSAPrivateKey):
            return "RS256"
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return "EdDSA"
        return "ES256" if self.private.curve.name == "secp256r1" else "ES384"

    def jwk(self):
        if self.alg == "RS256":
            numbers = self.public.public_numbers()
            return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        if self.alg == "EdDSA":
            raw = self.public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        numbers, size = self.public.public_numbers(), self.private.curve.key_size // 8
        return {"kty": "EC", "crv": {32: "P-256", 48: "P-384"}[size], "x": number(numbers.x, size),
                "y": number(numbers.y, size)}

    def sign(self, data, der=False):
        if self.alg == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.alg == "EdDSA":
            return self.private.sign(data)
        digest = hashes.SHA256() if self.alg == "ES256" else hashes.SHA384()
        signature = self.private.sign(data, ec.ECDSA(digest))
        if der:
            return signature
        size = self.private.curve.key_size // 8
        return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(signature))

    def spki(self):
        return self.public.public_bytes(serialization.Encoding.DER,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)

    def pem(self):
        return self.private.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption())

    def id(self):
        """The device's id: the name is made from the key (base32 of 20 bytes of SHA-256(SPKI))."""
        return base64.b32encode(hashlib.sha256(self.spki()).digest()[:20]).decode().lower()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The last part of the problem's type ("badNonce"), None if this is not a problem document."""
        if self.headers.get_content_type() != "application/problem+json":
            return None
        return self.json().get("type", "").rpartition(":")[2]

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:600]!r}>"


class Refused(Exception):
    """The server's answer was not what a well-behaved client may expect."""

    def __init__(self, what, response):
        super().__init__(f"{what}: {response!r}")
        self.response = response


class Client:
    """One device, or one attacker. Keeps one connection; not for several threads."""

    def __init__(self, directory, ca_file, key=None, timeout=60, source=None):
        self.directory_url, self.key = directory, key or Key()
        self.source = (source, 0) if source else None   # the address to come from
        self.context = ssl.create_default_context(cafile=ca_file)
        self.timeout, self.connection = timeout, None
        self.nonces, self.kid, self._directory = [], None, None
        self.bad_nonces = 0

    # HTTP -------------------------------------------------------------------------------------

    def request(self, method, url, body=None, headers=None):
        """One request; a connection that the server has closed meanwhile is made once more."""
        parts = urllib.parse.urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        for attempt in (0, 1):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPSConnection(parts.hostname, parts.port,
                                                              timeout=self.timeout,
                                                              source_address=self.source,
                                                              context=self.context)
            try:
                self.connection.request(method, target, body, headers or {})
                response = self.connection.getresponse()
                data = response.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLError):
                self.close()
                if fresh or attempt:
                    raise
        if "Replay-Nonce" in response.headers:
            self.nonces.append(response.headers["Replay-Nonce"])
        return Response(response.status, response.headers, data)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def directory(self):
        if self._directory is None:
            response = self.request("GET", self.directory_url)
            if response.status != 200:
                raise Refused("directory", response)
            self._directory = response.json()
        return self._directory

    def nonce(self):
        if not self.nonces:
            self.request("HEAD", self.directory()["newNonce"])
        return self.nonces.pop()

    # JWS --------------------------------------------------------------------------------------

    def header(self, target, use_jwk=False, **changes):
        """The protected header for a POST to TARGET; CHANGES replace members, None takes one away."""
        header = {"alg": self.key.alg, "nonce": None, "url": target}
        if use_jwk or self.kid is None:
            header["jwk"] = self.key.jwk()
        else:
            header["kid"] = self.kid
        header.update(changes)
        if header["nonce"] is None and "nonce" not in changes:
            header["nonce"] = self.nonce()
        return {name: value for name, value in header.items() if value is not None}

    def jws(self, header, payload, key=None):
        """The flattened JWS as a dict. HEADER and PAYLOAD may be text, to be sent as they are."""
        protected = b64(header if isinstance(header, (str, bytes)) else json.dumps(header))
        payload = b64(payload if isinstance(payload, (str, bytes)) else json.dumps(payload))
        signature = (key or self.key).sign(f"{protected}.{payload}".encode())
        return {"protected": protected, "payload": payload, "signature": b64(signature)}

    def send(self, url, jws, content_type="application/jose+json"):
        body = jws if isinstance(jws, (str, bytes)) else json.dumps(jws)
        return self.request("POST", url, body, {"Content-Type": content_type})

    def post(self, url, payload="", use_jwk=False, tries=10):
        """A correct request, sent again when the nonce is refused. payload "": POST-as-GET."""
        for _ in range(tries):
            response = self.send(url, self.jws(self.header(url, use_jwk), payload))
            if response.problem() != "badNonce":
                return response
            self.bad_nonces += 1
        return response

    # ACME -------------------------------------------------------------------------------------

    def eab(self, kid, mac_key, url=None):
        url = url or self.directory()["newAccount"]
        protected = b64(json.dumps({"alg": "HS256", "kid": kid, "url": url}))
        payload = b64(json.dumps(self.key.jwk()))
        mac = hmac.new(mac_key, f"{protected}.{payload}".encode(), "sha256").digest()
        return {"protected": protected, "payload": payload, "signature": b64(mac)}

    def account(self, **members):
        payload = {"termsOfServiceAgreed": True, **members}
        response = self.post(self.directory()["newAccount"], payload, use_jwk=True)
        if response.status not in (200, 201):
            raise Refused("newAccount", response)
        self.kid = response.headers["Location"]
        return response

    def zone(self):
        return self.directory()["meta"]["latchkey"]["zone"]

    def name(self):
        return f"{self.key.id()}.{self.zone()}"

    def order(self, names, **members):
        payload = {"identifiers": [{"type": "dns", "value": name} for name in names], **members}
        response = self.post(self.directory()["newOrder"], payload)
        if response.status != 201:
            raise Refused("newOrder", response)
        return response.headers["Location"], response.json()

    def finalize(self, order_url, order, der, seconds=60):
        """Finalizes and waits; returns the chain as PEM text."""
        response = self.post(order["finalize"], {"csr": b64(der)})
        if response.status != 200:
            raise Refused("finalize", response)
        until = time.monotonic() + seconds
        while response.json()["status"] == "processing":
            if time.monotonic() > until:
                raise Refused(f"still processing after {seconds} s", response)
            time.sleep(float(response.headers.get("Retry-After", 1)) if seconds > 5 else 0.2)
            response = self.post(order_url)
        if response.json()["status"] != "valid":
            raise Refused("order", response)
        chain = self.post(response.json()["certificate"])
        if chain.status != 200:
            raise Refused("certificate", chain)
        return chain.body.decode()

    def certificate(self, names=None, tls_key=None, seconds=60):
        """Everything from the account to the chain for this device's own wildcard name."""
        if self.kid is None:
            self.account()
        names = names or [f"*.{self.name()}"]
        order_url, order = self.order(names)
        self.tls_key = tls_key or Key()
        return self.finalize(order_url, order, csr(names, self.tls_key), seconds)

    def revoke(self, pem, reason=None):
        payload = {"certificate": b64(leaf(pem).public_bytes(serialization.Encoding.DER))}
        if reason is not None:
            payload["reason"] = reason
        return self.post(self.directory()["revokeCert"], payload)


def leaf(pem):
    return x509.load_pem_x509_certificate(pem.encode())


def names(pem):
    """The DNS names of the leaf."""
    extension = leaf(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


def csr(names, key, signer=None, extensions=(), common_name=None, general_names=()):
    """A CSR as DER. SIGNER signs instead of KEY (so that the signature is wrong)."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    alternatives = [x509.DNSName(name) for name in names] + list(general_names)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    algorithm = None if key.alg == "EdDSA" else hashes.SHA256()
    der = builder.sign(key.private, algorithm).public_bytes(serialization.Encoding.DER)
    return resign(der, signer) if signer else der


def der_element(data, at=0):
    """(start of contents, end) of the DER element at AT."""
    size, start = data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[start:start + count], "big")
        start += count
    return start, start + size


def resign(der, key, change=lambda info: info):
    """The CSR with its CertificationRequestInfo changed and signed by KEY (P-256)."""
    start, _ = der_element(der)
    _, end = der_element(der, start)
    info = change(der[start:end])
    _, algorithm_end = der_element(der, end)
    signature = b"\0" + key.sign(info, der=True) if key.alg != "RS256" else b"\0" + key.sign(info)
    bits = b"\x03" + der_length(len(signature)) + signature
    body = info + der[end:algorithm_end] + bits
    return b"\x30" + der_length(len(body)) + body


def der_length(size):
    if size < 128:
        return bytes([size])
    data = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(data)]) + data


def datetime_epoch():
    """The zero of Unix time as cryptography's naive UTC datetimes have it."""
    return datetime.datetime(1970, 1, 1)
