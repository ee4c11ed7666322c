# SPDX-License-Identifier: Apache-2.0
"""A gRPC client by hand: it opens calls and leaves no room for their answers. RFC 9113 and RFC 7541."""

import socket
import struct

_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_INITIAL_WINDOW_SIZE = 4


def _text(value):
    assert len(value) < 127
    return bytes([len(value)]) + value.encode("ascii")


def _frame(kind, flags, stream, content=b""):
    return struct.pack("!I", len(content))[1:] + struct.pack("!BBI", kind, flags, stream) + content


class Http2:
    """One connection, whose streams have a window of nothing; `with` it."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rb")
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(
            _SETTINGS, 0, 0, struct.pack("!HI", _INITIAL_WINDOW_SIZE, 0)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._socket.close()

    def refused(self, path, n):
        """Makes n calls with an empty message at once. Returns how many got a status in the place of an answer."""
        # :method POST and :scheme http by their numbers; :path, :authority, content-type and te as literals
        headers = (b"\x83\x86\x04" + _text(path) + b"\x01" + _text("localhost") + b"\x0f\x10" + _text("application/grpc")
                   + b"\x00" + _text("te") + _text("trailers"))
        streams = range(1, 2 * n, 2)
        self._socket.sendall(b"".join(
            _frame(_HEADERS, _END_HEADERS, stream, headers) + _frame(_DATA, _END_STREAM, stream, bytes(5))
            for stream in streams))
        answered = {}  # stream: whether that was all
        while len(answered) < n:
            head = self._stream.read(9)
            kind, flags, stream = struct.unpack("!BBI", head[3:])
            content = self._stream.read(int.from_bytes(head[:3], "big"))
            if kind == _HEADERS:
                answered[stream] = bool(flags & _END_STREAM)
            elif kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._socket.sendall(_frame(kind, _ACK, 0, content if kind == _PING else b""))
        return sum(answered.values())
