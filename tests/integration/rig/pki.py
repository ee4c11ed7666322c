# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for TLS, and a signer of identity tokens."""

import datetime
import ipaddress
import os
import pathlib
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_private(path, content):
    """Replaces a file as an agent would: never half-written, never with a wider mode than 0600."""
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".new")
    data = content if isinstance(content, bytes) else content.encode()
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    os.rename(temporary, path)
    return path


def _now():
    """UTC without a zone, which old and new releases of cryptography take alike."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def service_account_key(path):
    """A new key in the only PEM form that kube-apiserver reads both halves from."""
    key = ec.generate_private_key(ec.SECP256R1())
    return write_private(path, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))


def _general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """Issues server certificates; its own is what `openbao.caCertFile` names."""

    def __init__(self, directory, name="test authority"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = self.directory / "ca.crt"
        self.file.write_bytes(self.until(days=30))
        self.file.chmod(0o644)

    def until(self, days):
        """Its certificate, in PEM, as it is with another end. The last one made is `certificate`."""
        now = _now()
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False,
                                         data_encipherment=False, key_agreement=False, key_cert_sign=True,
                                         crl_sign=True, encipher_only=False, decipher_only=False), critical=True)
            .sign(self.key, hashes.SHA256()))
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, stem, names=("localhost", "127.0.0.1"), valid_from=-1.0, valid_to=10.0,
              usage=x509.ExtendedKeyUsageOID.SERVER_AUTH, alternative=True):
        """Writes STEM.crt and STEM.key for a server; the validity is in days from now. Returns both paths. Without
        `alternative` the first name is in the subject alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self.name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=valid_from))
            .not_valid_after(now + datetime.timedelta(days=valid_to))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False))
        if alternative:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        certificate_file, key_file = self.directory / f"{stem}.crt", self.directory / f"{stem}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(key_file, _pem_key(key))
        return certificate_file, key_file


class JwtSigner:
    """Signs the identity tokens that a JWT role of OpenBao accepts."""

    issuer = "https://issuer.test"
    audience = "openbao-kms"
    subject = "node-1"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def public_pem(self):
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, lifetime=3600, **claims):
        """A JWT that is valid from now for lifetime seconds; claims replace or add, None takes one out."""
        now = int(time.time())
        payload = {"iss": self.issuer, "aud": self.audience, "sub": self.subject,
                   "iat": now, "nbf": now, "exp": now + lifetime, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, _pem_key(self.key), algorithm="ES256")

    def write(self, path, lifetime=3600, **claims):
        """Puts a fresh JWT where the provider reads it. Returns the JWT."""
        text = self.sign(lifetime, **claims)
        write_private(path, text + "\n")
        return text
