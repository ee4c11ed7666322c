#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sees check-translations.py refuse."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name('check-translations.py')
FIELDS = {'Project-Id-Version': 'x 1', 'PO-Revision-Date': '2026-01-01 00:00+0000', 'Last-Translator': 'A <a@b.example>',
          'Language-Team': 'German', 'Language': 'de', 'MIME-Version': '1.0',
          'Content-Type': 'text/plain; charset=UTF-8', 'Content-Transfer-Encoding': '8bit',
          'Plural-Forms': 'nplurals=2; plural=(n != 1);'}
HEAD = 'msgid ""\nmsgstr ""\n' + ''.join(f'"{name}: {value}\\n"\n' for name, value in FIELDS.items()) + '\n'
SOURCE = '/* _ ("not this") */\nputs (_ ("a cat"));\n'


class Refuses(unittest.TestCase):
    def check(self, *options, source=SOURCE, potfiles='src/a.c\n', translation='msgid "a cat"\nmsgstr "eine Katze"\n'):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name in ('src', 'po'):
                (root / name).mkdir()
            (root / 'src' / 'a.c').write_text(source, encoding='utf-8')
            (root / 'src' / 'b.c').write_text('/* nothing */\n', encoding='utf-8')
            (root / 'po' / 'POTFILES').write_text(potfiles, encoding='utf-8')
            (root / 'po' / 'LINGUAS').write_text('de\n', encoding='utf-8')
            (root / 'po' / 'de.po').write_text(HEAD + translation, encoding='utf-8')
            result = subprocess.run([sys.executable, SCRIPT, *options, root], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, check=False)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        return result.stdout.strip()

    def test_what_is_right(self):
        self.assertEqual(self.check(), '')
        self.assertEqual(self.check('--sources'), '')

    def test_a_file_that_is_not_listed(self):
        self.assertIn('src/a.c: has texts', self.check('--sources', potfiles=''))

    def test_a_file_without_texts(self):
        self.assertIn('src/b.c has no texts', self.check('--sources', potfiles='src/a.c\nsrc/b.c\n'))

    def test_a_file_that_is_listed_twice(self):
        self.assertIn('twice', self.check('--sources', potfiles='src/a.c\nsrc/a.c\n'))

    def test_a_text_without_translation(self):
        self.assertIn('untranslated: "a dog"', self.check(source=SOURCE + 'puts (_ ("a dog"));\n'))

    def test_a_text_that_was_changed(self):
        self.assertIn('"a bat"', self.check(source='puts (_ ("a bat"));\n'))

    def test_another_conversion(self):
        self.assertIn('msgstr', self.check(source='printf (_ ("%d cats"), 1);\n',
                                           translation='#, c-format\nmsgid "%d cats"\nmsgstr "%s Katzen"\n'))

    def test_a_format_macro(self):
        self.assertIn('conversion', self.check(source='printf (_ ("all of %" G_GINT64_FORMAT), n);\n',
                                               translation='msgid "all of %"\nmsgstr "alle %"\n'))


if __name__ == '__main__':
    unittest.main(verbosity=2)
