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
    assert f"*.{name}" in named.split(), named
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
    lab = make_lab()
    script, mark = hook(tmp_path)
    # uacme trusts the system's bundle only: it sees another one in a mount namespace of its own.
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(read(lab.ca.ca_file))
    inside = 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"'

    def uacme(*arguments):
        return conftest.run(["unshare", "-m", "sh", "-c", inside, str(bundle), "uacme", "-v", "-y",
                             "-c", f"{tmp_path}/uacme",
                             "-a", lab.directory, "-o", "-h", script, *arguments]).stdout

    created = uacme("new")
    name = re.search(r"/acme/acct/([a-z2-7]{32})\b", created).group(1) + "." + lab.zone
    key_file = f"{tmp_path}/uacme/private/key.pem"
    named = conftest.run([conftest.program("latchkey"), "name", key_file, lab.zone]).stdout
    assert f"*.{name}" in named.split(), named
    uacme("-f", "issue", f"*.{name}")
    path, = glob.glob(f"{tmp_path}/uacme/*/cert.pem")
    chains = [read(path)]
    conftest.verify_chain(lab, chains[0], f"192-168-1-51.{name}")
    for _ in range(2):
        # uacme keeps the old certificate as cert-<second>.pem and fails when there is one already.
        second = int(time.time())
        while int(time.time()) == second:
            time.sleep(0.05)
        uacme("-f", "issue", f"*.{name}")
        chains.append(read(path))
        conftest.verify_chain(lab, chains[-1], f"192-168-1-51.{name}")
    assert len({serial(chain) for chain in chains}) == 3
    uacme("revoke", path)
    assert conftest.ca_status(lab, chains[-1]) == "Revoked"
    assert not os.path.exists(mark), f"a hook was called: {read(mark)}"


def test_same_request_again(make_lab):
    """uacme with RSA sends the same CSR for ever. While the CA's budget for a name is short the stored chain is
    handed out again, and nothing is spent; at the renewal moment there is a new one."""
    validity_s = 30
    lab = make_lab(validity_s=validity_s, settings={"issuer": {
        "budgets": "yes", "exact_set_per_week": "3", "certificates_per_week": "1000"}})
    device = conftest.new_client(lab)
    device.account()
    names = [f"*.{device.name()}"]
    der = acme_client.csr(names, acme_client.Key())

    def issue():
        order_url, order = device.order(names)
        return device.finalize(order_url, order, der)

    first = issue()
    orders = conftest.ca_orders(lab)
    assert issue() == first
    assert conftest.ca_orders(lab) == orders, "an order was spent on a request that has its chain"
    due = (acme_client.leaf(first).not_valid_before - acme_client.datetime_epoch()).total_seconds()
    while time.time() < due + validity_s * 0.6:
        time.sleep(0.2)
    assert serial(issue()) != serial(first)
    device.close()
