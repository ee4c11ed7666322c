# SPDX-License-Identifier: Apache-2.0
"""Callers that never stop, so that a test can say that no call failed, or which ones did."""

import functools
import itertools
import os
import threading
import time

import grpc

from .kms import KmsClient, messages
from .process import wait_until


class Load:
    """Threads that encrypt and decrypt; `with` it. Each has a connection of its own and keeps it."""

    def __init__(self, socket, callers=4, timeout=10):
        self.calls = 0
        self.failures = []
        self._ended = threading.Event()
        self._resumed = threading.Event()
        self._resumed.set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(socket, number, timeout))
                         for number in range(callers)]

    def _run(self, socket, number, timeout):
        with KmsClient(socket, timeout=timeout) as client:
            first = None
            count = 0
            while not self._ended.is_set():
                self._resumed.wait()
                text = f"{number}-{count}".encode()
                try:
                    encrypted = client.encrypt(text)
                    first = first or (text, encrypted)
                    assert client.decrypt(encrypted) == text
                    assert client.decrypt(first[1]) == first[0]
                    assert client.status().healthz == "ok"
                except Exception as failure:  # pylint: disable=broad-except
                    with self._lock:
                        self.failures.append(failure)
                with self._lock:
                    self.calls += 4
                count += 1

    def pause(self, wanted):
        """Nobody calls while it is paused; connections stay."""
        if wanted:
            self._resumed.clear()
        else:
            self._resumed.set()

    def wait_calls(self, more):
        """Returns when so many more calls have been made."""
        wanted = self.calls + more
        while self.calls < wanted and not self._ended.wait(0.002):
            pass

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._resumed.set()
        for thread in self._threads:
            thread.join()


class Stream:
    """So many calls a second, whatever becomes of the ones before: Encrypts and Decrypts by turns on four connections, each
    with a deadline; `with` it."""

    def __init__(self, provider, rate, deadline):
        self.rate, self.deadline = rate, deadline
        self.outcomes = []  # when a call was made, how long it took, None or its code and message
        self.lateness = 0  # of the call that this machine has held up most
        self.written = []
        self._clients = [provider.client() for _ in range(4)]
        self._known = os.urandom(32)
        self._encrypted = self._clients[0].encrypt(self._known)
        self._made = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        started = time.monotonic()
        for number in itertools.count():
            early = started + number / self.rate - time.monotonic()
            self.lateness = max(self.lateness, -early)
            if self._ended.wait(max(early, 0)):
                return
            client = self._clients[number % 4]
            if number // 4 % 2:
                method, request = client.stub.Decrypt, client.decrypt_request(self._encrypted)
            else:
                method, request = client.stub.Encrypt, messages.EncryptRequest(plaintext=self._known, uid="uid")
            self._made += 1
            call = method.future(request, timeout=self.deadline)
            call.add_done_callback(functools.partial(self._ended_call, time.monotonic()))

    def _ended_call(self, began, call):
        took, failure, outcome = time.monotonic() - began, call.exception(), None
        if failure is not None:
            outcome = failure.code(), failure.details()
        elif isinstance(call.result(), messages.EncryptResponse):
            self.written.append(call.result())
        elif call.result().plaintext != self._known:
            outcome = grpc.StatusCode.DATA_LOSS, "another plaintext"
        self.outcomes.append((began, took, outcome))

    def failures(self):
        return [(began, outcome) for began, _, outcome in self.outcomes if outcome]

    def assert_all_decrypt(self):
        for encrypted in self.written:
            assert self._clients[0].decrypt(encrypted) == self._known

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        wait_until(lambda: len(self.outcomes) == self._made, self.deadline + 10, "all calls have ended")
