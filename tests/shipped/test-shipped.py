#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The alerts, the dashboard and the runbooks that ship with the package: each alert fires when it should and not else,
nothing asks for a metric or a label that does not exist, and no link is dead.

Usage: test-shipped.py SOURCE_ROOT
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(sys.argv[1])
RULES = ROOT / 'data' / 'prometheus' / 'bao-kms-provider.rules.yml'
DASHBOARD = ROOT / 'data' / 'grafana' / 'bao-kms-provider.json'
CATALOGUE = ROOT / 'data' / 'bao-kms-provider.catalog'
RUNBOOKS = ROOT / 'docs' / 'runbooks'
PROMTOOL = shutil.which('promtool')
NODE = 'instance="n1", job="bao-kms-provider"'

# For each alert: series that make it fire, series that must not, and the labels of what fires beside instance and job.
# Series are promtool's: "metric{labels}": "values", one a minute.
CASES = {
    'Unhealthy': ({'status_healthy{@}': '1x5 0x60'}, {'status_healthy{@}': '1x5 0 1x60'}, {}),
    'Down': ({'up{@}': '0x60'}, {'up{instance="n1", job="node"}': '0x60'}, {}),
    'CacheAge': ({'status_cache_age_seconds{@}': '100x60'}, {'status_cache_age_seconds{@}': '62x60'}, {}),
    'OpenBaoErrors': ({'openbao_requests_total{@, operation="transit_decrypt", status="ok"}': '0+90x60',
                       'openbao_requests_total{@, operation="transit_decrypt", status="openbao_sealed"}': '0+10x60'},
                      {'openbao_requests_total{@, operation="transit_decrypt", status="ok"}': '0+99x60',
                       'openbao_requests_total{@, operation="transit_decrypt", status="canceled"}': '0+50x60',
                       'openbao_requests_total{@, operation="transit_decrypt", status="openbao_sealed"}': '0+1x60'},
                      {}),
    'AddressOut': ({'openbao_address_healthy{@, index="1"}': '0x60'}, {'openbao_address_healthy{@, index="1"}': '0x3 1x60'},
                   {'index': '1'}),
    'LoginFailures': ({'auth_login_total{@, status="error"}': '0+1x60'},
                      {'auth_login_total{@, status="error"}': '0x20 1x60', 'auth_login_total{@, status="ok"}': '0+1x60'},
                      {'status': 'error'}),
    'TokenTime': ({'token_ttl_seconds{@}': '0x60'}, {'token_ttl_seconds{@}': '300x60'}, {}),
    'IdentityTokenTime': ({'jwt_ttl_seconds{@}': '170x60', 'credential_horizon_seconds{@}': '170x60'},
                          # of a token endpoint, which gives another one for the next login
                          {'jwt_ttl_seconds{@}': '0x60', 'credential_horizon_seconds{@}': '9000x60'}, {}),
    'CertificateTime': ({'certificate_ttl_seconds{@}': '500000x90'}, {'certificate_ttl_seconds{@}': '700000x90'}, {}),
    'AuthorityTime': ({'credential_horizon_seconds{@}': '1100000x90', 'jwt_ttl_seconds{@}': '3000x90',
                       'token_ttl_seconds{@}': '3000x90', 'certificate_ttl_seconds{@}': '1100001x90'},
                      # what runs out first is something else
                      {'credential_horizon_seconds{instance="jwt"}': '3000x90', 'jwt_ttl_seconds{instance="jwt"}': '3000x90',
                       'credential_horizon_seconds{instance="cert"}': '9000x90',
                       'certificate_ttl_seconds{instance="cert"}': '9000x90', 'jwt_ttl_seconds{instance="cert"}': '1x90',
                       'credential_horizon_seconds{instance="token"}': '3000x90',
                       'token_ttl_seconds{instance="token"}': '3000x90',
                       'credential_horizon_seconds{@}': '1300000x90'}, {}),
    'CredentialHorizon': ({'credential_horizon_seconds{@}': '100x60'}, {'credential_horizon_seconds{@}': '3000x60'}, {}),
    'KeyIdDiffers': ({'status_key_id_hash{@, hash="a"}': '1x60',
                      'status_key_id_hash{instance="n2", job="bao-kms-provider", hash="b"}': '1x60'},
                     {'status_key_id_hash{@, hash="a"}': '1x10 _x60',
                      'status_key_id_hash{@, hash="b"}': '_x10 1x60',
                      'status_key_id_hash{instance="n2", job="bao-kms-provider", hash="a"}': '1x20 _x60',
                      'status_key_id_hash{instance="n2", job="bao-kms-provider", hash="b"}': '_x20 1x60',
                      'status_key_id_hash{instance="n3", job="other-bao-kms-provider", hash="c"}': '1x60'},
                     None),
    'RotationPending': ({'rotation_state{@, state="pending"}': '1x180'}, {'rotation_state{@, state="pending"}': '1x60 _x120',
                                                                       'rotation_state{@, state="active"}': '_x60 1x120'},
                        {'state': 'pending'}),
    'AadErrors': ({'aad_validation_errors_total{@, reason="aad_mismatch"}': '0x45 1x30'},
                  {'aad_validation_errors_total{@, reason="aad_mismatch"}': '3x60'}, {'reason': 'aad_mismatch'}),
    'UnknownKeyId': ({'decrypt_key_id_errors_total{@, reason="key_id_unknown"}': '0x45 1x30'},
                     {'decrypt_key_id_errors_total{@, reason="key_metadata_refresh_failed"}': '0+1x60'},
                     {'reason': 'key_id_unknown'}),
    'Latency': ({'grpc_duration_seconds_bucket{@, method="decrypt", le="1"}': '0+98x60',
                 'grpc_duration_seconds_bucket{@, method="decrypt", le="2.5"}': '0+100x60',
                 'grpc_duration_seconds_bucket{@, method="decrypt", le="+Inf"}': '0+100x60'},
                {'grpc_duration_seconds_bucket{@, method="decrypt", le="0.5"}': '0+100x60',
                 'grpc_duration_seconds_bucket{@, method="decrypt", le="+Inf"}': '0+100x60',
                 'grpc_duration_seconds_bucket{@, method="status", le="1"}': '0x60',
                 'grpc_duration_seconds_bucket{@, method="status", le="+Inf"}': '0+100x60'},
                {'method': 'decrypt'}),
    'Rejections': ({'grpc_concurrency_rejections_total{@, method="decrypt"}': '0x45 5x30'},
                   {'grpc_concurrency_rejections_total{@, method="decrypt"}': '5x60'}, {'method': 'decrypt'}),
    'Restarts': ({'process_start_time_seconds{@}': '0+60x60', 'build_info{@, version="1", commit="c"}': '1x60'},
                 {'process_start_time_seconds{@}': '7x40 8x30', 'build_info{@, version="1", commit="c"}': '1x60',
                  'process_start_time_seconds{instance="n1", job="other"}': '0+60x60'}, {}),
    'CircuitOpen': ({'circuit_breaker_state{@}': '2x3 1 2x60'}, {'circuit_breaker_state{@}': '2 0x60'}, {}),
    'PersistenceDegraded': ({'rotation_persistence_degraded{@}': '1x60'}, {'rotation_persistence_degraded{@}': '1x2 0x60'},
                            {}),
    'PeerRefused': ({'peer_refused_total{@}': '0x45 1x30'}, {'peer_refused_total{@}': '4x60'}, {}),
}

# What runs towards a limit, second by second with the default settings: the series' first value and its step in 15 s;
# the value at which the alert is silent still, and the one at which it has fired, which leaves time to do something.
RAMPS = {
    'CacheAge': ('status_cache_age_seconds', 0, 15, 60, 90),  # Status is unhealthy from 120 on
    'TokenTime': ('token_ttl_seconds', 600, -15, 285, 45),  # renewed at 300
    'IdentityTokenTime': ('jwt_ttl_seconds', 1200, -15, 600, 570),  # not sent from 120 on
    'CredentialHorizon': ('credential_horizon_seconds', 1200, -15, 285, 210),  # not sent from 120 on; tokens renewed at 300
}


def rules():
    return yaml.safe_load(RULES.read_text(encoding='utf-8'))['groups'][0]['rules']


def series_of(series):
    def full(name):
        name = name.replace('@', NODE)
        return name if name.startswith(('up{', 'process_')) else f'openbao_kms_{name}'
    return [{'series': full(name), 'values': values} for name, values in series.items()]


def expected_of(alert, labels):
    severity = next(rule['labels'] for rule in rules() if rule['alert'] == alert)
    own = {'job': 'bao-kms-provider', **({} if labels is None else {'instance': 'n1', **labels})}
    return [{'exp_labels': {**severity, **own}}]


def minutes(series):
    return 150 if any('180' in value or '120' in value for value in series.values()) else 75 if any(
        'x90' in value for value in series.values()) else 50


def known_metrics():
    """Name to labels, from the documented table, which a test of its own holds to the code's."""
    known = {'up': set()}
    for name, kind, labels in re.findall(r'^\| `([a-z0-9_]+)` \| (\w+) \| ([^|]*)\|',
                                         (ROOT / 'docs' / 'observability.md').read_text(encoding='utf-8'), re.MULTILINE):
        own = set(re.findall(r'`(\w+)`', labels))
        known[name] = own
        if kind == 'histogram':
            known |= {f'{name}_bucket': own | {'le'}, f'{name}_sum': own, f'{name}_count': own}
    return known


def promtool(*arguments):
    return subprocess.run([PROMTOOL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=60)


def dashboard_queries():
    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get('expr'), str):
                yield node['expr']
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)
    return list(walk(json.loads(DASHBOARD.read_text(encoding='utf-8'))))


class Shipped(unittest.TestCase):
    def need_promtool(self):
        if PROMTOOL is None:
            self.assertFalse(os.environ.get('CI') == 'true', 'no promtool')
            self.skipTest('no promtool (Debian: prometheus)')

    def test_rules_are_well_formed(self):
        self.need_promtool()
        result = promtool('check', 'rules', RULES)
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_each_alert_fires_when_it_should(self):
        self.need_promtool()
        self.assertEqual({f'BaoKms{name}' for name in CASES}, {rule['alert'] for rule in rules()})
        tests = []
        for name, (firing, silent, labels) in CASES.items():
            alert = f'BaoKms{name}'
            for series, fires in ((firing, True), (silent, False)):
                tests.append({'interval': '1m', 'input_series': series_of(series), 'alert_rule_test': [
                    {'eval_time': f'{minutes(series)}m', 'alertname': alert,
                     'exp_alerts': expected_of(alert, labels) if fires else []}]})
        self.judge(tests, '1m')

    def test_alerts_on_what_runs_out_fire_in_time(self):
        self.need_promtool()
        tests = []
        for name, (metric, first, step, silent, fired) in RAMPS.items():
            metrics = {metric, 'credential_horizon_seconds'} if name == 'IdentityTokenTime' else {metric}
            series = {f'{metric}{{@}}': f'{first}{step:+d}x100' for metric in metrics}
            tests.append({'interval': '15s', 'input_series': series_of(series), 'alert_rule_test': [
                {'eval_time': f'{(value - first) // step * 15}s', 'alertname': f'BaoKms{name}',
                 'exp_alerts': expected_of(f'BaoKms{name}', {}) if value == fired else []} for value in (silent, fired)]})
        self.judge(tests, '15s')

    def judge(self, tests, interval):
        with tempfile.TemporaryDirectory() as directory:
            bare = [{key: value for key, value in rule.items() if key != 'annotations'} for rule in rules()]
            copy = pathlib.Path(directory) / 'rules.yml'
            copy.write_text(yaml.safe_dump({'groups': [{'name': 'all', 'rules': bare}]}), encoding='utf-8')
            cases = pathlib.Path(directory) / 'tests.yml'
            cases.write_text(yaml.safe_dump({'rule_files': [str(copy)], 'evaluation_interval': interval, 'tests': tests}),
                             encoding='utf-8')
            result = promtool('test', 'rules', cases)
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_each_alert_has_its_runbook(self):
        linked = {}
        for rule in rules():
            self.assertEqual(set(rule['annotations']), {'summary', 'description', 'runbook_url'})
            linked[rule['annotations']['runbook_url']] = rule
        pages = {f'runbooks/{path.name}' for path in RUNBOOKS.glob('*.md')} - {'runbooks/README.md'}
        self.assertEqual(set(linked), pages)
        index = (RUNBOOKS / 'README.md').read_text(encoding='utf-8')
        for link, rule in linked.items():
            for named in re.findall(r'\S+\.md', rule['annotations']['description']):  # plain: annotations are no Markdown
                self.assertTrue((ROOT / 'docs' / named.rstrip('.')).exists(), named)
            page = (ROOT / 'docs' / link).read_text(encoding='utf-8')
            self.assertEqual(page.splitlines()[0], f'# {rule["alert"]}')
            self.assertIn(f'| {rule["alert"]} | {rule["labels"]["severity"]} | [{pathlib.Path(link).name}]', index)

    def test_links_between_pages_lead_somewhere(self):
        for page in RUNBOOKS.glob('*.md'):
            for link in re.findall(r'\]\(([^)#]+)\)', page.read_text(encoding='utf-8')):
                self.assertTrue((RUNBOOKS / link).exists(), f'{page}: {link}')

    def test_pages_look_for_events_in_every_log_format(self):
        """A field to match by has the journal's form alone, and what is logged by default is JSON."""
        for page in RUNBOOKS.glob('*.md'):
            for command in re.findall(r'`(journalctl [^`]*)`', page.read_text(encoding='utf-8')):
                self.assertNotIn('EVENT=', command, page)
                self.assertNotIn('-x', command.split(), page)

    def test_each_reason_has_its_advice(self):
        names = (ROOT / 'src' / 'base' / 'names.h').read_text(encoding='utf-8')
        reasons = set(re.findall(r'#define OBK_REASON_\w+ "([a-z_]+)"', names))
        self.assertGreater(len(reasons), 15)
        page = (RUNBOOKS / 'status-unhealthy.md').read_text(encoding='utf-8')
        self.assertEqual(reasons - set(re.findall(r'`([a-z_]+)`', page)), set())

    def test_queries_name_what_exists(self):
        known = known_metrics()
        self.assertGreater(len(known), 40)
        pages = ''.join(page.read_text(encoding='utf-8') for page in RUNBOOKS.glob('*.md'))
        queries = [rule['expr'] for rule in rules()] + dashboard_queries()
        names = re.findall(r'\b((?:openbao_kms|process)_\w+)', ' '.join(queries) + pages)
        self.assertEqual(set(names) - set(known), set())
        for query in queries:
            for name, labels in re.findall(r'\b(\w+)\{([^}]*)\}', query):
                used = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)', labels))
                self.assertLessEqual(used, known[name] | {'instance', 'job'}, query)

    def test_dashboard(self):
        dashboard = json.loads(DASHBOARD.read_text(encoding='utf-8'))
        panels = dashboard['panels']
        self.assertEqual(len({panel['id'] for panel in panels}), len(panels))
        for panel in panels:
            self.assertTrue(panel['title'] and (panel['type'] == 'row' or panel['targets']))
        self.assertGreater(len(dashboard_queries()), 15)

    def test_dashboard_queries_are_valid(self):
        self.need_promtool()
        variables = {'$__rate_interval': '5m', '$__range': '1h'}
        records = []
        for number, query in enumerate(dashboard_queries()):
            for variable, value in variables.items():
                query = query.replace(variable, value)
            records.append({'record': f'query_{number}', 'expr': query})
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / 'queries.yml'
            path.write_text(yaml.safe_dump({'groups': [{'name': 'queries', 'rules': records}]}), encoding='utf-8')
            result = promtool('check', 'rules', path)
        self.assertEqual(result.returncode, 0, result.stdout)


class Catalogue(unittest.TestCase):
    """data/bao-kms-provider.catalog against src/base/names.h."""

    # What nobody has to act on, or what says all by itself
    UNEXPLAINED = {'socket.listening', 'trust.reloaded', 'library.message'}

    @classmethod
    def setUpClass(cls):
        names = (ROOT / 'src' / 'base' / 'names.h').read_text(encoding='utf-8')
        events = dict(re.findall(r'#define OBK_EVENT_(\w+) "([^"]+)"', names))
        ids = dict(re.findall(r'#define OBK_MESSAGE_ID_(\w+) "([0-9a-f]{32})"', names))
        cls.ids = {events[name]: ids.get(name) for name in events}
        cls.text = CATALOGUE.read_text(encoding='utf-8')

    def test_every_event_has_an_id(self):
        self.assertNotIn(None, self.ids.values())
        self.assertEqual(len(set(self.ids.values())), len(self.ids))

    def test_what_one_acts_on_is_explained(self):
        explained = dict(re.findall(r'^-- ([0-9a-f]{32})\nSubject: .*\(([a-z._]+)\)$', self.text, re.MULTILINE))
        self.assertEqual(explained, {key: event for event, key in self.ids.items() if event not in self.UNEXPLAINED})

    def test_runbooks_that_it_names_exist(self):
        text = ' '.join(self.text.split())
        named = {name for _, first, second in re.findall(r'(runbooks?) ([a-z]+-[a-z-]+|restarts)(?: and ([a-z-]+))?', text)
                 for name in (first, second) if name}
        self.assertGreater(len(named), 5)
        for name in named:
            self.assertTrue((RUNBOOKS / f'{name}.md').exists(), name)

    def test_journalctl_takes_it(self):
        if shutil.which('journalctl') is None:
            self.assertFalse(os.environ.get('CI') == 'true', 'no journalctl')
            self.skipTest('no journalctl (Debian: systemd)')
        with tempfile.TemporaryDirectory() as directory:
            for place in ('usr/lib/systemd/catalog', 'var/lib/systemd/catalog'):
                (pathlib.Path(directory) / place).mkdir(parents=True)
            shutil.copy(CATALOGUE, pathlib.Path(directory) / 'usr/lib/systemd/catalog')
            made = subprocess.run(['journalctl', f'--root={directory}', '--update-catalog'], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual((made.returncode, made.stdout), (0, ''))
            listed = subprocess.run(['journalctl', f'--root={directory}', '--list-catalog'], stdout=subprocess.PIPE,
                                    text=True, check=True).stdout
        self.assertEqual({line.split()[0] for line in listed.splitlines()},
                         {key for event, key in self.ids.items() if event not in self.UNEXPLAINED})


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=1)
