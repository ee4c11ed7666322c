# SPDX-License-Identifier: Apache-2.0
"""An OAuth 2.0 token endpoint with the client credentials grant, which gives out JWTs of a signer, or what a test wants."""

import base64
import json
import urllib.parse

from .tls_server import TlsServer


class TokenEndpoint(TlsServer):
    """`with` it."""

    methods = ("POST",)
    client_id = "node 1: kms"
    client_secret = "s3cret:&%+ä"

    def __init__(self, authority, signer, stem="token-endpoint", names=("localhost", "127.0.0.1"), port=None):
        super().__init__(authority, stem, names, port)
        self.signer = signer
        self.path = "/realms/test/token?tenant=a%20b"
        self.url = f"https://127.0.0.1:{self.port}{self.path}"
        self.lifetime = 3600
        self.claims = {}
        self.requests = []  # the forms that came, with how the client named itself
        self.granted = []  # JWTs
        self.answer = None  # in place of the grant: status, body, further headers; or a function of the handler

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

    def serve(self, handler, body):
        granted = self.grant(handler.headers, urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True))
        if handler.path != self.path or handler.headers["Content-Type"] != "application/x-www-form-urlencoded":
            granted = 404, {}
        if callable(self.answer):
            self.answer(handler)
            handler.close_connection = True
            return
        status, content, *headers = self.answer or granted
        handler.send(status, headers, content if isinstance(content, bytes) else json.dumps(content).encode())
