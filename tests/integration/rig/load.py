# SPDX-License-Identifier: Apache-2.0
"""Callers that never stop, so that a test can say that no call failed."""

import threading

from .kms import KmsClient


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
