# SPDX-License-Identifier: Apache-2.0
"""A SoftHSM token with a key, the certificate for it, and OpenBao's cert auth method that takes it."""

import datetime
import os
import pathlib
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .pki import write_private

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
CLIENT_AUTH = x509.ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = x509.ExtendedKeyUsageOID.SERVER_AUTH
PIN = "123456"
ROLE = "kms"


def new_key(kind):
    """"rsa:3072", "P-256", "P-384", "P-521"."""
    if kind.startswith("rsa:"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    return ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}[kind]())


class Issuer:
    """An authority of clients: a root, or one that another has certified. `pem` is its certificate."""

    def __init__(self, name, above=None, age=1.0):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.key = new_key("P-256")
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        above = above or self
        self.pem = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(above.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=age)).not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(above.key, hashes.SHA256())).public_bytes(serialization.Encoding.PEM)


def issue_client(authority, public_key, usage=CLIENT_AUTH, valid_from=-1.0, valid_to=10.0, algorithm=None):
    """The PEM of a client's certificate; the validity is in days from now."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node-1")]))
        .issuer_name(authority.name).public_key(public_key).serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=valid_from))
        .not_valid_after(now + datetime.timedelta(days=valid_to))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(authority.key, algorithm or hashes.SHA256()))
    return certificate.public_bytes(serialization.Encoding.PEM)


class Token:
    """A token of its own SoftHSM; `label` is the token's, each key has the label "key" and the id 01 by default."""

    def __init__(self, directory, label="node", pin=PIN):
        self.directory = pathlib.Path(directory)
        (self.directory / "tokens").mkdir(parents=True)
        self.label = label
        self.pin = pin
        self.config = self.directory / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {self.directory}/tokens\nobjectstore.backend = file\n"
                               "log.level = ERROR\nslots.removable = true\n")
        self.environment = {"SOFTHSM2_CONF": str(self.config)}
        self.pin_file = write_private(self.directory / "pin", pin + "\n")
        self.initialize()

    def initialize(self):
        """Makes the token, or another one of the same label."""
        self._run("softhsm2-util", "--init-token", "--free", "--label", self.label, "--pin", self.pin,
                  "--so-pin", "87654321")

    def _run(self, *command):
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={**os.environ, **self.environment})

    def add_key(self, key, label="key", identity="01"):
        path = write_private(self.directory / "import.pem", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self._run("softhsm2-util", "--import", path, "--token", self.label, "--label", label, "--id", identity,
                  "--pin", self.pin)
        path.unlink()

    def add_certificate(self, pem, label="key", identity="01"):
        path = self.directory / "import.der"
        path.write_bytes(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER))
        self._run("pkcs11-tool", "--module", SOFTHSM, "--token-label", self.label, "--login", "--pin", self.pin,
                  "--write-object", path, "--type", "cert", "--label", label, "--id", identity)

    def log_in(self):
        """With another tool, and the right PIN."""
        self._run("pkcs11-tool", "--module", SOFTHSM, "--token-label", self.label, "--login", "--pin", self.pin,
                  "--list-objects")

    def change_pin(self, new):
        self._run("pkcs11-tool", "--module", SOFTHSM, "--token-label", self.label, "--login", "--pin", self.pin,
                  "--change-pin", "--new-pin", new)

    def pull(self):
        os.rename(self.directory / "tokens", self.directory / "pulled")
        (self.directory / "tokens").mkdir()

    def put_back(self):
        os.rmdir(self.directory / "tokens")
        os.rename(self.directory / "pulled", self.directory / "tokens")


class Faults:
    """The stand-in module before SoftHSM: what it is told to do wrong, and what it was asked."""

    def __init__(self, directory):
        self.module = os.environ["OBK_PKCS11_STAND_IN"]
        self.control = pathlib.Path(directory) / "control"
        self.calls_path = pathlib.Path(directory) / "calls"
        self.calls_path.touch()
        self.tell()
        self.environment = {"OBK_PKCS11_MODULE": SOFTHSM, "OBK_PKCS11_CONTROL": str(self.control),
                            "OBK_PKCS11_CALLS": str(self.calls_path)}

    def tell(self, *words):
        write_private(self.control, " ".join(words))

    def count(self, function):
        return self.calls_path.read_text().split().count(function)


def enable_cert_auth(tenant, authority, mount="cert", **fields):
    """OpenBao's cert auth method with a role for certificates of that authority."""
    tenant.request("POST", f"sys/auth/{mount}", {"type": "cert"})
    tenant.request("POST", f"auth/{mount}/certs/{ROLE}", {
        "certificate": authority.file.read_text(), "allowed_common_names": ["node-1"],
        "token_policies": [tenant.policy_name], "token_ttl": tenant.token_ttl, "token_no_default_policy": True,
        **fields})


def cert_overrides(mount="cert", **pkcs11):
    """The configuration's difference from one that logs in with a JWT."""
    return {"auth.method": "cert", "auth.jwt": None, "auth.cert": {
        "mountPath": f"auth/{mount}", "name": ROLE, "minRemainingTtl": "1h", "source": "pkcs11",
        "pkcs11": {"maxSessions": 2, **{name: str(value) for name, value in pkcs11.items()}}}}


def by_labels(token, certificate, module=SOFTHSM, **others):
    return {"modulePath": module, "tokenLabel": token.label, "keyLabel": "key", "pinFile": token.pin_file,
            "certificateFile": certificate, **others}
