#!/usr/bin/python3
"""Opens https://NAME/ at ADDRESS as a device on the LAN would, and prints what it saw as JSON:
{"verified", "error", "serial", "not_after", "body"}. Arguments: ADDRESS PORT NAME ROOTS-FILE."""
import http.client
import json
import socket
import ssl
import sys


def look(address, port, name, roots):
    seen = {"verified": True, "error": None}
    context = ssl.create_default_context(cafile=roots)
    try:
        raw = socket.create_connection((address, port), 5)
        tls = context.wrap_socket(raw, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        seen.update(verified=False, error=str(error))
        context = ssl._create_unverified_context()
        tls = context.wrap_socket(socket.create_connection((address, port), 5), server_hostname=name)
    except OSError as error:
        return {"verified": False, "error": str(error), "der": None, "body": None}
    connection = http.client.HTTPConnection(name, port)
    connection.sock = tls
    seen["der"] = tls.getpeercert(True).hex()
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        seen["headers"] = dict(response.headers)
        seen["body"] = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        seen["error"] = str(error)
        seen["body"] = None
    return seen


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])))
