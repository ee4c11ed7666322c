#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sees check-packaging refuse what does not fit, and take what a rebuild of the package changes."""

import pathlib
import subprocess
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parent / "check-packaging"


def check(changelog="0.2.0", spec="0.2.0", required="zlib", version="0.2.0"):
    """Exit code for a tree whose files say that."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {
                "debian/changelog": f"bao-kms-provider ({changelog}) unstable; urgency=medium\n",
                "rpm/bao-kms-provider.spec": f"Version:        {spec}\nBuildRequires:  pkgconfig({required}) >= 1\n",
                "meson.build": "  dependency('zlib', version: '>= 1'),\n"}.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run([CHECK, version, root], capture_output=True, check=False).returncode


class CheckPackaging(unittest.TestCase):
    def test_takes_the_same_release(self):
        self.assertEqual(check(), 0)

    def test_takes_a_rebuild_with_an_entry_of_its_own(self):
        for changelog in ("0.2.0+b1", "0.2.0-1", "0.2.1", "0.10.0"):
            self.assertEqual(check(changelog=changelog), 0, changelog)

    def test_refuses_another_release(self):
        for changelog in ("0.1.9", "0.2.0~rc1"):
            self.assertEqual(check(changelog=changelog), 1, changelog)
        for spec in ("0.1.9", "0.2.1"):
            self.assertEqual(check(spec=spec), 1, spec)

    def test_refuses_a_spec_without_a_library(self):
        self.assertEqual(check(required="zstd"), 1)


if __name__ == "__main__":
    unittest.main()
