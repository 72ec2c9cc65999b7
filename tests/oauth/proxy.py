# A proxy for CONNECT, in clear, to nowhere but this machine.

import base64
import re
import socket

import answers
from connection import Connection, copy_both_ways
from rules import Plan
from strict_http import BadRequest, Ended, Request, read_head


class ProxyConnection(Connection):
    def serve(self, reader):
        request, port, plan, upstream = Request(), None, Plan([], 0), None
        try:
            read_head(request, reader, self.note)
            plan = Plan(self.server.rules, self.server.next_number())
            answer, port = self.decide(request)
            rest = reader.rest()
            if rest:
                self.note('early', f'octets before the answer to CONNECT: {rest!r}')
        except BadRequest as error:
            self.note(error.kind, error.text)
            answer = answers.Answer(error.status)
        except Ended as error:
            return self.log(f'proxy: no request: {error}')
        if port is not None and not plan.replaces() and plan.action('framing') is None:
            try:
                upstream = socket.create_connection(('127.0.0.1', port), 10)
            except OSError as error:
                self.log(f'proxy: {request.target}: {error}')
                answer = answers.Answer(502)
        self.server.records.connect(request.record(connection=self.number, status=answer.status))
        if upstream is None:
            return self.answer(answer, plan)
        with upstream:
            self.tunnel(upstream, answer, plan)

    def tunnel(self, upstream, answer, plan):
        self.begin(plan)
        # RFC 9110 section 9.3.6: no Content-Length in this answer
        head = [re.sub(rb'(?im)^(?:content-length|connection):.*\n', b'', piece) for piece in answers.octets(answer, plan)]
        self.send(head, plan.argument('trickle'))
        self.sock.settimeout(None)
        upstream.settimeout(None)
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        copy_both_ways(self.sock, upstream)

    def decide(self, request):
        """The answer, and the port to connect to if it is 200."""
        headers = request.headers
        if request.method != 'CONNECT':
            self.note('method', str(request.method))
            return answers.Answer(405, headers=[('Allow', 'CONNECT')]), None
        if headers.get('host') != request.target:
            self.note('host', f'{headers.get("host", "none")}, and CONNECT {request.target}')
        for name in ('authorization', 'content-length', 'transfer-encoding', 'cookie'):
            if name in headers:
                self.note(name, 'has no place in CONNECT')
        user = self.server.user
        if user is not None and headers.get('proxy-authorization') != 'Basic ' + base64.b64encode(user.encode()).decode():
            return answers.Answer(407, headers=[('Proxy-Authenticate', 'Basic realm="test", charset="UTF-8"')]), None
        if user is None and 'proxy-authorization' in headers:
            self.note('proxy-authorization', 'nobody has asked for it')
        match = re.fullmatch(r'(127\.0\.0\.1|localhost):([1-9][0-9]{0,4})', request.target)
        if not match or int(match.group(2)) > 65535:
            return answers.Answer(403), None
        return answers.Answer(200, reason='Connection established'), int(match.group(2))
