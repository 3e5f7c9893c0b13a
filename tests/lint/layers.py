#!/usr/bin/python3
"""Who may include whom: the folders of the project may only look downwards, and the relay's roles meet
in the store alone. The table is docs/ARCHITECTURE.md's. Includes start at the project's root."""
import source

# A file belongs to the first row whose prefix it starts with; it may include what starts with these.
LAYERS = (
    ("base/core/", ("base/core/",)),
    ("base/crypto/", ("base/core/", "base/crypto/")),
    ("base/net/", ("base/core/", "base/crypto/", "base/net/")),
    ("base/", ("base/core/", "base/crypto/", "base/lanname.h")),
    # acme does no I/O, so it has no business with the network.
    ("acme/", ("base/core/", "base/crypto/", "base/lanname.h", "acme/")),
    ("dns/", ("base/", "dns/")),
    ("relay/store/", ("base/", "acme/acme.h", "relay/store/")),
    ("relay/front/", ("base/", "acme/acme.h", "relay/store/", "relay/relay_config.h", "relay/confinement.h",
        "relay/front/")),
    ("relay/issuer/", ("base/", "acme/acme.h", "relay/store/", "relay/relay_config.h", "relay/confinement.h",
        "relay/issuer/")),
    ("relay/nameserver/", ("base/", "dns/dns.h", "relay/store/", "relay/relay_config.h",
                           "relay/confinement.h", "relay/nameserver/")),
    ("relay/admin/", ("base/", "acme/acme.h", "relay/store/", "relay/relay_config.h", "relay/confinement.h",
        "relay/admin/")),
    ("relay/", ("base/", "acme/acme.h", "relay/")),
    # What is installed for others stands on the installed header alone; the library has no loop.
    ("device/lib/examples/", ()),
    ("device/lib/latchkey.h", ()),
    ("device/lib/latchkey-curl.h", ()),
    ("device/lib/latchkey_curl.c", ("device/lib/latchkey-curl.h",)),
    ("device/lib/", ("base/core/", "base/crypto/", "base/net/tls_swap.h", "base/lanname.h",
                     "acme/acme.h", "device/")),
    ("device/", ("base/", "acme/acme.h", "device/")),
    ("tests/", ("base/", "acme/", "dns/", "relay/", "device/", "tests/")),
)
# The resident agent links neither curl nor c-ares: only the worker (and the relay) may use them.
CLIENT = ("base/net/http_client.h", "base/net/resolve.h")


def check(path, text):
    allowed = next((may for prefix, may in LAYERS if path.startswith(prefix)), None)
    if allowed is None:
        yield 1, "no layer is known for this folder (tests/lint/layers.py)"
        return
    for line, name, local in source.includes(text):
        if not local:
            continue
        if not name.startswith(allowed):
            yield line, f"may not include \"{name}\" (allowed: {' '.join(allowed)})"
        elif path.startswith("device/") and name in CLIENT and not path.startswith("device/worker"):
            yield line, f"only device/worker* may include \"{name}\": the agent must stay small"


source.run(check, (
    ("base/core/a.c", '#include "base/core/b.h"\n#include <stdio.h>\n', 0),
    ("base/core/a.c", '#include "base/crypto/key.h"\n', 1),
    ("base/core/a.c", '/* #include "base/crypto/key.h" */\n', 0),
    ("base/net/a.c", '#  include "acme/acme.h"\n', 1),
    ("base/core/a.c", '#include "b.h"\n', 1),
    ("acme/a.c", '#include "base/net/loop.h"\n', 1),
    ("dns/a.c", '#include "acme/acme.h"\n', 1),
    ("relay/front/a.c", '#include "relay/issuer/b.h"\n', 1),
    ("relay/front/a.c", '#include "relay/store/b.h"\n#include "acme/jws.h"\n', 1),
    ("relay/nameserver/a.c", '#include "dns/dns.h"\n#include "dns/name.h"\n', 1),
    ("relay/main.c", '#include "relay/front/front.h"\n', 0),
    ("device/agent/a.c", '#include "relay/store/b.h"\n', 1),
    ("device/agent/a.c", '#include "base/net/http_client.h"\n', 1),
    ("device/worker_a.c", '#include "base/net/http_client.h"\n', 0),
    ("device/lib/latchkey_a.c", '#include "base/net/loop.h"\n', 1),
    ("device/lib/latchkey_curl.c", '#include "base/core/text.h"\n', 1),
    ("device/lib/examples/a.c", '#include <latchkey.h>\n#include "device/lib/latchkey.h"\n', 1),
    ("tests/unit/a.c", '#include "relay/issuer/b.h"\n', 0),
    ("elsewhere/a.c", "\n", 1),
))
