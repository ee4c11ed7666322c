#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TLS server that misbehaves on request: tls_server.py DIRECTORY.

Writes certificates to DIRECTORY, listens once for each way in which TLS itself can go wrong, prints one line of JSON
with the port of each, and serves until its standard input ends. On every port the request's path chooses how
the HTTP answer goes wrong; see Answers.
"""

import collections
import datetime
import ipaddress
import json
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

DAY = datetime.timedelta(days=1)
SERVER_AUTH = x509.ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = x509.ExtendedKeyUsageOID.CLIENT_AUTH
NAMES = ("localhost", "bao.test", "127.0.0.1", "::1")
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_WITH_SHA1 = bytes.fromhex("300906072a8648ce3d0401")


def der(tag, content):
    """None of ours is 128 to 255 bytes long."""
    size = len(content)
    return bytes([tag, size] if size < 128 else [tag, 0x82, *divmod(size, 256)]) + content


def general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """A certificate authority; below another one when there is an issuer."""

    def __init__(self, name, issuer=None, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = issuer or self
        now = datetime.datetime.now(datetime.timezone.utc)
        usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                               "key_agreement", "encipher_only", "decipher_only"), False)
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 9 * DAY).not_valid_after(now + 9 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .sign(issuer.key, hashes.SHA256()))

    def issue(self, names=NAMES, first_day=-1, last_day=1, usage=SERVER_AUTH, key=None, sha1=False):
        """Returns the certificate and its key; without names only the common name says whose it is."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]))
            .issuer_name(self.name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + first_day * DAY).not_valid_after(now + last_day * DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False))
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return self.sign_with_sha1(certificate) if sha1 else certificate, key

    def sign_with_sha1(self, certificate):
        """The same once more, put together by hand: Debian 13's cryptography makes no such certificates."""
        tbs = der(0x30, certificate.tbs_certificate_bytes[4:].replace(ECDSA_WITH_SHA256, ECDSA_WITH_SHA1, 1))
        signature = self.key.sign(tbs, ec.ECDSA(hashes.SHA1()))
        return x509.load_der_x509_certificate(der(0x30, tbs + ECDSA_WITH_SHA1 + der(0x03, b"\0" + signature)))


def self_signed():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)
            .add_extension(x509.SubjectAlternativeName([general_name(name) for name in NAMES]), critical=False)
            .sign(key, hashes.SHA256())), key


def pem(*certificates):
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Kinds:
    """The contexts to listen with: one for each TLS fault."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.contexts = {}
        root, other = Authority("root"), Authority("other")
        middle = Authority("middle", root)
        own, own_key = self_signed()
        self.write("ca.pem", pem(root.certificate))
        self.write("other-ca.pem", pem(other.certificate))
        self.write("both-ca.pem", b"# the old one\n" + pem(root.certificate) + b"\n# the new one\n"
                   + pem(other.certificate))
        self.write("middle-ca.pem", pem(middle.certificate))
        self.write("self-signed.pem", pem(own))
        self.write("cut-ca.pem", pem(root.certificate)[:-30])
        self.write("empty-ca.pem", b"nothing here\n")
        self.write("broken-ca.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

        strong_key, weak_key = (rsa.generate_private_key(65537, bits) for bits in (2048, 1024))
        self.write_clients(root, middle, other, strong_key, weak_key)
        good = root.issue()
        self.add("good", good)
        self.add("tls1.2", good, maximum=ssl.TLSVersion.TLSv1_2)
        self.add("tls1.1", good, maximum=ssl.TLSVersion.TLSv1_1)
        self.add("client-certificate", good).verify_mode = ssl.CERT_REQUIRED
        self.contexts["client-certificate"].load_verify_locations(self.directory / "ca.pem")
        self.add("client-certificate-1.2", good, maximum=ssl.TLSVersion.TLSv1_2).verify_mode = ssl.CERT_REQUIRED
        self.contexts["client-certificate-1.2"].load_verify_locations(self.directory / "ca.pem")
        self.add("intermediate", middle.issue(), middle.certificate)
        self.add("without-intermediate", middle.issue())
        self.add("self-signed", (own, own_key))
        self.add("unknown-issuer", other.issue())
        self.add("wrong-name", root.issue(names=["elsewhere.test", "127.0.0.2"]))
        self.add("common-name-only", root.issue(names=[]))
        self.add("wildcard", root.issue(names=["*.bao.test"]))
        self.add("expired", root.issue(first_day=-5, last_day=-1))
        self.add("not-yet-valid", root.issue(first_day=0.01, last_day=5))
        self.add("client-usage", root.issue(usage=CLIENT_AUTH))
        self.add("issued-by-server", self.issued_by_server(root))
        self.add("sha1", root.issue(sha1=True))
        self.add("rsa", root.issue(key=strong_key))
        self.add("chacha20", good, maximum=ssl.TLSVersion.TLSv1_2).set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        self.add("weak-key", root.issue(key=weak_key))

    def write_clients(self, root, middle, other, strong_key, weak_key):
        """Certificates of ours, for openbao/client-chain: good ones, and one for each fault."""
        def client(**fields):
            return root.issue(**{"usage": CLIENT_AUTH, **fields})[0]

        own = client()
        for name, certificates in {
                "good": [own],
                "issuers": [middle.issue(usage=CLIENT_AUTH)[0], middle.certificate, root.certificate],
                "p384": [client(key=ec.generate_private_key(ec.SECP384R1()))],
                "any-usage": [client(usage=x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)],
                "rsa": [client(key=strong_key)],
                "p521": [client(key=ec.generate_private_key(ec.SECP521R1()))],
                "weak-rsa": [client(key=weak_key)],
                "expired": [client(first_day=-5, last_day=-1)],
                "older": [client(first_day=-5, last_day=5)],
                "early": [client(first_day=0.1, last_day=5)],
                "sha1": [client(sha1=True)],
                "server-usage": [client(usage=SERVER_AUTH)],
                "authority-first": [middle.certificate, root.certificate],
                "no-chain": [own, other.certificate],
                "namesake": [own, Authority("other").certificate],
                "namesake-rsa": [own, Authority("other", key=strong_key).certificate]}.items():
            self.write(f"client-{name}.pem", pem(*certificates)).chmod(0o600)

    def write(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        path.chmod(0o644)
        return path

    def add(self, kind, certificate_and_key, *chain, maximum=None):
        certificate, key = certificate_and_key
        path = self.write(f"{kind}-server.pem", private_pem(key) + pem(certificate, *chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that OpenSSL serves what the client must refuse
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            if maximum is not None:
                context.maximum_version = maximum
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(path)
        self.contexts[kind] = context
        return context

    @staticmethod
    def issued_by_server(root):
        """A server's certificate is no authority's."""
        pretender = Authority("pretender")
        pretender.certificate, pretender.key = root.issue()
        pretender.name = pretender.certificate.subject
        return pretender.issue()


class Closed(Exception):
    """The connection is to be closed now."""


class Connection:
    """One accepted connection, spoken to in HTTP/1.1."""

    def __init__(self, stream):
        self.stream = stream
        self.unread = b""
        self.requests = 0

    def read_until(self, mark):
        while mark not in self.unread:
            data = self.stream.recv(65536)
            if not data:
                raise Closed
            self.unread += data
        head, self.unread = self.unread.split(mark, 1)
        return head

    def read_body(self, length):
        while len(self.unread) < length:
            data = self.stream.recv(65536)
            if not data:
                raise Closed
            self.unread += data
        body, self.unread = self.unread[:length], self.unread[length:]
        return body

    def read_head(self):
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        self.requests += 1
        return method, path, [tuple(line.split(": ", 1)) for line in lines[1:]]

    def send(self, data):
        self.stream.sendall(data)

    def answer(self, body=b"{}", status="200 OK", *headers, length=None):
        lines = [f"HTTP/1.1 {status}", "Date: Tue, 04 Mar 2025 05:06:07 GMT", "Content-Type: application/json",
                 *headers, f"Content-Length: {len(body) if length is None else length}"]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def reset(self):
        """Closes so that the client gets a TCP reset."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Closed


class Answers:
    """One method a fault; "/slow/20" calls slow (connection, request, 20)."""

    def __init__(self):
        self.connections = collections.Counter()
        self.requests = collections.Counter()
        self.kept = None

    def echo(self, connection, request, *rest):
        """The request as it came."""
        method, path, headers, body = request
        connection.answer(json.dumps({"method": method, "path": path, "headers": headers, "body_length": len(body),
                                      "body": body[:200].decode(), "nth": connection.requests}).encode())

    def stats(self, connection, request):
        connection.answer(json.dumps({"connections": self.connections, "requests": self.requests}).encode())

    def status(self, connection, request, code):
        connection.answer(b'{"errors":[]}', f"{code} Status")

    def say(self, connection, request, code, *texts):
        """A refusal as OpenBao words it: "/say/400/too%20new"."""
        errors = [urllib.parse.unquote(text) for text in texts]
        connection.answer(json.dumps({"errors": errors}).encode(), f"{code} Status")

    def say_until(self, connection, request, count, *refusal):
        """The first few times a refusal, then a good answer."""
        if self.requests[f"{connection.kind} {request[1]}"] <= int(count):
            self.say(connection, request, *refusal)
        else:
            connection.answer()

    def json(self, connection, request, text, *rest):
        """Whatever follows, percent-encoded, and keeps the request."""
        self.kept = request
        connection.answer(urllib.parse.unquote(text).encode())

    def keep(self, connection, request, code, text, *rest):
        """The same with a status of its own."""
        connection.answer(urllib.parse.unquote(text).encode(), f"{code} Status")

    def large_token(self, connection, request, length):
        """What a token endpoint grants, with an access token that long."""
        connection.answer(json.dumps({"access_token": "t" * int(length), "token_type": "Bearer"}).encode())

    def last_kept(self, connection, request):
        method, path, _, body = self.kept
        connection.answer(json.dumps({"method": method, "path": path, "body": body.decode()}).encode())

    def token(self, connection, request, good):
        """Knows one token, and does for it what echo does."""
        if ("X-Vault-Token", good) in request[2]:
            self.echo(connection, request)
        else:
            self.say(connection, request, 403, "permission denied")

    def versions(self, connection, request, count, *rest):
        """A key that was rotated often."""
        count = int(count)
        key = {"type": "aes256-gcm96", "latest_version": count, "keys": {str(n): 1700000000 + n for n in
                                                                        range(1, count + 1)}}
        flags = ("derived", "exportable", "allow_plaintext_backup", "deletion_allowed", "supports_encryption",
                 "supports_decryption")
        connection.answer(json.dumps({"data": {**key, **dict.fromkeys(flags, False)}}, separators=(",", ":")).encode())

    def no_content(self, connection, request, *rest):
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    def redirect(self, connection, request):
        connection.answer(b"", "307 Temporary Redirect", "Location: /echo")

    def interim(self, connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT"
                        b"\r\nLink: </>\r\n\r\n")
        connection.answer(b'{"interim":true}')

    def size(self, connection, request, length):
        connection.answer(b"x" * int(length))

    def chunked(self, connection, request, length):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(int(length) // 1000):
            connection.send(b"3e8\r\n" + b"y" * 1000 + b"\r\n")
        connection.send(b"0\r\n\r\n")

    def headers(self, connection, request, length):
        connection.answer(b"{}", "200 OK", *(f"X-Filler-{i}: {'z' * 983}" for i in range(int(length) // 1000)))

    def slow(self, connection, request, milliseconds):
        body = b'{"slow":true}'
        for byte in (f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body):
            connection.send(bytes([byte]))
            time.sleep(int(milliseconds) / 1000)

    def delay(self, connection, request, milliseconds, *rest):
        time.sleep(int(milliseconds) / 1000)
        connection.answer()

    def hang(self, connection, request, *rest):
        while connection.stream.recv(4096):
            pass
        raise Closed

    def hang_until(self, connection, request, count, *rest):
        """The first few times silence, then a good answer."""
        if self.requests[f"{connection.kind} {request[1]}"] <= int(count):
            self.hang(connection, request)
        connection.answer()

    def hang_inside(self, connection, request):
        connection.answer(b"{", length=100)
        self.hang(connection, request)

    def close(self, connection, request):
        raise Closed

    def reset(self, connection, request):
        connection.reset()

    def truncated(self, connection, request):
        connection.answer(b"{" + b"x" * 49, length=100)
        raise Closed

    def reset_inside(self, connection, request):
        connection.answer(b"{" + b"x" * 49, length=100)
        time.sleep(0.05)
        connection.reset()

    def truncated_chunk(self, connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"y" * 500)
        raise Closed

    def truncated_headers(self, connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
        raise Closed

    def unframed(self, connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}")
        raise Closed

    def garbage(self, connection, request):
        connection.send(b"SSH-2.0-nothing of HTTP\r\n" * 10)
        raise Closed

    def last(self, connection, request):
        """Says that it closes, and does."""
        connection.answer(b"{}", "200 OK", "Connection: close")
        raise Closed

    def then_close(self, connection, request):
        """Closes after a good answer without having said so."""
        connection.answer()
        raise Closed

    def first_only(self, connection, request):
        """Each connection answers once; a second request makes it close."""
        if connection.requests > 1:
            raise Closed
        connection.answer()

    def first_only_reset(self, connection, request):
        if connection.requests > 1:
            connection.reset()
        connection.answer()

    def first_only_partly(self, connection, request):
        """The second answer begins before the connection is closed."""
        if connection.requests > 1:
            connection.send(b"HTTP/1.1 200 OK\r\n")
            raise Closed
        connection.answer()

    def excess(self, connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
                        b'{"bad":1}')

    def unasked(self, connection, request):
        """A good answer, and a moment later one that nobody has asked for."""
        connection.answer()
        time.sleep(0.1)
        connection.answer(b'{"bad":1}')

    def early(self, connection, request):
        """Answers before it has read the body, and then closes in good order."""
        connection.answer(b'{"errors":["too large"]}', "413 Payload Too Large", "Connection: close")
        try:
            connection.stream.unwrap()
        except OSError:  # it has said that it closes; what still comes is not what it expects
            pass
        raw = socket.socket(fileno=connection.stream.detach())
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(65536):
            pass
        raise Closed


class Server:
    """Listens on one port for each kind."""

    def __init__(self, directory):
        self.answers = Answers()
        self.kinds = Kinds(directory)
        self.ports = {}
        for kind, context in self.kinds.contexts.items():
            self.listen(kind, lambda stream, context=context: context.wrap_socket(stream, server_side=True))
        for kind in ("hang-handshake", "close-handshake", "reset-handshake", "garbage-handshake", "endless-handshake"):
            self.listen(kind, getattr(self, kind.replace("-", "_")))
        self.ports["refused"] = self.free_port()

    @staticmethod
    def free_port():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]

    @staticmethod
    def hang_handshake(stream):
        while stream.recv(4096):
            pass
        raise Closed

    @staticmethod
    def close_handshake(stream):
        stream.recv(4096)
        raise Closed

    @staticmethod
    def reset_handshake(stream):
        stream.recv(1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Closed

    @staticmethod
    def garbage_handshake(stream):
        stream.sendall(b"SSH-2.0-nothing of TLS\r\n")
        time.sleep(0.2)
        raise Closed

    @staticmethod
    def endless_handshake(stream):
        """HelloRequests, which a client ignores while it shakes hands."""
        while True:
            stream.sendall(b"\x16\x03\x03\x40\x00" + bytes(0x4000))

    def listen(self, kind, wrap):
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.ports[kind] = listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(kind, listener, wrap), daemon=True).start()

    def accept(self, kind, listener, wrap):
        while True:
            stream, _ = listener.accept()
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.answers.connections[kind] += 1
            threading.Thread(target=self.serve, args=(kind, stream, wrap), daemon=True).start()

    def serve(self, kind, stream, wrap):
        try:
            stream = wrap(stream)
            self.speak(kind, Connection(stream))
        except (Closed, OSError):
            pass
        finally:
            stream.close()

    @staticmethod
    def choice_of(path):
        """What the path chooses: what follows /v1/ or, where an address has a prefix, that; echo, when it is none."""
        if path.split("?")[0] == "/":
            return ["echo"]
        segments = path.lstrip("/").split("/")
        if segments[0] == "v1":
            return segments[1:]
        return segments[:segments.index("v1")] if "v1" in segments else segments

    def speak(self, kind, connection):
        connection.kind = kind
        while True:
            method, path, headers = connection.read_head()
            name, *arguments = self.choice_of(path)
            length = int(dict((key.lower(), value) for key, value in headers).get("content-length", 0))
            body = b"" if name == "early" else connection.read_body(length)
            self.answers.requests[f"{kind} {path}"] += 1
            getattr(self.answers, name.replace("-", "_"))(connection, (method, path, headers, body), *arguments)


def main():
    server = Server(sys.argv[1])
    print(json.dumps(server.ports), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
