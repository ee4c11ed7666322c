# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server on loopback, in the test's own process."""

import http.server
import ssl
import threading

from .process import free_port


class TlsServer:
    """Listens with a certificate of the authority; `with` it. A subclass has serve(handler, body) for all requests.
    `tune` is called with the TLS context; further fields are the certificate's (Authority.issue)."""

    methods = ("GET", "POST", "PUT")

    def __init__(self, authority, stem, names=("localhost", "127.0.0.1"), port=None, tune=None, **certificate):
        self.authority = authority
        self.port = port or free_port()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(stem, names=names, **certificate))
        if tune:
            tune(context)
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

    def serve(self, handler, body):
        """Answers a request by send(), or with what it likes."""
        raise NotImplementedError

    def _handler(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                server.serve(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def send(self, status, headers, body):
                """A whole answer."""
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                """Says nothing."""

        for method in self.methods:
            setattr(Handler, f"do_{method}", Handler._serve)
        return Handler
