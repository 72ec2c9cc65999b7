#!/usr/bin/env python3
# The endpoint tested with Python's own TLS and HTTP, by hand: python3 tests/oauth/selftest.py [CERTS]. CERTS (build/certs) are those of the
# scriptable smarthost. One line for each test; exit 1 if one has failed.

import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import warnings

sys.dont_write_bytecode = True

import signed_token
from grants import ASSERTION_TYPE, DEVICE_CODE, JWT_BEARER

HERE = os.path.dirname(os.path.abspath(__file__))
CERTS = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, '../../build/certs')
HEADERS = {'Content-Type': 'application/x-www-form-urlencoded', 'Accept': 'application/json'}
SECRET = {'grant_type': 'client_credentials', 'client_id': 'app', 'client_secret': 's3cret', 'scope': 'mail'}
failures = 0


def test(name, good, found=''):
    global failures
    failures += not good
    print(f'ok {name}' if good else f'NOT OK {name}: {found!r}', flush=True)


class Endpoint:
    """One endpoint and a client for it."""

    def __init__(self, *options):
        self.scratch = tempfile.TemporaryDirectory()
        self.dir = self.scratch.name
        self.process = subprocess.Popen([sys.executable, f'{HERE}/endpoint.py', '--dir', self.dir, '--cert', f'{CERTS}/good.pem',
                                         '--key', f'{CERTS}/good.key', *options])
        while not os.path.exists(f'{self.dir}/port'):
            if self.process.poll() is not None:
                raise RuntimeError(f'no endpoint: {options}')
            time.sleep(0.01)
        self.port = int(self.read('port'))
        self.url = f'https://localhost:{self.port}/token'
        self.tls = ssl.create_default_context(cafile=f'{CERTS}/ca.pem')
        self.tls.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF       # some Pythons set it; raw() has to see a cut

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(5)
        self.scratch.cleanup()

    def read(self, name):
        with open(f'{self.dir}/{name}', encoding='utf-8') as file:
            return file.read()

    def touch(self, name):
        with open(f'{self.dir}/{name}', 'w', encoding='utf-8'):
            pass

    def post(self, form, path='/token', headers=None):
        """Status, header, members of the JSON answer (or the body)."""
        connection = http.client.HTTPSConnection('localhost', self.port, context=self.tls, timeout=20)
        body = form if isinstance(form, str) else urllib.parse.urlencode(form)
        connection.request('POST', path, body, {**HEADERS, **(headers or {})})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        try:
            return response.status, response.headers, json.loads(body)
        except ValueError:
            return response.status, response.headers, body

    def connect(self):
        return self.tls.wrap_socket(socket.create_connection(('127.0.0.1', self.port), 20), server_hostname='localhost', suppress_ragged_eofs=False)

    def raw(self, text=None, timeout=5):
        """All that is answered, and how it ended: notify (close_notify), cut (without), timeout."""
        body = urllib.parse.urlencode(SECRET)
        text = text or (f'POST /token HTTP/1.1\r\nHost: localhost:{self.port}\r\nAccept: application/json\r\n'
                        f'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}')
        got = b''
        with self.connect() as sock:
            sock.settimeout(timeout)
            sock.sendall(text.encode('latin-1') if isinstance(text, str) else text)
            try:
                while data := sock.recv(65536):
                    got += data
                return got, 'notify'
            except TimeoutError:
                return got, 'timeout'
            except ssl.SSLError as error:       # SSLEOFError only in later Pythons
                return got, 'cut' if isinstance(error, ssl.SSLEOFError) or error.reason == 'UNEXPECTED_EOF_WHILE_READING' else str(error)

    def violations(self):
        return self.read('violations')

    def kinds(self):
        return [line.split(' ')[1].rstrip(':') for line in self.violations().splitlines()]


def sign(claims, key, **header):
    head, body = (signed_token.encode(json.dumps(part).encode()) for part in ({'alg': 'RS256', 'typ': 'JWT', **header}, claims))
    signature = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', key], input=f'{head}.{body}'.encode(), stdout=subprocess.PIPE, check=True)
    return f'{head}.{body}.{signed_token.encode(signature.stdout)}'


def rsa_keys():
    """Two, in a directory: client.key with client.pem (certificate) and client.pub, other.key. Those of the smarthost are not RSA."""
    scratch = tempfile.TemporaryDirectory()
    for name in ('client', 'other'):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=app', '-days', '1', '-keyout', f'{scratch.name}/{name}.key',
                        '-out', f'{scratch.name}/{name}.pem'], stderr=subprocess.DEVNULL, check=True)
    subprocess.run(['openssl', 'pkey', '-in', f'{scratch.name}/client.key', '-pubout', '-out', f'{scratch.name}/client.pub'], check=True)
    return scratch


def secrets_and_records():
    with Endpoint('--client-id', 'app', '--client-secret', 's3cret', '--scope', 'mail', '--token', 'tk', '--expires-in', '60') as e:
        status, headers, members = e.post(SECRET)
        test('client secret', status == 200 and members == {'access_token': 'tk-1', 'token_type': 'Bearer', 'expires_in': 60}, members)
        test('content type', headers['Content-Type'] == 'application/json;charset=UTF-8', headers.items())
        test('tokens', e.post(SECRET)[2]['access_token'] == 'tk-2' and e.read('tokens') == 'tk-1\ntk-2\n', e.read('tokens'))
        request = json.loads(e.read('requests').splitlines()[0])
        test('requests', request['method'] == 'POST' and request['path'] == '/token' and request['body'] == SECRET and request['number'] == 1
             and request['headers']['accept'] == 'application/json' and request['raw'] == urllib.parse.urlencode(SECRET), request)
        for change, error, code in (({'client_secret': 'other'}, 'invalid_client', 401), ({'client_id': 'other'}, 'invalid_client', 401),
                                    ({'scope': 'other'}, 'invalid_scope', 400)):
            status, _, members = e.post({**SECRET, **change})
            test(f'refused: {change}', (status, members.get('error')) == (code, error), members)
        test('nothing violated', e.violations() == '', e.violations())
        status, _, members = e.post({'grant_type': 'password', 'client_id': 'app'})
        test('unknown grant', (status, members['error']) == (400, 'unsupported_grant_type') and e.kinds() == ['grant'], members)
        test('404', e.post(SECRET, '/other')[0] == 404)
    with Endpoint('--no-expires') as e:
        test('no expires_in', 'expires_in' not in e.post(SECRET)[2])


def assertions():
    cert, key = f'{KEYS.name}/client.pem', f'{KEYS.name}/client.key'
    thumbprints = signed_token.Key(cert).thumbprints
    with Endpoint('--client-id', 'app', '--client-cert', cert) as e:
        serial = 0

        def ask(key=key, header=None, jti=None, **change):
            nonlocal serial
            serial += 1
            now = int(time.time())
            claims = {'iss': 'app', 'sub': 'app', 'aud': e.url, 'iat': now, 'nbf': now, 'exp': now + 600, 'jti': jti or f'id{serial}', **change}
            claims = {name: value for name, value in claims.items() if value is not None}
            return e.post({'grant_type': 'client_credentials', 'client_id': 'app', 'scope': 'mail', 'client_assertion_type': ASSERTION_TYPE,
                           'client_assertion': sign(claims, key, **(thumbprints if header is None else header))})[2].get('error', 'none')

        for name, value in thumbprints.items():
            test(f'assertion with {name}', ask(header={name: value}) == 'none')
        test('assertion with the key of another', ask(key=f'{KEYS.name}/other.key') == 'invalid_client')
        test('assertion for another audience', ask(aud='https://localhost/token') == 'invalid_client')
        test('assertion expired', ask(exp=int(time.time()) - 1, iat=None, nbf=None) == 'invalid_client')
        test('assertion not yet valid', ask(nbf=int(time.time()) + 60) == 'invalid_client')
        test('assertion with another thumbprint', ask(header={'x5t': 'AAAA'}) == 'invalid_client')
        test('these are no violations', e.violations() == '', e.violations())
        test('assertion without thumbprint', ask(header={}) == 'invalid_client')
        test('assertion for over an hour', ask(exp=int(time.time()) + 4000) == 'invalid_client')
        test('assertion of another subject', ask(sub='other') == 'invalid_client')
        test('assertion with the first jti', ask(jti='id1') == 'invalid_client')
        test('assertion with exp as text', ask(exp='1') == 'invalid_client')
        test('assertion with alg none', ask(header={**thumbprints, 'alg': 'none'}) == 'invalid_client')
        test('those are', e.kinds() == ['jwt'] * 6, e.violations())
        status, _, members = e.post({**SECRET, 'client_assertion_type': ASSERTION_TYPE, 'client_assertion': 'a.b.c'})
        test('two authentications', members['error'] == 'invalid_request' and e.kinds()[6:] == ['client'], members)


def service_account():
    with Endpoint('--service-key', f'{KEYS.name}/client.pub',
                  '--service-account', 'robot', '--scope', 'mail', '--subject', 'a@example.com', '--key-id', 'k1') as e:
        def ask(key='client.key', kid='k1', **change):
            now = int(time.time())
            claims = {'iss': 'robot', 'sub': 'a@example.com', 'scope': 'mail', 'aud': e.url, 'iat': now, 'exp': now + 3600, **change}
            assertion = sign({name: value for name, value in claims.items() if value is not None}, f'{KEYS.name}/{key}', kid=kid)
            return e.post({'grant_type': JWT_BEARER, 'assertion': assertion})[2].get('error', 'none')

        test('service account', ask() == 'none')
        for change, error in (({'key': 'other.key'}, 'invalid_grant'), ({'iss': 'other'}, 'invalid_grant'), ({'aud': 'x'}, 'invalid_grant'),
                              ({'scope': 'other'}, 'invalid_scope'), ({'sub': None}, 'unauthorized_client'), ({'kid': 'k2'}, 'invalid_grant'),
                              ({'exp': 1, 'iat': 0}, 'invalid_grant')):
            test(f'service account refused: {change}', ask(**change) == error)
        test('no violations', e.violations() == '', e.violations())
        test('service account without scope', ask(scope=None) == 'invalid_grant' and e.kinds() == ['jwt'])


def refresh():
    form = {'grant_type': 'refresh_token', 'client_id': 'app', 'refresh_token': 'first'}
    with Endpoint('--refresh-token', 'first', '--rule', '2 status 503') as e:
        members = e.post(form)[2]
        test('refresh', 'access_token' in members and 'refresh_token' not in members, members)
        test('refresh again', e.post(form)[0] == 503 and e.post(form)[0] == 200)
        test('refresh with a wrong token', e.post({**form, 'refresh_token': 'x'})[2]['error'] == 'invalid_grant')
        test('no violations', e.violations() == '', e.violations())
    with Endpoint('--refresh-token', 'first', '--rotate', '--client-secret', 's', '--rule', '3 status 503', '--rule', '4 close-late') as e:
        form['client_secret'] = 's'
        test('refresh-token', e.read('refresh-token') == 'first\n')
        new = e.post(form)[2]['refresh_token']
        test('rotated', new == 'token-refresh-1' and e.read('refresh-token') == new + '\n', new)
        test('the old one is refused', e.post(form)[2]['error'] == 'invalid_grant')
        test('503 rotates nothing', e.post({**form, 'refresh_token': new})[0] == 503 and e.read('refresh-token') == new + '\n')
        try:
            e.post({**form, 'refresh_token': new})
            test('cut', False)
        except (http.client.IncompleteRead, ssl.SSLError):
            test('an answer lost rotates', e.read('refresh-token') == 'token-refresh-2\n')
        del form['client_secret']
        test('without the secret', e.post(form)[2]['error'] == 'invalid_client')


def device():
    def begin(e):
        return e.post({'client_id': 'app', 'scope': 'mail'}, '/devicecode')[2]

    def poll(e, answer):
        members = e.post({'grant_type': DEVICE_CODE, 'client_id': 'app', 'device_code': answer['device_code']})[2]
        return members.get('error') or members

    with Endpoint('--client-id', 'app', '--scope', 'mail', '--interval', '0') as e:
        answer = begin(e)
        test('device code', answer['user_code'] == 'WDJB-MJHT' and answer['interval'] == 0 and answer['expires_in'] == 900, answer)
        test('pending', poll(e, answer) == 'authorization_pending')
        e.touch('deny')
        test('denied', poll(e, answer) == 'access_denied')
        os.unlink(f'{e.dir}/deny')
        e.touch('approve')
        members = poll(e, answer)
        test('approved', members['access_token'] == 'token-1' and e.read('refresh-token').strip() == members['refresh_token'], members)
        test('only once', poll(e, answer) == 'invalid_grant')
        test('no violations', e.violations() == '', e.violations())
    with Endpoint('--slow-down', '--device-expires', '1', '--interval', '0') as e:
        answer = begin(e)
        test('slow_down', poll(e, answer) == 'slow_down' and e.violations() == '')
        test('too fast', poll(e, answer) == 'slow_down' and e.kinds() == ['polling'], e.violations())
        answer = begin(e)
        time.sleep(1.1)
        test('expired', poll(e, answer) == 'expired_token')
    with Endpoint('--no-interval', '--device-rule', '1 status 503') as e:
        test('device rule', e.post({'client_id': 'app'}, '/devicecode')[0] == 503)
        test('no interval', 'interval' not in begin(e))


def strictness():
    """(kind, what is changed in a good request, what it is changed to, status)"""
    body = urllib.parse.urlencode(SECRET)
    good = ('POST /token HTTP/1.1\r\nHost: localhost:PORT\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n'
            f'Content-Length: {len(body)}\r\n\r\n{body}')
    length = f'Content-Length: {len(body)}'

    def with_body(text):
        return f'{length}\r\n\r\n{body}', f'Content-Length: {len(text)}\r\n\r\n{text}'

    cases = [
        ('host', 'Host: localhost:PORT\r\n', '', 200), ('host', 'localhost:PORT', 'example.com', 200),
        ('content-length', length + '\r\n', '', 411), ('content-length', length, 'Content-Length: 5x', 400),
        ('content-length', body, body + '\r\n', 200),
        ('content-type', 'urlencoded', 'urlencoded; charset=utf-8', 200), ('version', 'HTTP/1.1', 'HTTP/1.0', 200),
        ('accept', 'Accept: application/json\r\n', '', 200), ('method', 'POST', 'GET', 405),
        ('form', *with_body(body + '&a=%4'), 400), ('form', *with_body(body + '&a=:'), 400), ('form', *with_body(body + '&'), 400),
        ('form', *with_body(body + '&a=%ff'), 400),
        ('twice', *with_body(body + '&scope=mail'), 400), ('parameter', *with_body(body + '&resource=x'), 200), ('empty', *with_body(body + '&a='), 200),
        ('secret-in-url', '/token', '/token?client_secret=1', 200), ('secret-in-url', '/token', '/token?x=s3cret', 200),
        ('secret-in-header', 'Accept:', 'X-Test: s3cret\r\nAccept:', 200), ('target', '/token', '/token#x', 404),
        ('authorization', 'Accept:', 'Authorization: Basic eDp5\r\nAccept:', 200), ('header', 'Accept:', 'Accept: */*\r\nAccept:', 200),
        ('header', 'Accept:', ' folded\r\nAccept:', 400), ('line-end', 'json\r\n', 'json\n', 200), ('octets', 'Accept:', 'X: \xe4\r\nAccept:', 200),
        ('transfer-encoding', 'Accept:', 'Transfer-Encoding: chunked\r\nAccept:', 200), ('request-line', 'POST /token', 'POST  /token', 400),
        ('size', 'Accept:', 'X: ' + 'x' * 65536 + '\r\nAccept:', 413),
    ]
    for kind, old, new, status in cases:
        with Endpoint('--client-secret', 's3cret') as e:
            assert old in good
            got, _ = e.raw(good.replace(old, new, 1).replace('PORT', str(e.port)))
            test(f'violation: {kind} {new[:40]!r}', e.kinds() == [kind] and got.startswith(b'HTTP/1.1 %d ' % status), (e.violations(), got))
    with Endpoint() as e:
        with e.connect() as sock:
            sock.sendall(good.replace('PORT', str(e.port))[:-5].encode())
            sock.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        test('violation: content-length, too short', e.kinds() == ['content-length'], e.violations())


def split(got):
    head, _, body = got.partition(b'\r\n\r\n')
    return head.decode('latin-1'), body


def misbehaviour():
    def one(rule, timeout=5):
        with Endpoint('--rule', f'1 {rule}') as e:
            got, end = e.raw(timeout=timeout)
            test(f'{rule}: nothing violated', e.violations() == '', e.violations())
            return *split(got), end

    head, body, end = one('status 400 invalid_client AADSTS7000215: Invalid client\'s secret.')
    test('status', head.startswith('HTTP/1.1 400 Bad Request') and json.loads(body) ==
         {'error': 'invalid_client', 'error_description': "AADSTS7000215: Invalid client's secret."} and end == 'notify', (head, body))
    head, body, _ = one('status 400 x "a\\r\\nb"')
    test('status with JSON text', json.loads(body)['error_description'] == 'a\r\nb', body)
    head, body, _ = one('status 503')
    test('status alone', body == b'Service Unavailable\n', body)
    head, _, _ = one('retry-after 17')
    test('retry-after', head.startswith('HTTP/1.1 429 ') and '\r\nRetry-After: 17\r\n' in head, head)
    head, _, _ = one('retry-after Wed, 21 Oct 2026 07:28:00 GMT 503')
    test('retry-after with a date', head.startswith('HTTP/1.1 503 ') and '\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n' in head, head)
    start = time.monotonic()
    _, body, _ = one('delay 700')
    test('delay', time.monotonic() - start > 0.7 and b'token-1' in body)
    _, body, _ = one('trickle 1')
    test('trickle', json.loads(body)['access_token'] == 'token-1')
    head, _, end = one('stall', timeout=1)
    test('stall', (head, end) == ('', 'timeout'), (head, end))
    head, _, end = one('close-early')
    test('close-early', (head, end) == ('', 'cut'), (head, end))
    head, body, end = one('close-late')
    size = int(re.search(r'Content-Length: (\d+)', head).group(1))
    test('close-late', len(body) == size // 2 and end == 'cut', (head, body))
    head, body, end = one('close-late 20')
    test('close-late N', len(head) == 20 and end == 'cut', head)
    head, body, end = one('raw 3232302048690d0a')
    test('raw', head == '220 Hi\r\n' and end == 'notify', head)
    head, body, _ = one('body 7b7d')
    test('body', body == b'{}' and 'Content-Type: application/json\r\n' in head, head)
    head, body, _ = one(f'body @{CERTS}/ca.pem')
    test('body @FILE', b'BEGIN CERTIFICATE' in body, body)
    head, body, _ = one('huge 300000')
    test('huge', len(body) == 300000 and json.loads(body)['access_token'] == 'token-1' and 'Content-Length: 300000' in head, len(body))
    with Endpoint('--rule', '1- chunked') as e:
        _, headers, members = e.post(SECRET)
        test('chunked', members['access_token'] == 'token-1' and headers['Transfer-Encoding'] == 'chunked', members)
        head, body = split(e.raw()[0])
        test('chunked: extensions, trailer', b';name=value' in body and b'\r\nX-Trailer: one\r\n' in body and 'Content-Length' not in head, body)
    for kind in ('size', 'negative', 'overflow', 'crlf', 'short'):
        with Endpoint('--rule', f'1 chunked-bad {kind}') as e:
            try:
                members = e.post(SECRET)[2]
                # http.client takes "-5" for a size, and is content with what follows a chunk
                test(f'chunked-bad {kind}', kind == 'negative' or not isinstance(members, dict), members)
            except (http.client.HTTPException, OverflowError, ValueError, MemoryError):
                test(f'chunked-bad {kind}', True)
    head, body, _ = one('chunked-bad both')
    test('chunked-bad both', 'Content-Length: ' in head and 'Transfer-Encoding: chunked' in head, head)
    head, body, end = one('no-length')
    test('no-length', 'Content-Length' not in head and b'token-1' in body and end == 'notify', head)
    head, body, end = one('no-length-cut')
    test('no-length-cut', 'Content-Length' not in head and not body.endswith(b'}') and end == 'cut', (head, body, end))
    head, body, end = one('keep-open', timeout=1)
    test('keep-open', 'Connection: keep-alive' in head and json.loads(body) and end == 'timeout', (head, end))
    head, _, _ = one('headers 500')
    test('headers', head.count('X-Padding-') == 500)
    head, _, _ = one('longline 9000')
    test('longline', max(len(line) for line in head.split('\r\n')) == 9000)
    head, body, _ = one('continue')
    test('continue', head == 'HTTP/1.1 100 Continue' and body.startswith(b'HTTP/1.1 200 OK\r\n'), head)
    head, body, _ = one('html')
    test('html', 'Content-Type: text/html' in head and b'<html>' in body, head)
    head, _, _ = one('redirect https://example.com/token')
    test('redirect', head.startswith('HTTP/1.1 302 ') and 'Location: https://example.com/token' in head, head)
    head, body, _ = one('type text/plain; charset="x"')
    test('type', 'Content-Type: text/plain; charset="x"\r\n' in head and json.loads(body)['access_token'], head)
    head, body, _ = one('type')
    test('type, none', 'Content-Type' not in head and json.loads(body)['access_token'], head)
    head, body, _ = one('lowercase')
    test('lowercase', re.search('\r\ncontent-length: \t [0-9]+ \t \r\n', head) and json.loads(body), head)
    with Endpoint('--rule', '2-3 status 500', '--rule', '5- status 503 x', '--rule', '6 chunked', '--rule', '6 body 7b7d') as e:
        test('ranges', [e.post(SECRET)[0] for _ in range(5)] == [200, 500, 500, 200, 503])
        status, headers, body = e.post(SECRET)
        test('rules together', (status, body, headers['Transfer-Encoding']) == (503, {}, 'chunked'), (status, body))
        test('tokens only where issued', e.read('tokens') == 'token-1\ntoken-2\n', e.read('tokens'))
    for rule in ('1 nothing', 'status 500', '1', '12 3 status 500', '1 raw 7', '1 stall x', '1 delay', '1 redirect', '1 chunked-bad x'):
        done = subprocess.run([sys.executable, f'{HERE}/endpoint.py', '--dir', '/nonexistent', '--cert', 'x', '--key', 'x', '--rule', rule],
                              stderr=subprocess.PIPE, check=False)
        test(f'no rule: {rule}', done.returncode == 2, done.stderr)


def proxy():
    def through(e, headers=None, target=None):
        connection = http.client.HTTPSConnection('127.0.0.1', int(e.read('proxy-port')), context=e.tls, timeout=20)
        host = target or f'localhost:{e.port}'
        connection.set_tunnel(host.split(':')[0], int(host.split(':')[1]), {'Host': host, **(headers or {})})
        connection._tunnel = as_http11(connection)
        connection.request('POST', '/token', urllib.parse.urlencode(SECRET), {**HEADERS, 'Host': host})
        return json.loads(connection.getresponse().read())

    def as_http11(connection):
        """http.client of Python 3.11 says CONNECT in HTTP/1.0."""
        tunnel, send = connection._tunnel, connection.send

        def run():
            connection.send = lambda data: send(data.replace(b' HTTP/1.0\r\n', b' HTTP/1.1\r\n'))
            tunnel()
            connection.send = send
        return run

    with Endpoint('--proxy') as e:
        test('proxy', through(e)['access_token'] == 'token-1' and e.violations() == '', e.violations())
        connect = json.loads(e.read('connects'))
        test('connects', connect['method'] == 'CONNECT' and connect['path'] == f'localhost:{e.port}' and connect['status'] == 200, connect)
        for target, status in (('example.com:443', 403), ('localhost:1', 502)):
            try:
                test(f'proxy to {target}', through(e, target=target) == '')
            except OSError as error:
                test(f'proxy to {target}', str(status) in str(error), str(error))
    with Endpoint('--proxy', '--proxy-user', 'u:p', '--proxy-rule', '3 status 503', '--proxy-rule', '4 delay 500') as e:
        try:
            test('407', through(e) == '')
        except OSError as error:
            test('407', '407' in str(error), str(error))
        user = {'Proxy-Authorization': 'Basic ' + base64.b64encode(b'u:p').decode()}
        test('proxy user', through(e, user)['access_token'] == 'token-1')
        try:
            test('proxy rule', through(e, user) == '')
        except OSError as error:
            test('proxy rule', '503' in str(error), str(error))
        start = time.monotonic()
        test('proxy delay', through(e, user)['access_token'] == 'token-2' and time.monotonic() - start >= 0.5)
        test('no violations', e.violations() == '', e.violations())


def life():
    with Endpoint('--rule', '1 delay 1000') as e:
        answers = []
        slow = threading.Thread(target=lambda: answers.append(e.post(SECRET)[0]))
        slow.start()
        time.sleep(0.3)
        start = time.monotonic()
        test('two at once', e.post(SECRET)[0] == 200 and time.monotonic() - start < 0.5)
        slow.join()
        test('the slow one', answers == [200])
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(f'{CERTS}/ca.pem')
        old.set_ciphers('ALL:@SECLEVEL=0')
        warnings.simplefilter('ignore', DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            old.wrap_socket(socket.create_connection(('127.0.0.1', e.port)), server_hostname='localhost')
            test('no TLS 1.1', False)
        except ssl.SSLError as error:
            test('no TLS 1.1', True, str(error))
        e.process.send_signal(signal.SIGTERM)
        test('ends when told', e.process.wait(5) == 0 and not os.path.exists(f'{e.dir}/pid'))
    with Endpoint('--lifetime', '0.5') as e:
        test('ends by itself', e.process.wait(5) == 0)
    with tempfile.TemporaryDirectory() as scratch:
        program = ('import os, subprocess, sys, time\n'
                   'subprocess.Popen(sys.argv[2:])\n'
                   'while not os.path.exists(sys.argv[1] + "/port"): time.sleep(0.01)')
        subprocess.run([sys.executable, '-c', program, scratch, sys.executable, f'{HERE}/endpoint.py', '--dir', scratch,
                        '--cert', f'{CERTS}/good.pem', '--key', f'{CERTS}/good.key'], check=True)
        with open(f'{scratch}/port', encoding='utf-8') as file:
            port = int(file.read())
        time.sleep(0.5)
        with socket.socket() as sock:
            test('ends with its parent', sock.connect_ex(('127.0.0.1', port)) != 0 and not os.path.exists(f'{scratch}/pid'))


KEYS = rsa_keys()
for part in (secrets_and_records, assertions, service_account, refresh, device, strictness, misbehaviour, proxy, life):
    print(f'# {part.__name__}')
    part()
print(f'# {failures} failed' if failures else '# all well')
sys.exit(failures > 0)
