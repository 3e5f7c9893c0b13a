"""certbot and uacme, as Debian ships them, are devices: they get a certificate for their own name,
renew and revoke it, and no hook is ever called."""
import glob
import os
import re
import time

import acme_client
import conftest


def hook(folder):
    """A hook that fails, and leaves a mark when it is called."""
    path, mark = os.path.join(folder, "hook"), os.path.join(folder, "hook-was-called")
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\necho \"$@\" >> '{mark}'\nexit 1\n")
    os.chmod(path, 0o755)
    return path, mark


def read(path):
    with open(path) as file:
        return file.read()


def serial(pem):
    return acme_client.leaf(pem).serial_number


def test_certbot(make_lab, tmp_path):
    conftest.need("certbot")
    lab = make_lab()
    script, mark = hook(tmp_path)
    folders = [f"--{name}-dir={tmp_path}/certbot/{name}" for name in ("config", "work", "logs")]
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": lab.ca.ca_file}

    def certbot(*arguments):
        return conftest.run(["certbot", *arguments, "-n", *folders, "--server", lab.directory],
                            env=environment).stdout

    certbot("register", "--agree-tos", "--register-unsafely-without-email")
    # Two ways to learn the name: the account's URL, and `latchkey name` on certbot's key.
    url = re.search(r"https://\S+/acme/acct/([a-z2-7]{32})\b", certbot("show_account"))
    key_file, = glob.glob(f"{tmp_path}/certbot/config/accounts/**/private_key.json", recursive=True)
    named = conftest.run([conftest.program("latchkey"), "name", key_file, lab.zone]).stdout
    name = f"{url.group(1)}.{lab.zone}"
    assert name in named.split(), named
    certbot("certonly", "--manual", "--preferred-challenges=dns", f"--manual-auth-hook={script}",
            f"--manual-cleanup-hook={script}", "-d", f"*.{name}", "-d", name)
    path = f"{tmp_path}/certbot/config/live/{name}/fullchain.pem"
    first = read(path)
    conftest.verify_chain(lab, first, f"192-168-1-51.{name}")
    conftest.verify_chain(lab, first, name)
    certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
    second = read(path)
    conftest.verify_chain(lab, second, f"192-168-1-51.{name}")
    assert serial(first) != serial(second)
    certbot("revoke", f"--cert-path={path}", "--no-delete-after-revoke")
    assert conftest.ca_status(lab, second) == "Revoked"
    assert conftest.ca_status(lab, first) == "Valid"
    assert not os.path.exists(mark), f"a hook was called: {read(mark)}"


def test_uacme(make_lab, tmp_path):
    conftest.need("uacme", "unshare")
    conftest.need_root()
    validity_s = 40
    lab = make_lab(validity_s=validity_s)
    script, mark = hook(tmp_path)
    # uacme trusts the system's bundle only: it sees another one in a mount namespace of its own.
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(read(lab.ca.ca_file))
    inside = 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"'

    def uacme(*arguments):
        return conftest.run(["unshare", "-m", "sh", "-c", inside, str(bundle), "uacme", "-v", "-y",
                             "-n" if arguments[0] != "new" else "-y", "-c", f"{tmp_path}/uacme",
                             "-a", lab.directory, "-o", "-h", script, *arguments]).stdout

    created = uacme("new")
    name = re.search(r"/acme/acct/([a-z2-7]{32})\b", created).group(1) + "." + lab.zone
    key_file = f"{tmp_path}/uacme/private/key.pem"
    named = conftest.run([conftest.program("latchkey"), "name", key_file, lab.zone]).stdout
    assert name in named.split(), named
    uacme("-f", "issue", f"*.{name}")
    path, = glob.glob(f"{tmp_path}/uacme/*/cert.pem")
    chains = [read(path)]
    conftest.verify_chain(lab, chains[0], f"192-168-1-51.{name}")
    # uacme sends the same CSR for ever. Before the renewal moment it gets the stored chain again.
    orders = conftest.ca_orders(lab)
    uacme("-f", "issue", f"*.{name}")
    assert read(path) == chains[0]
    assert conftest.ca_orders(lab) == orders, "an order was spent on a CSR that has its certificate"
    for _ in range(2):
        issued = acme_client.leaf(chains[-1]).not_valid_before
        due = (issued - acme_client.datetime_epoch()).total_seconds() + validity_s * 0.7
        while time.time() < due:
            time.sleep(0.2)
        uacme("-f", "issue", f"*.{name}")
        chains.append(read(path))
        assert serial(chains[-1]) != serial(chains[-2])
        conftest.verify_chain(lab, chains[-1], f"192-168-1-51.{name}")
    assert len({serial(chain) for chain in chains}) == 3
    uacme("revoke", path)
    assert conftest.ca_status(lab, chains[-1]) == "Revoked"
    assert not os.path.exists(mark), f"a hook was called: {read(mark)}"
