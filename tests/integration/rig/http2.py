# SPDX-License-Identifier: Apache-2.0
"""A gRPC client by hand: it opens calls and takes their answers late or not at all. RFC 9113 and RFC 7541."""

import socket
import struct

_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_INITIAL_WINDOW_SIZE = 4


def _text(value):
    assert len(value) < 127
    return bytes([len(value)]) + value.encode("ascii")


def _frame(kind, flags, stream, content=b""):
    return struct.pack("!I", len(content))[1:] + struct.pack("!BBI", kind, flags, stream) + content


class Http2:
    """One connection, whose streams have a window of nothing, or of that many bytes; `with` it."""

    def __init__(self, path, window=0):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rb")
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(
            _SETTINGS, 0, 0, struct.pack("!HI", _INITIAL_WINDOW_SIZE, window)))
        if window:
            self._socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, struct.pack("!I", window)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._socket.close()

    def call(self, path, streams):
        """Makes a call with an empty message on each of the streams, which are odd numbers."""
        # :method POST and :scheme http by their numbers; :path, :authority, content-type and te as literals
        headers = (b"\x83\x86\x04" + _text(path) + b"\x01" + _text("localhost") + b"\x0f\x10" + _text("application/grpc")
                   + b"\x00" + _text("te") + _text("trailers"))
        self._socket.sendall(b"".join(
            _frame(_HEADERS, _END_HEADERS, stream, headers) + _frame(_DATA, _END_STREAM, stream, bytes(5))
            for stream in streams))

    def _frames(self):
        """What comes, by its kind, flags, and stream; what wants to be acknowledged is."""
        while True:
            head = self._stream.read(9)
            kind, flags, stream = struct.unpack("!BBI", head[3:])
            content = self._stream.read(int.from_bytes(head[:3], "big"))
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._socket.sendall(_frame(kind, _ACK, 0, content if kind == _PING else b""))
            yield kind, flags, stream

    def greet(self):
        """Reads until both sides have said and acknowledged their settings: nothing is left to be sent but calls."""
        seen = set()
        frames = self._frames()
        while seen != {0, _ACK}:
            kind, flags, _ = next(frames)
            if kind == _SETTINGS:
                seen.add(flags & _ACK)

    def refused(self, path, n):
        """Makes n calls at once. Returns how many got a status in the place of an answer."""
        self.call(path, range(1, 2 * n, 2))
        answered = {}  # stream: whether that was all
        for kind, flags, stream in self._frames():
            if kind == _HEADERS:
                answered[stream] = bool(flags & _END_STREAM)
            if len(answered) == n:
                return sum(answered.values())

    def read_ends(self, n):
        """Reads until n streams have ended."""
        ended = (stream for kind, flags, stream in self._frames() if kind == _HEADERS and flags & _END_STREAM)
        for _ in range(n):
            next(ended)
