# Requests, read more strictly than any real server does. What is merely wrong is noted as a violation and read on; what cannot be read raises
# BadRequest, which has the status for the answer.

import re
import select
import ssl
import time
import urllib.parse

REQUEST_MAX = 64 * 1024
READ_TIMEOUT = 20
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FORM = re.compile(rb'(?:[A-Za-z0-9*._~+-]|%[0-9A-Fa-f]{2})*')
SECRETS = {'client_secret', 'client_assertion', 'assertion', 'refresh_token', 'device_code', 'code', 'password', 'access_token'}


class BadRequest(Exception):
    def __init__(self, status, kind, text):
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.text = text


class Ended(Exception):
    """The client has gone without a request."""


class Reader:
    """A socket read in lines and in octets, REQUEST_MAX in all."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b''
        self.left = REQUEST_MAX

    def fill(self):
        try:
            data = self.sock.recv(16384)
        except TimeoutError:
            raise BadRequest(408, 'incomplete', f'nothing came for {READ_TIMEOUT} s, behind {self.buffer!r}') from None
        except OSError as error:
            raise Ended(str(error)) from None
        if not data:
            if self.buffer or self.left < REQUEST_MAX:
                raise BadRequest(400, 'incomplete', f'the connection ends behind {self.buffer!r}')
            raise Ended('no request')
        self.left -= len(data)
        self.buffer += data
        if self.left < 0:
            raise BadRequest(413, 'size', f'more than {REQUEST_MAX} octets')

    def line(self, note):
        while b'\n' not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b'\n', 1)
        if not line.endswith(b'\r'):
            note('line-end', f'LF without CR behind {line!r}')
        line = line.removesuffix(b'\r').decode('latin-1')
        if not all(' ' <= c <= '~' or c == '\t' for c in line):
            note('octets', f'controls or octets outside ASCII in {line!r}')
        return line

    def exactly(self, n):
        while len(self.buffer) < n:
            self.fill()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def rest(self):
        """What the client has sent already and nobody has read."""
        data, self.buffer = self.buffer, b''
        self.sock.setblocking(False)
        try:
            if select.select([self.sock], [], [], 0)[0] or hasattr(self.sock, 'pending') and self.sock.pending():
                data += self.sock.recv(16384)
        except (ssl.SSLError, OSError):
            pass        # a record that is not whole, or the client has gone
        self.sock.settimeout(READ_TIMEOUT)
        return data


class Request:
    def __init__(self):
        self.method = self.target = self.version = None
        self.headers = {}
        self.raw = b''
        self.form = {}
        self.time = time.time()

    @property
    def path(self):
        return (self.target or '').split('?')[0]

    def record(self, **more):
        return {'method': self.method, 'path': self.target, 'version': self.version, 'headers': self.headers,
                'body': self.form, 'raw': self.raw.decode('latin-1'), 'time': self.time, **more}


def read_head(request, reader, note):
    """The request line and the header; fills request, so that there is something to record whatever happens."""
    line = reader.line(note)
    parts = line.split(' ')
    if len(parts) != 3:
        raise BadRequest(400, 'request-line', line)
    request.method, request.target, request.version = parts
    if request.version != 'HTTP/1.1':
        note('version', request.version)
    while (line := reader.line(note)) != '':
        name, colon, value = line.partition(':')
        if not colon or not TOKEN.fullmatch(name):
            raise BadRequest(400, 'header', line)
        name = name.lower()
        if name in request.headers:
            note('header', f'{name} twice')
        request.headers[name] = value.strip(' \t')


def read_body(request, reader, note):
    headers = request.headers
    for name in ('transfer-encoding', 'expect', 'upgrade', 'te'):
        if name in headers:
            note(name, headers[name])
    length = headers.get('content-length')
    if length is None:
        if request.method == 'POST':
            raise BadRequest(411, 'content-length', 'none')
        return
    if not re.fullmatch('[0-9]{1,9}', length):
        raise BadRequest(400, 'content-length', length)
    if int(length) > REQUEST_MAX:
        raise BadRequest(413, 'size', f'Content-Length: {length}')
    try:
        request.raw = reader.exactly(int(length))
    except BadRequest as error:
        request.raw = reader.buffer
        if error.kind == 'incomplete':
            raise BadRequest(400, 'content-length', f'{length}, and {len(reader.buffer)} octets came') from None
        raise
    rest = reader.rest()
    if rest:
        note('content-length', f'{length}, and behind it came {rest!r}')


def check_host(request, note, hosts):
    host = request.headers.get('host')
    if host not in hosts:
        note('host', 'none' if host is None else f'{host}, not one of {" ".join(hosts)}')


def check_target(request, note, secrets):
    """secrets: those that the endpoint knows, which may be nowhere but in the body."""
    target = request.target
    if not re.fullmatch(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", target):
        note('target', target)
    for name, _ in urllib.parse.parse_qsl(target.partition('?')[2], keep_blank_values=True):
        if name in SECRETS:
            note('secret-in-url', f'{name} in {target}')
    places = {'the URL': urllib.parse.unquote_plus(target), **request.headers}
    for place, text in places.items():
        if any(secret in text for secret in secrets):
            note('secret-in-url' if place == 'the URL' else 'secret-in-header', f'{place}: {text}')


def check_header(request, note):
    headers = request.headers
    if headers.get('content-type', '').lower() != 'application/x-www-form-urlencoded':
        note('content-type', headers.get('content-type', 'none'))
    accepted = [item.split(';')[0].strip().lower() for item in headers.get('accept', '').split(',')]
    if 'application/json' not in accepted:
        note('accept', headers.get('accept', 'none'))
    for name in ('authorization', 'proxy-authorization', 'cookie'):
        if name in headers:
            note(name, 'is not for this server')


def parse_form(request, note):
    """application/x-www-form-urlencoded. True if it is one, and no parameter is there twice."""
    good = True

    def fault(kind, text):
        nonlocal good
        good = False
        note(kind, text)

    for pair in request.raw.split(b'&'):
        name, equals, value = pair.partition(b'=')
        if not equals or not name:
            fault('form', f'no parameter: {pair!r}')
            continue
        if not FORM.fullmatch(name) or not FORM.fullmatch(value):
            fault('form', f'not encoded: {pair!r}')
        try:
            name, value = (urllib.parse.unquote_to_bytes(text.replace(b'+', b' ')).decode() for text in (name, value))
        except UnicodeDecodeError:
            fault('form', f'no UTF-8: {pair!r}')
            continue
        if name in request.form:
            fault('twice', name)
        if value == '':
            note('empty', name)     # RFC 6749 section 3.2: to be treated as if it were not there
            continue
        request.form.setdefault(name, value)
    return good
