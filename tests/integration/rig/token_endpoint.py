# SPDX-License-Identifier: Apache-2.0
"""An OAuth 2.0 token endpoint with the client credentials grant, which gives out JWTs of a signer, or what a test wants."""

import base64
import http.server
import json
import ssl
import threading
import urllib.parse

from .process import free_port


class TokenEndpoint:
    """Listens on loopback with a certificate of the authority; `with` it."""

    client_id = "node 1: kms"
    client_secret = "s3cret:&%+ä"

    def __init__(self, authority, signer, stem="token-endpoint", names=("localhost", "127.0.0.1"), port=None):
        self.authority = authority
        self.signer = signer
        self.port = port or free_port()
        self.path = "/realms/test/token?tenant=a%20b"
        self.url = f"https://127.0.0.1:{self.port}{self.path}"
        self.lifetime = 3600
        self.claims = {}
        self.requests = []  # the forms that came, with how the client named itself
        self.granted = []  # JWTs
        self.answer = None  # in place of the grant: status, body, further headers; or a function of the handler
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(stem, names=names))
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

    def settings(self, secret_file, method="client_secret_basic", **more):
        """What the provider's configuration needs for it."""
        fields = {"tokenUrl": self.url, "clientId": self.client_id, "authMethod": method,
                  "clientSecretFile": str(secret_file), "caCertFile": str(self.authority.file), **more}
        return {"auth.jwt.source": "oauth2", "auth.jwt.expectedIssuer": self.signer.issuer,
                "auth.jwt.expectedAudience": [self.signer.audience],
                **{f"auth.jwt.oauth2.{name}": value for name, value in fields.items()}}

    def grant(self, headers, form):
        """Status and content of the answer to a form; RFC 6749, sections 2.3.1, 4.4 and 5."""
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            pair = base64.b64decode(credentials, validate=True).decode("ascii").split(":")
            client = tuple(urllib.parse.unquote_plus(half) for half in pair)
            method = "client_secret_basic"
        else:
            client = (form.get("client_id", [""])[0], form.get("client_secret", [""])[0])
            method = "client_secret_post"
        self.requests.append({"method": method, "host": headers["Host"], **{
            name: values for name, values in form.items() if name not in ("client_id", "client_secret")}})
        if client != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        self.granted.append(self.signer.sign(self.lifetime, **self.claims))
        return 200, {"access_token": self.granted[-1], "token_type": "bearer", "expires_in": max(self.lifetime, 0)}

    def _handler(self):
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
                granted = endpoint.grant(self.headers, urllib.parse.parse_qs(form, strict_parsing=True))
                if self.path != endpoint.path or self.headers["Content-Type"] != "application/x-www-form-urlencoded":
                    granted = 404, {}
                if callable(endpoint.answer):
                    endpoint.answer(self)
                    self.close_connection = True
                    return
                status, content, *headers = endpoint.answer or granted
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
