"""Asks SERVER PORT for NAME's A and AAAA until the answer is ADDRESS... and no other, and prints the moment
(seconds since 1970). Run inside a network namespace: dns_watch.py SECONDS SERVER PORT NAME ADDRESS..."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy"))
import testbed  # noqa: E402

seconds, server, port, name, wanted = (float(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4],
                                       sorted(sys.argv[5:]))
until, last = time.monotonic() + seconds, None
print("ready", flush=True)
while time.monotonic() < until:
    try:
        last = sorted(testbed.dns_query(server, port, name, 1)[2] + testbed.dns_query(server, port, name, 28)[2])
    except OSError as error:
        last = error
    if last == wanted:
        print(time.time(), flush=True)
        sys.exit(0)
    time.sleep(0.01)
print(f"not {wanted} but {last}", flush=True)
sys.exit(1)
