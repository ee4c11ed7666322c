#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sees check-includes.py fail on trees that it must refuse, and pass on one that it must not."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name('check-includes.py')


def check(files):
    """Returns: the exit code for a tree of these files, and what was printed, without the tree's path."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, 'src', name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
        done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.replace(root + '/', '')


class CheckIncludes(unittest.TestCase):
    def test_allowed(self):
        self.assertEqual(check({
            'base/error.c': '#include "base/error.h"\n\n#include <glib.h>\n#include <sys/stat.h>\n',
            'kms/service.c': '#include "kms/service.h"\n#include "config-build.h"\n#include "proto/kms.pb-c.h"\n'
                             '#include "health/board.h"\n/* "observe/metrics.h" */\n',
            'provider/session.c': '#include "openbao/auth.h"\n',
            'cli/serve.c': '#include "observe/metrics.h"\n#include "kms/service.h"\n#include "commit.h"\n',
            'main.c': '#include "cli/command.h"\n',
        }), (0, ''))

    def test_forbidden(self):
        for name, include, text in [
                ('base/log.c', '#include "identity/scope.h"', 'base may not use "identity/scope.h"'),
                ('base/log.h', '  #  include\t"observe/log-sink.h"', 'base may not use "observe/log-sink.h"'),
                ('identity/scope.c', '#include "config/config.h"', 'identity may not use "config/config.h"'),
                ('registry/store.c', '#include "openbao/http.h"', 'registry may not use "openbao/http.h"'),
                ('openbao/http.c', '#include "kms/service.h"', 'openbao may not use "kms/service.h"'),
                ('openbao/http.c', '#include "proto/kms.pb-c.h"', 'openbao may not use "proto/kms.pb-c.h"'),
                ('health/board.c', '#include "kms/service.h"', 'health may not use "kms/service.h"'),
                ('kms/service.c', '#include "observe/metrics.h"', 'kms may not use "observe/metrics.h"'),
                ('observe/metrics.c', '#include "health/board.h"', 'observe may not use "health/board.h"'),
                ('provider/session.c', '#include "cli/serve.h"', 'provider may not use "cli/serve.h"'),
                ('main.c', '#include "base/error.h"', 'main.c may not use "base/error.h"'),
                ('base/log.c', '#include "commit.h"', '"commit.h" does not name its folder'),
                ('base/log.c', '#include "log.h"', '"log.h" does not name its folder'),
                ('base/log.c', '#include "base/../kms/x.h"', '"base/../kms/x.h" does not name its folder'),
                ('base/log.c', '#include <kms/service.h>',
                 "our own header <kms/service.h> is included like a library's"),
        ]:
            with self.subTest(name=name, include=include):
                self.assertEqual(check({name: f'#include <glib.h>\n{include}\n', 'base/good.c': ''}),
                                 (1, f'src/{name}:2: {text}\n'))

    def test_unknown_folder(self):
        self.assertEqual(check({'misc/x.c': ''}), (1, 'src/misc/x.c: unknown folder "misc"\n'))

    def test_nothing_to_read(self):
        self.assertEqual(check({'base/readme.txt': ''})[0], 2)


if __name__ == '__main__':
    unittest.main()
