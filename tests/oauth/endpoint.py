#!/usr/bin/env python3
# The scriptable token endpoint: README says what it does. This file has the options, the HTTPS listener and the end of it all.

import argparse
import ctypes
import ipaddress
import itertools
import os
import signal
import ssl
import sys
import threading

sys.dont_write_bytecode = True

from answers import Answer, error_answer
from connection import Connection, Listener
from grants import Provider
from proxy import ProxyConnection
from records import Records
from rules import Plan, Rule
from strict_http import (BadRequest, Ended, Reader, Request, check_header, check_host, check_target, parse_form, read_body, read_head)

PR_SET_PDEATHSIG = 1


class EndpointConnection(Connection):
    def handle(self):
        try:
            self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        except (ssl.SSLError, OSError) as error:
            return self.log(f'no TLS: {error}')
        self.sni = getattr(self.sock, 'sni', None)
        self.log(f'{self.sock.version()} {self.sock.cipher()[0]} server name {self.sni}')
        if self.sni is not None and is_address(self.sni):
            self.note('sni', f'{self.sni} is an address (RFC 6066 section 3)')
        super().handle()

    def serve(self, reader):
        """One request: read, judged, written down, answered."""
        request, number, answer, plan = Request(), None, None, Plan([], 0)
        path = None
        try:
            read_head(request, reader, self.note)
            path = self.server.paths.get(request.path)
            if path is not None:
                number = path.next_number()
                plan = Plan(path.rules, number)
            read_body(request, reader, self.note)
            answer = self.judge(request, path, plan)
        except BadRequest as error:
            self.note(error.kind, error.text)
            answer = error_answer(error.status, 'invalid_request', error.text)
        except Ended as error:
            return self.log(f'no request: {error}')
        self.server.records.request(request.record(number=number, connection=self.number, tls=self.sock.version(), sni=self.sni))
        self.answer(answer, plan)

    def judge(self, request, path, plan):
        hosts = [f'{name}:{self.server.port}' for name in ('127.0.0.1', 'localhost', *self.server.names)]
        check_host(request, self.note, hosts)
        check_target(request, self.note, self.server.provider.secrets())
        if path is None:
            return Answer(404, b'Not found\n', 'text/plain')
        if request.method != 'POST':
            self.note('method', request.method)
            return Answer(405, headers=[('Allow', 'POST')])
        check_header(request, self.note)
        if not parse_form(request, self.note):
            return error_answer(400, 'invalid_request', 'The request is malformed.')
        url = f'https://{request.headers.get("host")}{request.target}'
        return path.serve(request.form, url, self.note, issue=not plan.replaces())


class Path:
    """One of the paths; counts its requests."""

    def __init__(self, serve, rules):
        self.serve = serve
        self.rules = rules
        self.next_number = counter()


def counter():
    """1, 2, 3, ... for any thread."""
    numbers, lock = itertools.count(1), threading.Lock()

    def following():
        with lock:
            return next(numbers)
    return following


def is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def tls_context(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(options.cert, options.key)
    context.set_alpn_protocols(['http/1.1'])

    def remember_name(sock, name, _):
        sock.sni = name

    context.sni_callback = remember_name
    return context


def parse_options():
    parser = argparse.ArgumentParser(description='A scriptable OAuth 2.0 token endpoint on loopback.', allow_abbrev=False)
    add = parser.add_argument
    add('--dir', required=True, metavar='D', help='where the records are written')
    add('--cert', required=True, metavar='FILE', help='certificate of the server, PEM')
    add('--key', required=True, metavar='FILE', help='its key')
    add('--port', type=int, default=0, metavar='N', help='(any that is free)')
    add('--name', action='append', default=[], help='a name that Host may have besides 127.0.0.1 and localhost')
    add('--lifetime', type=float, default=150, metavar='S', help='seconds after which it ends (150)')
    add('--client-id', metavar='ID', help='the only client (any)')
    add('--client-secret', metavar='SECRET', help='its secret, then demanded of it at /token (any, or none where the grant can do without)')
    add('--client-cert', metavar='FILE', help='its certificate: what client_assertion is verified with')
    add('--scope', help='the only scope, else invalid_scope (any)')
    add('--refresh-token', metavar='TOKEN', help='the first one (any fits, until one is issued)')
    add('--rotate', action='store_true', help='with each access token for a refresh token comes a new one; the old one ends')
    add('--service-key', metavar='FILE', help='public key or certificate of the service account')
    add('--service-account', metavar='ISS', help='its name, iss (any)')
    add('--subject', metavar='SUB', help='the only sub of a service account (any, or none)')
    add('--key-id', metavar='KID', help='the only kid of a service account (any, or none)')
    add('--token', default='token', metavar='PREFIX', help='access tokens are PREFIX-1, PREFIX-2, ... (token)')
    add('--expires-in', type=int, default=3600, metavar='N', help='seconds that it says (3600)')
    add('--no-expires', action='store_true', help='no expires_in')
    add('--interval', type=int, default=1, metavar='S', help='between polls for a device code (1)')
    add('--no-interval', action='store_true', help='does not say it; it is 5')
    add('--device-expires', type=int, default=900, metavar='S', help='life of a device code (900)')
    add('--user-code', default='WDJB-MJHT', metavar='CODE')
    add('--verification-uri', default='https://example.com/device', metavar='URI')
    add('--slow-down', action='store_true', help='the first poll is answered slow_down')
    add('--rule', type=Rule, action='append', default=[], metavar='"N ACTION"', help='misbehaviour at /token')
    add('--device-rule', type=Rule, action='append', default=[], metavar='"N ACTION"', help='misbehaviour at /devicecode')
    add('--proxy', action='store_true', help='a proxy (CONNECT) besides')
    add('--proxy-user', metavar='USER:PASSWORD', help='which it demands')
    add('--proxy-rule', type=Rule, action='append', default=[], metavar='"N ACTION"', help='misbehaviour of the proxy')
    return parser.parse_args()


def die_with_parent():
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit('the parent has gone')


def main():
    options = parse_options()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    die_with_parent()
    records = Records(options.dir)
    try:
        provider = Provider(options, records)
    except (OSError, ValueError) as error:
        sys.exit(f'endpoint.py: {error}')

    endpoint = Listener(options.port, EndpointConnection, records)
    endpoint.context = tls_context(options)
    endpoint.provider = provider
    endpoint.names = options.name
    endpoint.paths = {'/token': Path(provider.token, options.rule), '/devicecode': Path(provider.device_authorization, options.device_rule)}
    listeners = [endpoint]
    if options.proxy:
        proxy = Listener(0, ProxyConnection, records)
        proxy.user = options.proxy_user
        proxy.rules = options.proxy_rule
        proxy.next_number = counter()
        listeners.append(proxy)
    for listener in listeners:
        threading.Thread(target=listener.serve_forever, daemon=True).start()

    records.replace('pid', f'{os.getpid()}\n')
    if options.proxy:
        records.replace('proxy-port', f'{proxy.port}\n')
    records.replace('port', f'{endpoint.port}\n')       # the last: who sees it finds the others
    ended.wait(options.lifetime)
    records.remove('pid')


if __name__ == '__main__':
    main()
