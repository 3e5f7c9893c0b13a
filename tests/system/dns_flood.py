"""A flood of DNS queries, as fast as they can be sent: dns_flood.py HOST PORT NAME SECONDS SOURCE... Prints how many were
sent, answered and answered with TC, as JSON."""
import json
import select
import socket
import struct
import sys
import time


def main():
    host, port, name, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question
    sockets = []
    for source in sys.argv[5:]:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((source, 0))
        udp.connect((host, port))
        udp.setblocking(False)
        sockets.append(udp)
    sent = answered = truncated = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for udp in sockets:
            for _ in range(50):
                try:
                    udp.send(query)
                    sent += 1
                except OSError:
                    break
        for udp in select.select(sockets, [], [], 0)[0]:
            try:
                while True:
                    answer = udp.recv(512)
                    answered += 1
                    truncated += (answer[2] & 2) >> 1
            except OSError:
                pass
    print(json.dumps({"sent": sent, "answered": answered, "truncated": truncated}))


if __name__ == "__main__":
    main()
