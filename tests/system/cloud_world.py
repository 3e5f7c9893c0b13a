"""The cloud around a VM whose relay is being installed: cloud_world.py CERTIFICATE KEY. The VM has PRIVATE on its
interface; the world knows it as PUBLIC.

169.254.169.254:80 is the metadata service (as Hetzner's); PUBLIC:443 leads to PRIVATE:443, PUBLIC:53 to nowhere, as for
many VMs that can't reach their own public address. 127.0.0.2:53 is the name server of `home.test`, which delegates lan.home.test
to ns-lan.home.test once the file `delegated` is beside CERTIFICATE; 127.0.0.3:53 a resolver; https://127.0.0.3:4443 and :4444 are two public
resolvers, which find the zone only when it is delegated. dnspython makes the messages."""
import http.server
import os
import socket
import ssl
import sys
import threading

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

PRIVATE, PUBLIC, PARENT, RESOLVER = "10.1.2.3", "5.6.7.8", "127.0.0.2", "127.0.0.3"
DOH_PORTS = (4443, 4444)


def records(name, *texts):
    return dns.rrset.from_text(name, 60, "IN", *texts)


def parent(query):
    reply = dns.message.make_response(query)
    if os.path.exists("delegated"):
        reply.authority.append(records("lan.home.test.", "NS", "ns-lan.home.test."))
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def resolver(query):
    """What the parent zone holds beside the delegation; the zone itself is asked where it is."""
    question = query.question[0]
    known = {("home.test.", "NS"): "ns.home.test.", ("ns.home.test.", "A"): PARENT, ("ns-lan.home.test.", "A"): PUBLIC}
    kind = dns.rdatatype.to_text(question.rdtype)
    name = question.name.to_text().lower()
    if name.endswith("lan.home.test.") and not name.startswith("ns-lan."):
        return public(query)
    reply = dns.message.make_response(query, recursion_available=True)
    if (name, kind) in known:
        reply.answer.append(records(name, kind, known[name, kind]))
    return reply


def public(query):
    if not os.path.exists("delegated"):
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
    return dns.query.udp(query, PRIVATE, timeout=3)


def serve_dns(address, answer):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 53))

    def loop():
        while True:
            data, peer = sock.recvfrom(4096)
            try:
                sock.sendto(answer(dns.message.from_wire(data)).to_wire(), peer)
            except Exception as error:  # nobody there to ask: no answer
                print(f"{address}: {error!r}", flush=True)
    threading.Thread(target=loop, daemon=True).start()


class Metadata(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        self.send_error(405)

    def do_GET(self):
        known = self.path == "/hetzner/v1/metadata/public-ipv4"
        body = PUBLIC.encode() if known else b""
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Doh(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        body = public(dns.message.from_wire(data)).to_wire()
        self.send_response(200)
        self.send_header("Content-Type", "application/dns-message")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def translate():
    """The cloud's NAT, for HTTPS."""
    listener = socket.create_server((PUBLIC, 443))
    while True:
        outside, _ = listener.accept()
        try:
            inside = socket.create_connection((PRIVATE, 443), 5)
        except OSError:
            outside.close()
            continue
        for pair in ((outside, inside), (inside, outside)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


def serve_http(address, port, handler, context=None):
    server = http.server.ThreadingHTTPServer((address, port), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:3])
    os.chdir(os.path.dirname(sys.argv[1]))
    serve_dns(PARENT, parent)
    serve_dns(RESOLVER, resolver)
    serve_http("169.254.169.254", 80, Metadata)
    for port in DOH_PORTS:
        serve_http(RESOLVER, port, Doh, context)
    print("ready", flush=True)
    translate()


if __name__ == "__main__":
    main()
