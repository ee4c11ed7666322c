# SPDX-License-Identifier: Apache-2.0
"""Stands between a provider and OpenBao, ends TLS on both sides, and answers in OpenBao's place where a test wants it."""

import http.client
import json
import ssl

from .tls_server import TlsServer

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Answer:
    """What goes to the provider."""

    def __init__(self, status, body, headers=()):
        self.status = status
        self.body = body
        self.headers = list(headers)

    @classmethod
    def of_json(cls, status, content):
        return cls(status, json.dumps(content).encode(), [("Content-Type", "application/json")])

    def json(self):
        return json.loads(self.body)


class Proxy(TlsServer):
    """`intercept` is called as intercept(method, path, body, forward): it returns forward() or another Answer."""

    def __init__(self, bao, stem="proxy"):
        super().__init__(bao.authority, stem)
        self.bao = bao
        self.address = f"https://127.0.0.1:{self.port}"
        self.intercept = lambda method, path, body, forward: forward()
        self._upstream = ssl.create_default_context(cafile=str(bao.authority.file))

    def serve(self, handler, body):
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP_BY_HOP | {"host"}}
        answer = self.intercept(handler.command, handler.path.removeprefix("/v1/"), body,
                                lambda: self.forward(handler.command, handler.path, body, headers))
        handler.send(answer.status, answer.headers, answer.body)

    def forward(self, method, path, body, headers):
        """OpenBao's own answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.bao.port, context=self._upstream, timeout=20)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), [(name, value) for name, value in answer.getheaders()
                                                         if name.lower() not in _HOP_BY_HOP])
        finally:
            connection.close()
