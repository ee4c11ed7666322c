# SPDX-License-Identifier: Apache-2.0
"""A system clock that a test can set for one process, while its other clocks go on."""

import mmap
import os
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("clock-shim.c")


class ShiftedClock:
    """`environment` makes a process see it; shift() sets by how many seconds it is off, at once."""

    def __init__(self, directory):
        library, shared = pathlib.Path(directory) / "clock-shim.so", pathlib.Path(directory) / "clock-shift"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library,
                        SOURCE], check=True)
        shared.write_bytes(struct.pack("=q", 0))
        with open(shared, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8)
        options = os.environ.get("ASAN_OPTIONS", "")
        self.environment = {"LD_PRELOAD": str(library), "OBK_CLOCK_FILE": str(shared),
                            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":")}

    def shift(self, seconds):
        self._page[:8] = struct.pack("=q", seconds)
