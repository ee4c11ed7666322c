# SPDX-License-Identifier: Apache-2.0
"""Threads that look at one thing all the time, so that a test can say what never happened."""

import threading
import time

import grpc

from .kms import KmsClient


class Watch:
    """Calls look() again and again; `with` it. An exception of look() is raised when it is left."""

    pause = 0.002

    def __init__(self):
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure = None

    def look(self):
        raise NotImplementedError

    def _run(self):
        try:
            while not self._ended.is_set():
                self.look()
                time.sleep(self.pause)
            self.look()
        except Exception as failure:  # pylint: disable=broad-except
            self._failure = failure

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self._failure:
            raise self._failure


class StatusWatch(Watch):
    """What Status answered, one entry for each change: (healthz, key_id). No answer is no entry."""

    def __init__(self, socket):
        super().__init__()
        self._socket = socket
        self._client = None
        self.answers = []
        self.calls = 0

    def look(self):
        try:
            self._client = self._client or KmsClient(self._socket, timeout=2)
            status = self._client.status()
        except grpc.RpcError:  # it is not there yet, or no more: the next call needs a connection of its own
            self._client.close()
            self._client = None
            return
        self.calls += 1
        answer = (status.healthz, status.key_id)
        if not self.answers or self.answers[-1] != answer:
            self.answers.append(answer)

    def __exit__(self, *arguments):
        try:
            super().__exit__(*arguments)
        finally:
            if self._client:
                self._client.close()

    @property
    def key_ids(self):
        """Those that a healthy Status named, in their order; unhealthy ones in between are left out."""
        found = []
        for healthz, key_id in self.answers:
            if healthz == "ok" and key_id not in found[-1:]:
                found.append(key_id)
        return found


class StateWatch(Watch):
    """Every content that the state file had, in its order, and when it was first seen on the monotonic clock."""

    def __init__(self, path):
        super().__init__()
        self._path = path
        self.documents = []
        self.seen_at = []

    def look(self):
        try:
            with open(self._path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return
        if not self.documents or self.documents[-1] != content:
            self.documents.append(content)
            self.seen_at.append(time.monotonic())
