# What the endpoint writes down, each thing before the client has the answer to it. The files are those of README.

import json
import os
import threading

OWN = ('port', 'proxy-port', 'pid', 'requests', 'connects', 'violations', 'tokens', 'refresh-token', 'log')


class Records:
    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.Lock()
        self.connections = 0
        os.makedirs(directory, exist_ok=True)
        for name in OWN:
            if os.path.lexists(self.path(name)):
                os.unlink(self.path(name))
        for name in ('requests', 'connects', 'violations', 'tokens', 'log'):
            self.append(name, '')

    def path(self, name):
        return os.path.join(self.directory, name)

    def append(self, name, text):
        with self.lock, open(self.path(name), 'a', encoding='utf-8', errors='backslashreplace') as file:
            file.write(text)

    def replace(self, name, text):
        """The file appears as a whole, or not."""
        with open(self.path(name + '.new'), 'w', encoding='utf-8') as file:
            file.write(text)
        os.rename(self.path(name + '.new'), self.path(name))

    def remove(self, name):
        if os.path.lexists(self.path(name)):
            os.unlink(self.path(name))

    def exists(self, name):
        return os.path.exists(self.path(name))

    def new_connection(self):
        with self.lock:
            self.connections += 1
            return self.connections

    def request(self, request):
        self.append('requests', json.dumps(request) + '\n')

    def connect(self, request):
        self.append('connects', json.dumps(request) + '\n')

    def token(self, token):
        self.append('tokens', token + '\n')

    def log(self, connection, text):
        self.append('log', f'{connection}: {printable(text)}\n')

    def violation(self, connection, kind, text):
        self.append('violations', f'{connection} {kind}: {printable(text)}\n')
        self.log(connection, f'violation {kind}: {text}')


def printable(text):
    return ''.join(c if ' ' <= c <= '~' else c.encode('unicode_escape').decode() for c in text)
