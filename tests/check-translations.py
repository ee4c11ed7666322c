#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the translations to the sources.

check-translations.py ROOT              every language has every text, in the same form; needs gettext
check-translations.py --sources ROOT    po/POTFILES names the files with texts, and no others

Prints one line a fault; exits 1 if there is one.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

MARK = re.compile(r'(?<![A-Za-z0-9_])(?:_|N_|ngettext) \(')
KEYWORDS = ('-k', '-k_', '-kN_', '-kngettext:1,2')
ENTRY = re.compile(r'^msgid (.*?)^msg(?:str|id_plural)', re.MULTILINE | re.DOTALL)


def faults_of_sources(root):
    lines = (root / 'po' / 'POTFILES').read_text(encoding='utf-8').splitlines()
    listed = [line for line in lines if line and not line.startswith('#')]
    marked = {str(path.relative_to(root)) for path in (root / 'src').rglob('*.c')
              if MARK.search(re.sub(r'/\*.*?\*/', '', path.read_text(encoding='utf-8'), flags=re.DOTALL))}
    yield from (f'po/POTFILES: {name} stands there twice' for name in sorted({n for n in listed if listed.count(n) > 1}))
    yield from (f'{name}: has texts for people and is not in po/POTFILES' for name in sorted(marked - set(listed)))
    yield from (f'po/POTFILES: {name} has no texts' for name in sorted(set(listed) - marked))


def extract(root, template):
    subprocess.run(['xgettext', '--from-code=UTF-8', *KEYWORDS, '--no-location', '-f', 'po/POTFILES', '-o', template],
                   cwd=root, check=True)
    for text in ENTRY.findall(pathlib.Path(template).read_text(encoding='utf-8')):
        if re.search(r'%"\n?$', text.rstrip()):
            yield f'src: {text.strip()}: ends in the middle of a conversion: xgettext does not know GLib\'s format macros'


def faults_of_language(root, language, template, directory):
    merged = pathlib.Path(directory, f'{language}.po')
    source = root / 'po' / f'{language}.po'
    subprocess.run(['msgmerge', '--quiet', '-o', merged, source, template], check=True)
    checked = subprocess.run(['msgfmt', '--check', '--statistics', '-o', '/dev/null', merged], stderr=subprocess.PIPE,
                             text=True, check=False, env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C.UTF-8'})
    result = checked.stderr.strip()
    if checked.returncode != 0 or not re.fullmatch(r'\d+ translated messages?\.', result):
        yield f'{source}: {result}'
        for attributes in (['--untranslated'], ['--only-fuzzy']):
            found = subprocess.run(['msgattrib', '--no-obsolete', '--no-wrap', *attributes, merged], text=True, check=True,
                                   stdout=subprocess.PIPE).stdout
            yield from (f'  {attributes[0][2:]}: {line[6:]}' for line in found.splitlines()
                        if line.startswith('msgid ') and line != 'msgid ""')


def faults_of_languages(root):
    with tempfile.TemporaryDirectory() as directory:
        template = str(pathlib.Path(directory, 'all.pot'))
        yield from extract(root, template)
        for line in (root / 'po' / 'LINGUAS').read_text(encoding='utf-8').split():
            yield from faults_of_language(root, line, template, directory)


def main(arguments):
    sources = arguments[:1] == ['--sources']
    root = pathlib.Path(arguments[-1])
    faults = list(faults_of_sources(root) if sources else faults_of_languages(root))
    print('\n'.join(faults))
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
