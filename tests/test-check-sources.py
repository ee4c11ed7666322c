#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sees check-sources.py refuse each thing that it should, and pass what it should not refuse."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("check-sources.py").resolve()
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def check(name, text, *also, **others):
    """The exit code for one file and those named also, in a tree where the others are, and what was printed."""
    with tempfile.TemporaryDirectory() as root:
        for each, content in {name: text, **others}.items():
            path = pathlib.Path(root, each)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPT, *also, name], cwd=root, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class CheckSources(unittest.TestCase):
    def assert_refused(self, name, text, words, *also, **others):
        code, out = check(name, text, *also, **others)
        self.assertEqual(code, 1)
        self.assertIn(words, out)
        self.assertEqual(out.count("\n"), 1, out)

    def test_good(self):
        text = (SPDX + '#include "a/b.h"\n\n#include "base/log.h"\n\n#include <glib.h>\n#include <string.h>\n'
                '/* abort () is not for us */\nconst char *text = "exit (1)";\n')
        self.assertEqual(check("src/a/b.c", text, **{"src/a/b.h": SPDX}), (0, ""))
        self.assertEqual(check("src/main.c", SPDX + "int main (void) { exit (1); }\n"), (0, ""))
        self.assertEqual(check("tests/x.json", "{}"), (0, ""))

    def test_licence(self):
        self.assert_refused("src/a.h", "int a;\n", "no SPDX line")
        self.assert_refused("scripts/a.sh", "true\n", "no SPDX line")

    def test_white_space(self):
        self.assert_refused("src/a.h", SPDX + "int a; \n", "a.h:2: white space at the end")
        self.assert_refused("src/a.h", SPDX + "int a;", "no newline")

    def test_length(self):
        self.assert_refused("src/a.c", SPDX + "\n" * 600, "more than 600 lines")

    def test_order(self):
        own = {"src/a/b.h": SPDX}
        self.assert_refused("src/a/b.c", SPDX + '#include "base/log.h"\n#include "a/b.h"\n', "own header", **own)
        self.assert_refused("src/a/c.c", SPDX + '#include <glib.h>\n#include "base/log.h"\n', "after a library's")

    def test_references_to_the_contract(self):
        page = {"docs/spec/x.md": "# X\n\n## Limits and more\n"}
        good = SPDX + '/* of spec x.md, and spec x.md, "Limits" */\n'
        self.assertEqual(check("src/a.h", good, **page), (0, ""))
        self.assert_refused("src/a.h", good.replace("Limits", "Bounds"), 'a.h:2: docs/spec has no x.md, "Bounds"', **page)
        self.assert_refused("src/a.h", SPDX + "/* spec y.md */\n", "no y.md", **page)

    def test_end_of_process(self):
        for call in ("exit (1)", "abort ()", 'g_error ("x")', "_exit(1)"):
            self.assert_refused("src/a/b.c", f"{SPDX}void f (void) {{ {call}; }}\n", "outside main.c")

    def test_two_types_of_one_name(self):
        struct = f"{SPDX}typedef struct\n{{\n  int a;\n}} ObkA;\n"
        enum = f"{SPDX}typedef enum\n{{\n  OBK_A\n}} ObkA;\n"
        self.assert_refused("src/b.h", enum, "b.h:5: ObkA is a type of src/a.h already", "src/a.h", **{"src/a.h": struct})
        self.assertEqual(check("src/b.h", enum.replace("ObkA", "ObkB"), "src/a.h", **{"src/a.h": struct}), (0, ""))
        self.assertEqual(check("tests/b.h", enum, "src/a.h", **{"src/a.h": struct}), (0, ""))


if __name__ == "__main__":
    unittest.main()
