# SPDX-License-Identifier: Apache-2.0
"""The provider's metrics and health addresses, asked as Prometheus and a kubelet ask them."""

import http.client
import json
import re
import socket

_SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def fetch(address, path, method="GET", headers=None, timeout=10):
    """(status, headers, body as text) of one request to HOST:PORT or unix:/PATH."""
    if address.startswith("unix:"):
        connection = _UnixConnection(address.removeprefix("unix:"), timeout)
    else:
        connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def page_of(address, path):
    """The body of a good answer; None without one."""
    try:
        status, _, body = fetch(address, path)
    except (OSError, http.client.HTTPException):
        return None
    return body if status == 200 else None


def ready(address):
    """(status, the body's JSON) of /ready."""
    status, _, body = fetch(address, "/ready")
    return status, json.loads(body)


class Scrape:
    """One page of /metrics, as numbers by name and labels."""

    def __init__(self, address):
        status, headers, self.text = fetch(address, "/metrics")
        assert status == 200, self.text
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.MULTILINE))
        self.samples = {}
        for line in self.text.splitlines():
            if not line.startswith("#"):
                name, labels, value = _SAMPLE.match(line).groups()
                key = (name, tuple(sorted(_LABEL.findall(labels or ""))))
                assert key not in self.samples, line
                self.samples[key] = float(value)

    def get(self, name, **labels):
        """None when there is no such sample."""
        return self.samples.get((f"openbao_kms_{name}", tuple(sorted(labels.items()))))

    def all(self, name):
        """The samples of a metric: labels to value."""
        return {labels: value for (n, labels), value in self.samples.items() if n == f"openbao_kms_{name}"}

    def differences(self, before):
        """What has changed since an earlier page, without what time alone changes: (name, labels) to difference."""
        return {key: value - before.samples.get(key, 0) for key, value in self.samples.items()
                if value != before.samples.get(key, 0)}
