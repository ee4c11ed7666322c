# SPDX-License-Identifier: Apache-2.0
"""A KMS v2 client, from our .proto by protoc and grpcio: an independent judge of what goes over the wire."""

import atexit
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
import grpc  # noqa: E402  (reads the variable above when it is loaded)

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto" / "kms.proto"


def _generate():
    directory = tempfile.mkdtemp(prefix="obk-proto-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(["protoc", f"--proto_path={PROTO.parent}", f"--plugin=protoc-gen-grpc_python={plugin}",
                    f"--python_out={directory}", f"--grpc_python_out={directory}", PROTO.name], check=True)
    sys.path.insert(0, directory)
    return importlib.import_module("kms_pb2"), importlib.import_module("kms_pb2_grpc")


messages, services = _generate()


class KmsClient:
    """One connection to a KMS v2 socket. Calls raise grpc.RpcError."""

    messages = messages

    def __init__(self, socket, authority=None, timeout=10, options=()):
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        if authority is not None:
            options.append(("grpc.default_authority", authority))
        self.channel = grpc.insecure_channel(f"unix:{socket}", options)
        self.stub = services.KeyManagementServiceStub(self.channel)
        self.timeout = timeout

    def status(self, timeout=None):
        return self.stub.Status(messages.StatusRequest(), timeout=timeout or self.timeout)

    def encrypt(self, plaintext, uid="uid", timeout=None):
        return self.stub.Encrypt(messages.EncryptRequest(plaintext=plaintext, uid=uid),
                                 timeout=timeout or self.timeout)

    def decrypt(self, encrypted, timeout=None, **changes):
        """Decrypts what encrypt() gave; changes replace ciphertext, key_id, annotations or uid."""
        return self.stub.Decrypt(self.decrypt_request(encrypted, **changes),
                                 timeout=timeout or self.timeout).plaintext

    @staticmethod
    def decrypt_request(encrypted, **changes):
        fields = {"ciphertext": encrypted.ciphertext, "key_id": encrypted.key_id, "uid": "uid",
                  "annotations": dict(encrypted.annotations), **changes}
        return messages.DecryptRequest(**fields)

    def raw(self, method, data, timeout=None):
        """Any bytes as a request of any method; returns the answer's bytes."""
        call = self.channel.unary_unary(f"/v2.KeyManagementService/{method}")
        return call(data, timeout=timeout or self.timeout)

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def refusal(call, *arguments, **options):
    """Makes a call that must be refused. Returns its gRPC code and message."""
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call was not refused")
