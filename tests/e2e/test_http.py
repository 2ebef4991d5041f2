#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The HTTP side against well-behaved, clumsy and hostile clients."""

import contextlib
import os
import random
import socket
import subprocess
import time

import procfs
from harness import main, test, wait_for
from metrics import Metrics

PATHS = {
    "/metrics": "text/plain", "/healthz": None, "/-/healthy": None, "/readyz": None,
    "/-/ready": None, "/": "text/html", "/api/v1/status": "application/json",
    "/api/v1/orphans": "application/json", "/api/v1/findings": "application/json",
    "/api/v1/incidents": "application/json",
}
TIMEOUT_S = 2


def raw(port, data, timeout_s=TIMEOUT_S + 3):
    """Sends bytes, returns all that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as s:
        out = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
            while chunk := s.recv(65536):
                out += chunk
        return out


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@test
def every_path(t):
    daemon = t.daemon()
    for path, kind in PATHS.items():
        got = daemon.http(path)
        assert got.status == 200, f"{path}: {got.status}"
        assert kind is None or got.headers["content-type"].startswith(kind), got.headers
        head = daemon.http(path, method="HEAD")
        assert head.status == 200 and head.body == b"", path
        assert int(head.headers["content-length"]) > 0, path
        assert head.headers.get("content-type") == got.headers.get("content-type")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/metrics", "/api/v1/status", "/nothing"):
            got = daemon.http(path, method=method)
            assert got.status == 405, f"{method} {path}: {got.status}"
            assert "GET" in got.headers["allow"] and "HEAD" in got.headers["allow"]
    for path in ("/nothing", "/metrics/x", "/api/v1", "/api/v2/status", "/../etc/passwd",
                 "/api/v1/incidents/inc_20000101_0000_00000000",
                 "/api/v1/incidents/..%2f..%2fevents.jsonl"):
        assert daemon.http(path).status == 404, path


@test
def formats(t):
    t.need("promtool")
    daemon = t.daemon()
    text = daemon.http("/metrics")
    assert "version=0.0.4" in text.headers["content-type"], text.headers
    m = Metrics(text.body)
    assert m.get("runaway_monitor_up") == 1
    for lane in (x["lane_id"] for x in daemon.ctl("lane", "list")):
        assert m.get("runaway_orphan_groups", lane=lane) == 0, "a series from the start, with 0"
        assert m.sum("runaway_findings", lane=lane) == 0
        assert m.get("runaway_incidents_opened_total", lane=lane) == 0
    assert not any("pid" in lab or "args" in lab or "container_id" in lab
                   for f in m.families.values() for _, lab, _ in f.samples)
    r = subprocess.run(["promtool", "check", "metrics"], input=text.body, capture_output=True,
                       check=False)
    assert r.returncode == 0 and not r.stdout + r.stderr, (r.stdout + r.stderr)[:800]
    wanted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    om = daemon.http("/metrics", headers={"Accept": wanted})
    assert om.headers["content-type"].startswith("application/openmetrics-text")
    assert om.body.endswith(b"\n# EOF\n")
    plain = daemon.http("/metrics", headers={"Accept": "text/plain,*/*;q=0.1"})
    assert plain.headers["content-type"].startswith("text/plain")
    own = m.get("process_resident_memory_bytes")
    assert 1 << 20 < own < 256 << 20, own
    assert m.get("process_threads") == 1


@test
def clumsy_and_hostile_clients(t):
    daemon = t.daemon({"web": {"timeout_s": TIMEOUT_S}})
    before = fds(daemon.pid)
    rng = random.Random(7)
    corpus = [b"\r\n" * 10, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"G\0T / HTTP/1.1\r\n\r\n",
              b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
              b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
              b"GET " + b"/" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
              b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
              b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000000 + b"\r\n\r\n",
              b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
              b"GET /%00%ff%0a HTTP/1.0\r\n\r\n"]
    corpus += [rng.randbytes(rng.randrange(1, 3000)) + b"\r\n\r\n" for _ in range(60)]
    for data in corpus:
        with contextlib.suppress(OSError):
            raw(daemon.port, data)
        assert daemon.running(), data[:80]
    assert b" 200 " in raw(daemon.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert raw(daemon.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2 +
               b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").count(b" 200 ") == 3
    wait_for(lambda: fds(daemon.pid) <= before + 2, TIMEOUT_S + 5, "connections are closed again")


@test
def slow_clients_do_not_stop_a_scrape(t):
    daemon = t.daemon({"web": {"timeout_s": TIMEOUT_S, "max_connections": 32}})
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
                for _ in range(8)]
        for s in slow:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
        started = time.monotonic()
        assert daemon.http("/metrics").status == 200
        assert time.monotonic() - started < 1, "a scrape waits for slow clients"
        # They get no more time for dripping a byte now and then.
        gone = [False] * len(slow)

        def all_closed():
            for i, s in enumerate(slow):
                with contextlib.suppress(BlockingIOError):
                    s.setblocking(False)
                    try:
                        gone[i] = gone[i] or s.recv(4096) == b"" or gone[i]
                    except ConnectionError:
                        gone[i] = True
            return all(gone)

        wait_for(all_closed, TIMEOUT_S * 3 + 3, "slow clients are closed")


@test
def flood_of_connections(t):
    daemon = t.daemon({"web": {"timeout_s": TIMEOUT_S, "max_connections": 32}})
    before = fds(daemon.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                s.connect(("127.0.0.1", daemon.port))
        daemon.ctl("status")  # the control socket does not mind
        assert fds(daemon.pid) <= before + 32 + 4, "more connections than configured"
        ticks = daemon.ctl("status")["ticks"]
        wait_for(lambda: daemon.ctl("status")["ticks"] > ticks + 1, 5, "it goes on judging")
    wait_for(lambda: ok(daemon), TIMEOUT_S * 2 + 5, "scrapes work again")
    assert procfs.rss_bytes(daemon.pid) < 64 << 20 or t.sanitized


def ok(daemon):
    with contextlib.suppress(OSError):
        return daemon.http("/metrics", timeout_s=1).status == 200
    return False


@test
def control_socket_limits(t):
    daemon = t.daemon()
    path = os.path.join(daemon.runtime_dir, "control.sock")

    def ask(data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(path)
            with contextlib.suppress(ConnectionError):
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            out = b""
            with contextlib.suppress(ConnectionError):
                while chunk := s.recv(65536):
                    out += chunk
            return out

    assert b'"result"' in ask(b'{"id":1,"method":"status"}\n')
    for bad in (b"{}\n", b"[]\n", b'{"id":1,"method":"no.such"}\n', b"\0\xff\n",
                b'{"id":1,"method":"proc.show","params":{"pid":-1}}\n',
                b'{"id":1,"method":"status","params":[]}\n', b"[" * 100000 + b"\n"):
        assert b'"error"' in ask(bad), bad[:60]
    ask(b"x" * (3 << 20))
    assert b'"result"' in ask(b'{"id":1,"method":"status"}\n')


if __name__ == "__main__":
    main()
