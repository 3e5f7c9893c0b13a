#!/usr/bin/python3
"""Makes tests/vectors/upload: what an owner might upload as a certificate for the key of
tests/fuzz/upload_key.h and the name nas.example, on 2026-11-21. `expect` holds the codes of the verdicts
that are bad, or "good" and the length of the chain. Existing cases stay as they are; the same bytes are
the fuzz corpus."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "../fuzz/corpus/upload")
NOW = datetime.datetime(2026, 11, 21)
DAY = datetime.timedelta(days=1)
HOST = "nas.example"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
DEVICE = ec.derive_private_key(0x6c6174636b6579, ec.SECP256R1())
ROOT, ISSUER, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def subject(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(name, key, issuer, issuer_key, ca=False, names=(), start=-DAY, end=90 * DAY, usage=(SERVER,),
         digest=hashes.SHA256, key_usage=None, extra=None):
    builder = (x509.CertificateBuilder().subject_name(subject(name)).issuer_name(subject(issuer))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(NOW + start).not_valid_after(NOW + end))
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [n if not isinstance(n, str) else x509.DNSName(n) for n in names]), False)
    if usage and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usage)), False)
    if key_usage:
        builder = builder.add_extension(x509.KeyUsage(
            **{**dict.fromkeys(["digital_signature", "content_commitment", "key_encipherment",
                                "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
                                "encipher_only", "decipher_only"], False), key_usage: True}), True)
    if extra:
        builder = builder.add_extension(extra, True)
    return builder.sign(issuer_key, None if digest is None else digest())


def leaf(name="device", key=DEVICE, **changes):
    changes.setdefault("names", (HOST,))
    issuer, issuer_key = changes.pop("by", ("Issuer", ISSUER))
    return make(name, key, issuer, issuer_key, **changes)


def pem(*certificates):
    return b"".join(c.public_bytes(PEM) for c in certificates)


def case(name, upload, expect):
    folder = os.path.join(HERE, "upload", name)
    if os.path.exists(folder):
        return
    os.makedirs(folder)
    os.makedirs(CORPUS, exist_ok=True)
    for path in (os.path.join(folder, "upload"), os.path.join(CORPUS, name)):
        with open(path, "wb") as file:
            file.write(upload)
    with open(os.path.join(folder, "expect"), "w") as file:
        file.write(expect + "\n")


def main():
    root = make("Root", ROOT, "Root", ROOT, ca=True)
    issuer = make("Issuer", ISSUER, "Root", ROOT, ca=True)
    good = leaf()
    der = good.public_bytes(DER)
    case("good-chain", pem(good, issuer), "good 2")
    case("good-alone", pem(good), "good 1")
    case("good-with-root", pem(good, issuer, root), "good 2")
    case("good-shuffled", pem(root, issuer, good), "good 2")
    case("good-twice-the-same", pem(good, issuer, good), "good 2")
    case("good-der", der, "good 1")
    case("good-der-shuffled", issuer.public_bytes(DER) + der, "good 2")
    case("good-crlf", pem(good, issuer).replace(b"\n", b"\r\n"), "good 2")
    case("good-byte-order-mark", b"\xef\xbb\xbf" + pem(good), "good 1")
    case("good-text-between", b"subject=device\n" + pem(good) + b"\nissuer:\n" + pem(issuer), "good 2")
    case("good-wildcard", pem(leaf(names=("*.example",))), "good 1")
    case("good-upper-case-name", pem(leaf(names=("NAS.Example",))), "good 1")
    case("good-key-usage", pem(leaf(key_usage="digital_signature")), "good 1")
    case("good-more-usages", pem(leaf(usage=(CLIENT, SERVER))), "good 1")
    case("good-sha384", pem(leaf(digest=hashes.SHA384)), "good 1")
    edwards = ed25519.Ed25519PrivateKey.generate()
    case("good-ed25519-issuer", pem(
        leaf(by=("Edwards", edwards), digest=None),
        make("Edwards", edwards, "Root", ROOT, ca=True)), "good 2")
    renewed = ec.generate_private_key(ec.SECP256R1())
    case("good-issuer-of-the-same-name", pem(
        good, make("Issuer", ISSUER, "Root", ROOT, ca=True)), "good 2")
    case("chain-issuer-renewed-its-key", pem(good, make("Issuer", renewed, "Root", ROOT, ca=True)),
         "chain-broken")
    case("chain-broken", pem(good, root), "chain-broken")
    case("chain-stray-ca", pem(good, issuer, make("Stray", OTHER, "Root", ROOT, ca=True)), "chain-broken")
    case("chain-issuer-no-ca", pem(good, make("Issuer", ISSUER, "Root", ROOT)), "two-leafs")
    case("two-leafs", pem(good, leaf()), "two-leafs")
    case("two-leafs-of-others", pem(good, leaf(key=OTHER), issuer), "two-leafs")
    case("other-key", pem(leaf(key=OTHER), issuer), "other-key")
    case("issuers-only", pem(issuer, root), "other-key")
    case("other-name", pem(leaf(names=("other.example",)), issuer), "other-name")
    case("other-name-below", pem(leaf(names=("a.nas.example",))), "other-name")
    case("other-name-wildcard-deep", pem(leaf(names=("*.nas.example",))), "other-name")
    case("other-name-address", pem(leaf(names=(x509.UniformResourceIdentifier("https://nas.example"),))),
         "other-name")
    case("common-name-only", pem(leaf(name=HOST, names=())), "common-name-only")
    case("expired", pem(leaf(start=-9 * DAY, end=-DAY), issuer), "expired")
    case("expired-issuer", pem(good, make("Issuer", ISSUER, "Root", ROOT, ca=True, start=-9 * DAY,
                                          end=-DAY)), "expired")
    case("not-yet-valid", pem(leaf(start=DAY)), "not-yet-valid")
    case("is-ca", pem(leaf(ca=True), issuer), "is-ca")
    case("no-usage", pem(leaf(usage=())), "not-for-servers")
    case("client-usage", pem(leaf(usage=(CLIENT,))), "not-for-servers")
    case("key-usage", pem(leaf(key_usage="key_agreement")), "key-usage")
    case("unknown-critical", pem(leaf(extra=x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"))), "extensions")
    case("weak-digest", pem(leaf(digest=hashes.SHA1)), "weak-digest")
    small = rsa.generate_private_key(65537, 1024)
    case("weak-issuer", pem(leaf(by=("Small", small)), make("Small", small, "Root", ROOT, ca=True)),
         "weak-key")
    case("several-faults", pem(leaf(names=("other.example",), start=-9 * DAY, end=-DAY, usage=(CLIENT,))),
         "other-name expired not-for-servers")
    secret = DEVICE.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    case("private-key", pem(good) + secret, "private-key")
    case("private-key-alone", secret, "private-key")
    case("private-key-encrypted", OTHER.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")), "private-key")
    case("empty", b"", "empty")
    case("too-many", pem(*[make(f"CA {i}", OTHER, "Root", ROOT, ca=True) for i in range(11)]), "too-many")
    case("too-many-der", b"".join(make(f"CA {i}", OTHER, "Root", ROOT, ca=True).public_bytes(DER)
                                  for i in range(11)), "too-many")
    request = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
               .sign(DEVICE, hashes.SHA256()))
    bad = {
        "request": request.public_bytes(PEM), "request-der": request.public_bytes(DER),
        "pkcs7": pkcs7.serialize_certificates([good, issuer], PEM),
        "truncated": der[:-1], "trailing": der + b"x", "nul": pem(good).replace(b"\n", b"\0\n", 1),
        "indefinite": b"\x30\x80" + der[4:] + b"\0\0", "bomb": b"\x30\x84" * 1000,
        "nested": b"\x30\x80" * 1000, "no-end": pem(good)[:-26],
        "damaged-begin": pem(good) + pem(issuer).replace(b"-----BEGIN CERTIFICATE-----",
                                                         b"-----BEGIN CERTIFICATE----"),
        "damaged-base64": pem(good).replace(b"M", b"!", 3), "text": b"hello\n",
        "empty-block": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "headers": pem(good).replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
        "long-length": b"\x30\x85\x00\x00" + der[2:],
    }
    for name, upload in bad.items():
        case("not-" + name, upload, "not-a-certificate")


if __name__ == "__main__":
    main()
