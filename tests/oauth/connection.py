# What the two listeners share: a thread for each connection, and how an answer is sent and a connection ended as a plan wants it.

import select
import socket
import socketserver
import ssl
import time

import answers
from strict_http import READ_TIMEOUT, Reader

LINGER = 2      # seconds for the client to go by itself; then it is cut off


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, handler, records):
        self.records = records
        super().__init__(('127.0.0.1', port), handler)

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        super().handle_error(request, client_address)       # the traceback, on stderr
        self.records.violation(0, 'trouble', 'the endpoint itself failed; see stderr')


class Connection(socketserver.BaseRequestHandler):
    """Each request has its connection; a second one in it is a violation (strict_http.read_body)."""

    def setup(self):
        self.number = self.server.records.new_connection()
        self.sock = self.request
        self.sock.settimeout(READ_TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self):
        try:
            self.serve(Reader(self.sock))
        except (ssl.SSLError, OSError) as error:
            self.log(f'the client has gone: {error}')

    def log(self, text):
        self.server.records.log(self.number, text)

    def note(self, kind, text):
        self.server.records.violation(self.number, kind, text)

    def send(self, pieces, pause=None):
        self.sock.settimeout(60)
        if pause is not None:
            pieces = [bytes([octet]) for octet in b''.join(pieces)]
        for piece in pieces:
            self.sock.sendall(piece)
            if pause is not None:
                time.sleep(pause / 1000)

    def begin(self, plan):
        if plan.slots:
            self.log(f'rule: {plan}')
        time.sleep((plan.argument('delay') or 0) / 1000)

    def answer(self, answer, plan):
        """Sends what the plan makes of the answer, and ends the connection."""
        self.begin(plan)
        instead = plan.action('instead')
        if instead == 'stall':
            return self.await_end(None)
        if instead == 'close-early':
            return self.cut()
        if instead == 'raw':
            pieces = [plan.argument('instead')]
        else:
            answer = answers.planned(answer, plan)
            self.log(f'answer: {answer.status} {answer.reason}')
            pieces = answers.octets(answer, plan)
        self.send(pieces, plan.argument('trickle'))
        framing = plan.action('framing')
        if framing in ('close-late', 'no-length-cut'):
            return self.cut()
        if framing == 'keep-open':
            return self.await_end(None)
        self.close()

    def cut(self):
        """FIN, without close_notify."""
        self.sock.shutdown(socket.SHUT_WR)      # forgets the TLS of an SSLSocket
        self.await_end(LINGER)

    def close(self):
        """close_notify, FIN."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.setblocking(False)        # it shall be sent; the client's is not waited for
            try:
                self.sock = self.sock.unwrap()
            except (ssl.SSLError, OSError, ValueError):
                pass
        self.cut()

    def await_end(self, seconds):
        """Reads, so that nothing unread makes a RST of our FIN, until the client has gone."""
        end = None if seconds is None else time.monotonic() + seconds
        self.sock.settimeout(seconds)
        try:
            while end is None or time.monotonic() < end:
                if not self.sock.recv(16384):
                    break
        except (ssl.SSLError, OSError):
            pass

    def finish(self):
        self.sock.close()


def copy_both_ways(one, other):
    """Until both have ended."""
    peers = {one: other, other: one}
    while peers:
        for sock in select.select(list(peers), [], [])[0]:
            try:
                data = sock.recv(65536)
                if data:
                    peers[sock].sendall(data)
            except OSError:
                return
            if not data:
                try:
                    peers[sock].shutdown(socket.SHUT_WR)
                except OSError:
                    return
                del peers[sock]
