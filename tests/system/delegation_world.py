"""The world around a zone, for test_delegation.py: delegation_world.py MODE_FILE CERTIFICATE KEY.

127.0.0.2:53 is the name server of `test`, which delegates lan.test as MODE_FILE says; 127.0.0.3:53 a resolver that
finds it; https://127.0.0.3:4443/dns-query a public resolver that asks 127.0.0.1 for lan.test. 127.0.0.4:53
answers without being asked to: it is nobody's name server. dnspython judges and makes the messages."""
import http.server
import socket
import ssl
import sys
import threading

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

mode_file, certificate, key = sys.argv[1:4]
NS, GLUE, OTHER = "ns.lan.test.", "127.0.0.1", "ns.elsewhere.test."


def mode():
    with open(mode_file) as file:
        return file.read()


def records(name, *texts):
    return dns.rrset.from_text(name, 60, "IN", *texts)


def parent(query):
    """A referral, or what goes wrong with one."""
    reply, now = dns.message.make_response(query), mode()
    if now == "none":
        reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.flags |= dns.flags.AA
        return reply
    if now == "refused":
        reply.set_rcode(dns.rcode.REFUSED)
        return reply
    reply.authority.append(records("lan.test.", "NS", OTHER if now == "other" else NS))
    if now not in ("other", "no-glue"):
        reply.additional.append(records(NS, "A", "127.0.0.9" if now == "wrong-glue" else GLUE))
    return reply


def resolver(query):
    question = query.question[0]
    name = question.name.to_text().lower()
    reply = dns.message.make_response(query, recursion_available=True)
    if name == "test." and question.rdtype == dns.rdatatype.NS:
        reply.answer.append(records("test.", "NS", "ns.test."))
    elif name == "ns.test." and question.rdtype == dns.rdatatype.A:
        reply.answer.append(records("ns.test.", "A", "127.0.0.2"))
    return reply


def public(query):
    if mode() == "blind":
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.SERVFAIL)
        return reply
    return dns.query.udp(query, "127.0.0.1", timeout=3)


def lame(query):
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.REFUSED)
    return reply


def serve(address, answer):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 53))

    def loop():
        while True:
            data, peer = sock.recvfrom(4096)
            sock.sendto(answer(dns.message.from_wire(data)).to_wire(), peer)
    threading.Thread(target=loop, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        body = public(dns.message.from_wire(data)).to_wire()
        self.send_response(200)
        self.send_header("Content-Type", "application/dns-message")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


serve("127.0.0.2", parent)
serve("127.0.0.3", resolver)
serve("127.0.0.4", lame)
server = http.server.ThreadingHTTPServer(("127.0.0.3", 4443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
