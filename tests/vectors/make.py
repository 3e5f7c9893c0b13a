#!/usr/bin/python3
"""Makes the vectors that no RFC publishes: keys, requests and chains, good and bad.

An independent implementation (python3-cryptography) writes them, so that our own encoder never judges
our own decoder. The result is committed; run this only to add a case: existing cases stay as they are,
because keys are random. Each case is a folder: the input beside what is expected of it."""

import base64
import datetime
import hashlib
import json
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID

HERE = os.path.dirname(os.path.abspath(__file__))


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def write(case, name, data):
    folder = os.path.join(HERE, case)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def fresh(case, name):
    return not os.path.exists(os.path.join(HERE, case, name))


def public_jwk(key):
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.curve.key_size + 7) // 8
        n = key.public_numbers()
        crv = {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size]
        return {"crv": crv, "kty": "EC", "x": number(n.x, size), "y": number(n.y, size)}
    if isinstance(key, rsa.RSAPublicKey):
        n = key.public_numbers()
        return {"e": number(n.e), "kty": "RSA", "n": number(n.n)}
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": b64(raw)}


def from_jwk(jwk):
    if jwk["kty"] == "EC":
        curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[jwk["crv"]]()
        x, y = (int.from_bytes(unb64(jwk[c]), "big") for c in "xy")
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    if jwk["kty"] == "RSA":
        n, e = (int.from_bytes(unb64(jwk[c]), "big") for c in "ne")
        return rsa.RSAPublicNumbers(e, n).public_key()
    return ed25519.Ed25519PublicKey.from_public_bytes(unb64(jwk["x"]))


def private_jwk(key):
    jwk = public_jwk(key.public_key())
    n = key.private_numbers()
    if jwk["kty"] == "EC":
        jwk["d"] = number(n.private_value, (key.curve.key_size + 7) // 8)
    else:
        jwk.update(d=number(n.d), p=number(n.p), q=number(n.q), dp=number(n.dmp1), dq=number(n.dmq1),
                   qi=number(n.iqmp))
    return jwk


def spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def key_case(case, kind, jwk):
    """A good key: JWK, canonical SPKI, thumbprint, id."""
    required = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
    members = {name: jwk[name] for name in required[jwk["kty"]]}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    der = spki(from_jwk(jwk))
    identifier = base64.b32encode(hashlib.sha256(der).digest()[:20]).decode().lower()
    write("key/" + case, "jwk.json", json.dumps(jwk))
    write("key/" + case, "kind", kind)
    write("key/" + case, "spki.hex", der.hex())
    write("key/" + case, "thumbprint", b64(hashlib.sha256(text.encode()).digest()))
    write("key/" + case, "id", identifier)


RFC7515_A3 = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
RFC7515_A3_D = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
RFC7638 = {"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxu"
           "hDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
           "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6We"
           "Zu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB",
           "alg": "RS256", "kid": "2011-04-29"}
RFC8037 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC8037_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC7515_PAYLOAD = ("eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
                   "fQ")


def keys():
    key_case("rfc7515-a3-p256", "p256", RFC7515_A3)
    key_case("rfc7638-rsa", "rsa", RFC7638)
    key_case("rfc8037-ed25519", "ed25519", RFC8037)
    # The published thumbprints, not computed ones.
    assert open(HERE + "/key/rfc7638-rsa/thumbprint").read() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert open(HERE + "/key/rfc8037-ed25519/thumbprint").read() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    if fresh("key/p384", "jwk.json"):
        key_case("p384", "p384", public_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
    if fresh("key/rsa4096", "jwk.json"):
        key_case("rsa4096", "rsa", public_jwk(rsa.generate_private_key(65537, 4096).public_key()))
    if fresh("key/p256-leading-zero", "jwk.json"):
        while True:  # a coordinate whose first octet is 0 must keep it
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
            if key.public_numbers().x < 1 << 248:
                break
        key_case("p256-leading-zero", "p256", public_jwk(key))


def jws():
    """Signatures: input, signature and the key; with a private key where we can sign the same."""
    case = "jws/rfc7515-a3-es256"
    write(case, "jwk.json", json.dumps(RFC7515_A3))
    write(case, "private.json", json.dumps(dict(RFC7515_A3, d=RFC7515_A3_D)))
    write(case, "input", "eyJhbGciOiJFUzI1NiJ9." + RFC7515_PAYLOAD)
    write(case, "signature", "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
    case = "jws/rfc8037-a4-eddsa"
    write(case, "jwk.json", json.dumps(RFC8037))
    write(case, "private.pem", pem(ed25519.Ed25519PrivateKey.from_private_bytes(unb64(RFC8037_D))))
    write(case, "input", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")
    write(case, "signature", "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
    if fresh("jws/es384", "signature"):
        key = ec.generate_private_key(ec.SECP384R1())
        write("jws/es384", "jwk.json", json.dumps(public_jwk(key.public_key())))
        write("jws/es384", "private.json", json.dumps(private_jwk(key)))
        write("jws/es384", "private.pem", pem(key, serialization.PrivateFormat.TraditionalOpenSSL))
        write("jws/es384", "input", "some text")
        r, s = utils.decode_dss_signature(key.sign(b"some text", ec.ECDSA(hashes.SHA384())))
        write("jws/es384", "signature", b64(r.to_bytes(48, "big") + s.to_bytes(48, "big")))
    if fresh("jws/es256-padded", "signature"):
        key = ec.generate_private_key(ec.SECP256R1())
        while True:  # r and s short: they need padding on the left
            r, s = utils.decode_dss_signature(key.sign(b"padded", ec.ECDSA(hashes.SHA256())))
            if r < 1 << 248 and s < 1 << 255:
                break
        write("jws/es256-padded", "jwk.json", json.dumps(public_jwk(key.public_key())))
        write("jws/es256-padded", "private.pem", pem(key, serialization.PrivateFormat.TraditionalOpenSSL))
        write("jws/es256-padded", "input", "padded")
        write("jws/es256-padded", "signature", b64(r.to_bytes(32, "big") + s.to_bytes(32, "big")))
    if fresh("jws/rs256", "signature"):
        key = rsa.generate_private_key(65537, 2048)
        write("jws/rs256", "jwk.json", json.dumps(public_jwk(key.public_key())))
        write("jws/rs256", "private.json", json.dumps(private_jwk(key)))
        write("jws/rs256", "private.pem", pem(key, serialization.PrivateFormat.TraditionalOpenSSL))
        write("jws/rs256", "input", "some text")
        write("jws/rs256", "signature", b64(key.sign(b"some text", padding.PKCS1v15(), hashes.SHA256())))


def bad_jwk(case, expect, jwk):
    write("bad-key/" + case, "jwk.json", json.dumps(jwk))
    write("bad-key/" + case, "expect", expect)


def bad_spki(case, expect, der):
    write("bad-key/" + case, "spki.hex", der.hex())
    write("bad-key/" + case, "expect", expect)


def bad_keys():
    good = RFC7515_A3
    x = unb64(good["x"])
    bad_jwk("ec-private-member", "DENIED", dict(good, d=RFC7515_A3_D))
    bad_jwk("ec-member-k", "DENIED", dict(good, k="AAAA"))
    bad_jwk("ec-null-private-member", "DENIED", dict(good, d=None))
    bad_jwk("rsa-private-member", "DENIED", dict(RFC7638, p="AQAB"))
    bad_jwk("rsa-other-primes", "DENIED", dict(RFC7638, oth=[]))
    bad_jwk("ec-x-short", "SYNTAX", dict(good, x=b64(x[1:])))
    bad_jwk("ec-x-long", "SYNTAX", dict(good, x=b64(b"\0" + x)))
    bad_jwk("ec-x-missing", "SYNTAX", {k: v for k, v in good.items() if k != "x"})
    bad_jwk("ec-y-missing", "SYNTAX", {k: v for k, v in good.items() if k != "y"})
    bad_jwk("ec-x-number", "SYNTAX", dict(good, x=5))
    bad_jwk("ec-off-curve", "SYNTAX", dict(good, x=b64(x[:-1] + bytes([x[-1] ^ 1]))))
    bad_jwk("ec-zero-point", "SYNTAX", dict(good, x=b64(bytes(32)), y=b64(bytes(32))))
    bad_jwk("ec-x-above-field", "SYNTAX", dict(good, x=b64(b"\xff" * 32)))
    bad_jwk("ec-padding", "SYNTAX", dict(good, x=good["x"] + "="))
    bad_jwk("ec-unused-bits", "SYNTAX", dict(good, x=good["x"][:-1] + "V"))  # ...U has zero bits
    bad_jwk("ec-plain-base64", "SYNTAX", dict(good, y=good["y"].replace("_", "/")))
    bad_jwk("ec-blank", "SYNTAX", dict(good, x=good["x"][:-1] + " U"))
    bad_jwk("ec-p521", "RANGE", dict(good, crv="P-521"))
    bad_jwk("ec-secp256k1", "RANGE", dict(good, crv="secp256k1"))
    bad_jwk("ec-lower-case-crv", "RANGE", dict(good, crv="p-256"))
    bad_jwk("ec-no-crv", "RANGE", {k: v for k, v in good.items() if k != "crv"})
    bad_jwk("p384-with-p256-size", "SYNTAX", dict(good, crv="P-384"))
    bad_jwk("no-kty", "SYNTAX", {k: v for k, v in good.items() if k != "kty"})
    bad_jwk("kty-oct", "RANGE", {"kty": "oct"})
    bad_jwk("okp-x25519", "RANGE", dict(RFC8037, crv="X25519"))
    bad_jwk("okp-short", "SYNTAX", dict(RFC8037, x=RFC8037["x"][:-4]))
    n = unb64(RFC7638["n"])
    bad_jwk("rsa-leading-zero-n", "SYNTAX", dict(RFC7638, n=b64(b"\0" + n)))
    bad_jwk("rsa-leading-zero-e", "SYNTAX", dict(RFC7638, e=b64(b"\0\1\0\1")))
    bad_jwk("rsa-empty-e", "SYNTAX", dict(RFC7638, e=""))
    bad_jwk("rsa-no-e", "SYNTAX", {"kty": "RSA", "n": RFC7638["n"]})
    bad_jwk("rsa-even-e", "RANGE", dict(RFC7638, e=number(65538)))
    bad_jwk("rsa-e-3", "RANGE", dict(RFC7638, e=number(3)))
    bad_jwk("rsa-e-1", "RANGE", dict(RFC7638, e=number(1)))
    bad_jwk("rsa-e-huge", "RANGE", dict(RFC7638, e=number((1 << 64) + 1)))
    bad_jwk("rsa-even-n", "RANGE", dict(RFC7638, n=b64(n[:-1] + b"\2")))
    bad_jwk("rsa-1024", "RANGE", dict(RFC7638, n=b64(n[:128])))
    bad_jwk("rsa-2047", "RANGE", dict(RFC7638, n=b64(b"\x7f" + n[1:])))
    bad_jwk("rsa-8192", "RANGE", dict(RFC7638, n=b64(n * 4)))

    p256 = from_jwk(good)
    der = spki(p256)
    bad_spki("spki-trailing", "SYNTAX", der + b"\0")
    bad_spki("spki-cut", "SYNTAX", der[:-1])
    compressed = p256.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    head = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    body = head + bytes([3, len(compressed) + 1, 0]) + compressed
    bad_spki("spki-compressed", "SYNTAX", bytes([0x30, len(body)]) + body)
    bad_spki("spki-long-form-length", "SYNTAX", b"\x30\x81" + der[1:])
    hybrid = bytes([6 | (der[-1] & 1)])
    bad_spki("spki-hybrid", "SYNTAX", der[:26] + hybrid + der[27:])
    bad_spki("spki-off-curve", "SYNTAX", der[:-1] + bytes([der[-1] ^ 1]))
    bad_spki("spki-infinity", "SYNTAX", bytes.fromhex("3019") + head + bytes.fromhex("03020000"))
    k1 = ec.generate_private_key(ec.SECP256K1()).public_key()
    bad_spki("spki-secp256k1", "RANGE", spki(k1))
    r = spki(from_jwk(RFC7638))
    at = r.index(bytes.fromhex("0500"))
    without = r[:at] + r[at + 2:]
    inner = bytes([0x30, 0x0b]) + without[6:]
    bad_spki("spki-rsa-without-null", "SYNTAX",
             b"\x30\x82" + (len(inner)).to_bytes(2, "big") + inner)
    bad_spki("spki-empty", "SYNTAX", b"")


NAME = "abcdefghijklmnopqrstuvwxyz234567.lan.example.com"
WILD = "*." + NAME


def set_dns(text):
    """A dNSName that python would refuse."""
    name = x509.DNSName("placeholder")
    name._value = text  # pylint: disable=protected-access
    return name


def csr(key, sans, cn=None, ca=None, digest=hashes.SHA256()):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else [])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if sans is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(key, digest).public_bytes(serialization.Encoding.DER)


def csr_case(case, expect, make):
    """EXPECT: 'ok NAME...' or 'ERROR words of the reason'."""
    if fresh("csr/" + case, "csr.der"):
        write("csr/" + case, "csr.der", make())
        write("csr/" + case, "expect", expect)


def requests():
    import ipaddress
    dns = x509.DNSName
    p256 = ec.generate_private_key(ec.SECP256R1())
    good = lambda: csr(p256, [dns(WILD)])
    rsa2048 = lambda: rsa.generate_private_key(65537, 2048)
    csr_case("p256", "ok " + WILD, good)
    csr_case("p384", "ok " + WILD, lambda: csr(ec.generate_private_key(ec.SECP384R1()), [dns(WILD)],
                                               digest=hashes.SHA384()))
    csr_case("rsa2048", "ok " + WILD, lambda: csr(rsa2048(), [dns(WILD)]))
    csr_case("both-names", "ok " + WILD + " " + NAME, lambda: csr(p256, [dns(NAME), dns(WILD)]))
    csr_case("names-twice", "ok " + WILD, lambda: csr(p256, [dns(WILD), dns(WILD)]))
    csr_case("common-name", "ok " + WILD, lambda: csr(p256, [dns(WILD)], cn=WILD))
    csr_case("not-a-ca", "ok " + WILD, lambda: csr(p256, [dns(WILD)], ca=False))
    csr_case("foreign-common-name", "RANGE common name", lambda: csr(p256, [dns(WILD)], cn="other.example"))
    csr_case("only-common-name", "SYNTAX subjectAltName", lambda: csr(p256, None, cn=WILD))
    csr_case("no-names", "SYNTAX subjectAltName", lambda: csr(p256, None))
    csr_case("too-many-names", "LIMIT too many", lambda: csr(p256, [dns("a%d.example" % i) for i in range(5)]))
    csr_case("ip-san", "RANGE addresses",
             lambda: csr(p256, [dns(WILD), x509.IPAddress(ipaddress.ip_address("192.168.1.1"))]))
    csr_case("email-san", "RANGE addresses", lambda: csr(p256, [dns(WILD), x509.RFC822Name("a@example.com")]))
    csr_case("uri-san", "RANGE addresses",
             lambda: csr(p256, [dns(WILD), x509.UniformResourceIdentifier("https://example.com/")]))
    csr_case("upper-case", "RANGE lower case", lambda: csr(p256, [dns("WWW.example.com")]))
    csr_case("nul-in-name", "RANGE is no host name", lambda: csr(p256, [set_dns("a\0b.example.com")]))
    csr_case("underscore", "RANGE is no host name", lambda: csr(p256, [dns("_a.example.com")]))
    csr_case("star-inside", "RANGE is no host name", lambda: csr(p256, [dns("a*.example.com")]))
    csr_case("two-stars", "RANGE is no host name", lambda: csr(p256, [dns("*.*.example.com")]))
    csr_case("empty-label", "RANGE empty label", lambda: csr(p256, [dns("a..example.com")]))
    csr_case("trailing-dot", "RANGE empty label", lambda: csr(p256, [dns("example.com.")]))
    csr_case("leading-hyphen", "RANGE is no host name", lambda: csr(p256, [dns("-a.example.com")]))
    csr_case("trailing-hyphen", "RANGE is no host name", lambda: csr(p256, [dns("a-.example.com")]))
    csr_case("blank", "RANGE is no host name", lambda: csr(p256, [set_dns("a b.example.com")]))
    csr_case("long-label", "RANGE more than 63", lambda: csr(p256, [set_dns("a" * 64 + ".example.com")]))
    csr_case("long-name", "RANGE 253", lambda: csr(p256, [set_dns(".".join(["a" * 60] * 5))]))
    csr_case("empty-name", "RANGE 253", lambda: csr(p256, [set_dns("")]))
    csr_case("ca-true", "RANGE CA certificate", lambda: csr(p256, [dns(WILD)], ca=True))
    csr_case("rsa1024", "RANGE 2048", lambda: csr(rsa.generate_private_key(65537, 1024), [dns(WILD)]))
    csr_case("rsa-e-3", "RANGE 2048", lambda: csr(rsa.generate_private_key(3, 2048), [dns(WILD)]))
    csr_case("p521", "RANGE 2048", lambda: csr(ec.generate_private_key(ec.SECP521R1()), [dns(WILD)]))
    csr_case("secp256k1", "RANGE 2048", lambda: csr(ec.generate_private_key(ec.SECP256K1()), [dns(WILD)]))
    csr_case("ed25519", "RANGE 2048",
             lambda: csr(ed25519.Ed25519PrivateKey.generate(), [dns(WILD)], digest=None))
    csr_case("sha1", "RANGE SHA-256", lambda: csr(p256, [dns(WILD)], digest=hashes.SHA1()))
    csr_case("bad-signature", "SIGNATURE does not verify", lambda: good()[:-1] + bytes([good()[-1] ^ 1]))
    csr_case("altered-name", "SIGNATURE does not verify",
             lambda: good().replace(b"abcdefgh", b"bbcdefgh"))
    csr_case("trailing-bytes", "SYNTAX behind", lambda: good() + b"\0")
    csr_case("cut", "SYNTAX PKCS#10", lambda: good()[:-5])
    csr_case("empty", "SYNTAX PKCS#10", lambda: b"")
    csr_case("pem", "SYNTAX PKCS#10", lambda: b"-----BEGIN CERTIFICATE REQUEST-----\n")
    csr_case("too-large", "LIMIT too large", lambda: good() + bytes(8192))
    csr_case("indefinite-length", "SYNTAX DER",
             lambda: b"\x30\x80" + good()[4 if good()[1] == 0x82 else 3:] + b"\0\0")


def main():
    keys()
    jws()
    bad_keys()
    requests()
    return 0


if __name__ == "__main__":
    sys.exit(main())
