# Answers, good ones and those that a plan (rules.py) makes of them.

import email.utils
import http
import json
import time

HTML = b'<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Welcome to the guest network</h1></body></html>\n'


class Answer:
    def __init__(self, status, body=b'', content_type=None, headers=(), reason=None):
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = list(headers)
        self.reason = reason or reason_of(status)


def reason_of(status):
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return 'Unheard Of'


def json_answer(status, members, headers=()):
    return Answer(status, json.dumps(members).encode(), 'application/json;charset=UTF-8',
                  [('Cache-Control', 'no-store'), ('Pragma', 'no-cache'), *headers])


def error_answer(status, error, description=None, headers=()):
    members = {'error': error}
    if description is not None:
        members['error_description'] = description
    return json_answer(status, members, headers)


def planned(answer, plan):
    """The answer that the plan has in place of this one."""
    action, argument = plan.action('answer'), plan.argument('answer')
    if action == 'status':
        status, error, description = argument
        answer = error_answer(status, error, description) if error else Answer(status, reason_of(status).encode() + b'\n', 'text/plain')
    elif action == 'retry-after':
        seconds, status = argument
        answer = error_answer(status, 'temporarily_unavailable', 'Too many requests.', [('Retry-After', seconds)])
    elif action == 'html':
        answer = Answer(200, HTML, 'text/html; charset=utf-8')
    elif action == 'redirect':
        answer = Answer(302, headers=[('Location', argument)])
    if plan.action('body') == 'body':
        if action is None:
            answer = Answer(200, content_type='application/json')
        answer.body = plan.argument('body')
    elif plan.action('body') == 'huge':
        answer.body = padded(answer.body, plan.argument('body'))
    if plan.action('type'):
        answer.content_type = plan.argument('type') or None
    return answer


def padded(body, size):
    """The same JSON object, with a member more that makes it that long."""
    before, after = body.rstrip()[:-1] + b', "padding": "', b'"}'
    return before + b'x' * (size - len(before) - len(after)) + after


def octets(answer, plan):
    """What is sent, in pieces, each a write of its own; the first ends within the body if the plan says so."""
    framing = plan.action('framing')
    lines = list(answer.headers)
    if answer.content_type is not None:
        lines.insert(0, ('Content-Type', answer.content_type))
    lines.append(('Date', email.utils.formatdate(time.time(), usegmt=True)))
    pieces = [answer.body] if answer.body else []
    if framing in ('chunked', 'chunked-bad'):
        lines.append(('Transfer-Encoding', 'chunked'))
        pieces = chunks(answer.body) if framing == 'chunked' else bad_chunks(answer.body, plan.argument('framing'))
    if framing not in ('chunked', 'chunked-bad', 'no-length', 'no-length-cut') or plan.argument('framing') == 'both':
        lines.append(('Content-Length', str(len(answer.body))))
    lines.append(('Connection', 'keep-alive' if framing == 'keep-open' else 'close'))
    for i in range(plan.argument('headers') or 0):
        lines.append((f'X-Padding-{i + 1}', 'padding'))
    if plan.action('longline'):
        lines.append(('X-Long', 'x' * (plan.argument('longline') - len('X-Long: '))))
    head = f'HTTP/1.1 {answer.status} {answer.reason}\r\n'
    for name, value in lines:
        head += f'{name.lower()}: \t {value} \t \r\n' if plan.action('lowercase') else f'{name}: {value}\r\n'
    head = (head + '\r\n').encode('latin-1', 'replace')
    if plan.action('continue'):
        pieces.insert(0, b'HTTP/1.1 100 Continue\r\n\r\n' + head)
    else:
        pieces.insert(0, head)
    if framing in ('close-late', 'no-length-cut'):
        cut = plan.argument('framing') or None
        whole = b''.join(pieces)
        pieces = [whole[:cut if cut is not None else len(whole) - len(answer.body) + len(answer.body) // 2]]
    return pieces


def chunks(body):
    """Odd sizes, extensions, a trailer; the pieces end within the lines of the sizes."""
    text = b''
    sizes = [1, 7, 2, 13, 3, 31]
    extensions = [b'', b';name=value', b'; quoted="a;b\\"c"', b';flag']
    position = number = 0
    while position < len(body):
        size = min(sizes[number % len(sizes)], len(body) - position)
        form = (b'%x', b'%X', b'000%x')[number % 3]
        text += form % size + extensions[number % len(extensions)] + b'\r\n' + body[position:position + size] + b'\r\n'
        position += size
        number += 1
    text += b'00;last=yes\r\nX-Trailer: one\r\nX-Other-Trailer: two\r\n\r\n'
    return [text[i:i + 11] for i in range(0, len(text), 11)]


def bad_chunks(body, kind):
    half = len(body) // 2
    first, second, end = body[:half], body[half:], b'0\r\n\r\n'
    good = b'%x\r\n%s\r\n' % (half, first)
    last = b'%x\r\n%s\r\n' % (len(second), second)
    return [{
        'size': good + b'xyz\r\n' + second + b'\r\n' + end,
        'negative': good + b'-%x\r\n' % len(second) + second + b'\r\n' + end,
        'overflow': good + b'f' * 16 + b'%x\r\n' % len(second) + second + b'\r\n' + end,
        'crlf': b'%x\r\n%s' % (half, first) + last + end,
        'short': good + last,
        'both': good + last + end,
    }[kind]]
