# SPDX-License-Identifier: Apache-2.0
"""Stands between a provider and OpenBao, ends TLS on both sides, and answers in OpenBao's place where a test wants it."""

import http.client
import http.server
import json
import ssl
import threading

from .process import free_port

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


class Proxy:
    """Listens on loopback; `with` it. `intercept` is called as intercept(method, path, body, forward): it returns
    forward() or another Answer."""

    def __init__(self, bao, stem="proxy"):
        self.bao = bao
        self.port = free_port()
        self.address = f"https://127.0.0.1:{self.port}"
        self.intercept = lambda method, path, body, forward: forward()
        certificate, key = bao.authority.issue(stem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._upstream = ssl.create_default_context(cafile=str(bao.authority.file))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name: value for name, value in self.headers.items()
                           if name.lower() not in _HOP_BY_HOP | {"host"}}
                answer = proxy.intercept(self.command, self.path.removeprefix("/v1/"), body,
                                         lambda: proxy.forward(self.command, self.path, body, headers))
                self.send_response_only(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = _serve

            def log_message(self, *_):  # pylint: disable=arguments-differ
                """Says nothing."""

        return Handler

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
