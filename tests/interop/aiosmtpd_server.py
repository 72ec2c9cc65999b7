# A submission server on aiosmtpd, for aiosmtpd.t: PrivateScript.pm says what it
# is given and what it writes, PrivateAiosmtpd.pm what it offers.
#
# A header field "X-Interop" makes it fail: "refuse" and "defer" by the answer to
# the message, "raise" by an error in what a user of aiosmtpd has to write.

import asyncio
import itertools
import ssl
import sys

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult

DOMAIN = sys.argv[1]
SIZE_LIMIT = int(sys.argv[2])

session_numbers = itertools.count(1)
message_numbers = itertools.count(1)


def lines(path):
    with open(path, 'rb') as file:
        return file.read().split(b'\n')[:-1]


credentials = lines('/tmp/accounts')
accounts = dict(zip(credentials[::2], credentials[1::2]))
mailboxes = {f'{name.decode()}@{DOMAIN}' for name in lines('/tmp/mailboxes')}


def log(text):
    with open('/var/log/mail.log', 'a') as file:
        file.write(text + '\n')


def authenticate(server, session, envelope, mechanism, given):
    right = accounts.get(given.login) == given.password
    log(f'{"auth" if right else "refused"} {mechanism}')
    return AuthResult(success=right, handled=False)


class Server(SMTP):
    """Writes down when sessions begin and end."""

    def connection_made(self, transport):
        if self.transport is None:      # else it is the TLS after STARTTLS
            self.number = next(session_numbers)
            log(f'begin {self.number}')
        super().connection_made(transport)

    def connection_lost(self, error):
        super().connection_lost(error)
        log(f'end {self.number}')


class Controller(UnthreadedController):
    def factory(self):
        return Server(self.handler, **self.SMTP_kwargs)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address not in mailboxes:
            return f'550 5.1.1 <{address}>: no such user here'
        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        header = envelope.content.partition(b'\r\n\r\n')[0] + b'\r\n'
        if b'X-Interop: raise\r\n' in header:
            raise RuntimeError('what a user of the library has to write failed')
        if b'X-Interop: refuse\r\n' in header:
            return '554 this is not wanted'
        if b'X-Interop: defer\r\n' in header:
            return '451 no room for it now'
        self.store(envelope)
        return '250 OK'

    def store(self, envelope):
        path = f'/var/mail/{next(message_numbers):06}'
        sender = '' if envelope.mail_from == '<>' else envelope.mail_from
        text = [f'mail <{sender}> {" ".join(envelope.mail_options)}']
        text += [f'rcpt <{recipient}>' for recipient in envelope.rcpt_tos]
        with open(path + '.msg', 'wb') as file:
            file.write(envelope.content)
        with open(path + '.env', 'w', encoding='utf-8',
                  errors='surrogateescape') as file:
            file.write(''.join(line + '\n' for line in text))


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain('/tmp/tls/server.pem', '/tmp/tls/server.key')
loop = asyncio.new_event_loop()
common = {
    'handler': Handler(), 'loop': loop, 'hostname': '127.0.0.1',
    'server_hostname': f'mx.{DOMAIN}', 'data_size_limit': SIZE_LIMIT,
    'enable_SMTPUTF8': True, 'auth_required': True,
    'authenticator': authenticate, 'command_call_limit': {'RCPT': 6, '*': 1000},
}
Controller(port=587, tls_context=tls, require_starttls=True, **common).begin()
# It takes a session that is TLS from the first octet for one that is not.
Controller(port=465, ssl_context=tls, auth_require_tls=False, **common).begin()
log('ready')
loop.run_forever()
