#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The web configuration file: TLS, client certificates and passwords, as the exporters have them."""

import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import time

from harness import main, test, wait_for

# "correct horse", at the lowest cost: as `htpasswd -nbBC 4 bob "correct horse"` makes them.
HASH = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"


def openssl(t, *args):
    subprocess.run(["openssl", *args], cwd=t.tmp, check=True, capture_output=True, timeout=30)


def certificates(t):
    t.need("openssl", "promtool")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for ca in ("ca", "other"):
        openssl(t, "req", "-x509", *key, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-subj",
                f"/CN={ca}")
    t.write("san", "subjectAltName=IP:127.0.0.1\n")
    for name, ca in (("server", "ca"), ("client", "ca"), ("stranger", "other")):
        openssl(t, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}")
        openssl(t, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey",
                f"{ca}.key", "-CAcreateserial", "-days", "2", "-extfile", "san", "-out",
                f"{name}.pem")


def start(t, text):
    """A daemon with this web configuration, which Prometheus's own tool takes as well."""
    path = t.write("web.yml", text, 0o600)
    r = subprocess.run(["promtool", "check", "web-config", path], capture_output=True, check=False)
    assert r.returncode == 0, r
    d = t.daemon(args=["--web.config.file", path], start=False).spawn()
    wait_for(lambda: d.running() and d.ctl_run("status").returncode == 0, 15, "it serves")
    return d


def get(d, context=None, password=None, path="/metrics", user="bob"):
    make = http.client.HTTPSConnection if context else http.client.HTTPConnection
    conn = make("127.0.0.1", d.port, timeout=5, **({"context": context} if context else {}))
    headers = {}
    if password is not None:
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = "Basic " + word
    with contextlib.closing(conn):
        conn.request("GET", path, headers=headers)
        r = conn.getresponse()
        return r.status, r.headers, r.read()


def client_context(t, name=None):
    context = ssl.create_default_context(cafile=t.path("ca.pem"))
    if name:
        context.load_cert_chain(t.path(f"{name}.pem"), t.path(f"{name}.key"))
    return context


@test
def passwords(t):
    d = start(t, f"basic_auth_users:\n  bob: {HASH}\n  eve: {HASH}\n")
    status, headers, body = get(d)
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic "), (status, body)
    assert b"runaway_" not in body
    assert get(d, password="correct horse")[0] == 200
    assert get(d, password="wrong")[0] == 401
    # Who proved it is known; another guess from there must wait, and costs nothing.
    assert get(d, password="wrong again")[0] == 503
    for path in ("/", "/metrics", "/healthz", "/api/v1/orphans"):
        assert get(d, path=path)[0] == 401, path
        assert get(d, path=path, password="correct horse")[0] == 200, path
    wait_for(lambda: get(d, password="correct horse", user="eve")[0] == 200, 3, "the pause ends")
    time.sleep(1.1)
    for user in ("nobody", "", "bob\0", "x" * 3000):
        status = get(d, password="correct horse", user=user)[0]
        assert status in (401, 503), (user[:9], status)
    assert d.ctl("status")["web_authentication"] is True


@test
def tls_and_client_certificates(t):
    certificates(t)
    d = start(t, "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
                 "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
                 "  min_version: TLS13\n")
    assert get(d, client_context(t, "client"))[0] == 200
    for name in (None, "stranger"):
        try:
            status, _, body = get(d, client_context(t, name))
            assert status == 403 and b"runaway_" not in body, (name, status)
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            pass  # refused before any answer: as good
    old = client_context(t, "client")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        get(d, old)
        raise AssertionError("TLS 1.2 was spoken")
    except (ssl.SSLError, ConnectionError):
        pass
    # Somebody who speaks no TLS gets nothing and hurts nobody.
    try:
        assert get(d)[0] >= 400
    except (ConnectionError, http.client.HTTPException):
        pass
    assert get(d, client_context(t, "client"), path="/readyz")[0] == 200
    status = d.ctl("status")
    assert status["web_tls"] is True and status["web_authentication"] is True, status
    listener = next(c for c in json.loads(d.ctl_run("-o", "json", "doctor").stdout)["checks"]
                    if c["name"] == "metrics_listener")
    assert "TLS" in listener["detail"], listener


@test
def faults_end_it_before_it_begins(t):
    certificates(t)
    good = "tls_server_config:\n  cert_file: server.pem\n  key_file: {}\n"
    for text, word in (("basic_auth_users:\n  bob: secret\n", ":2: basic_auth_users"),
                       (good.format("ca.key"), "certificate and key")):
        path = t.write("bad.yml", text, 0o600)
        d = t.daemon(args=["--web.config.file", path], start=False).spawn()
        assert d.proc.wait(15) == 2, d.proc.returncode
        assert word in d.log().decode(), d.log()
    config = t.write("named.json", '{ "web": { "config_file": "%s" } }' % t.path("none.yml"))
    r = subprocess.run([t.runawayd, "--check-config", config], capture_output=True, check=False)
    assert r.returncode == 2 and os.fsencode(t.path("none.yml")) in r.stderr, r


if __name__ == "__main__":
    main()
