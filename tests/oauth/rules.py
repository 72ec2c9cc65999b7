# Misbehaviour: "N ACTION ...", "N-M ACTION", "N- ACTION" for the N-th request. README has the actions.
#
# Each action fills one slot. All rules that fit a request are taken together; of two for the same slot the first.

import json
import re

SLOTS = {
    'delay': 'delay', 'trickle': 'trickle',
    'stall': 'instead', 'close-early': 'instead', 'raw': 'instead',
    'status': 'answer', 'retry-after': 'answer', 'html': 'answer', 'redirect': 'answer',
    'body': 'body', 'huge': 'body',
    'chunked': 'framing', 'chunked-bad': 'framing', 'no-length': 'framing', 'no-length-cut': 'framing', 'keep-open': 'framing',
    'close-late': 'framing',
    'headers': 'headers', 'longline': 'longline', 'continue': 'continue', 'type': 'type', 'lowercase': 'lowercase',
}
NUMBER = {'delay', 'trickle', 'huge', 'headers', 'longline'}
OCTETS = {'raw', 'body'}
NOTHING = {'stall', 'close-early', 'html', 'chunked', 'no-length', 'no-length-cut', 'keep-open', 'continue', 'lowercase'}
CHUNKED_BAD = ('size', 'negative', 'overflow', 'crlf', 'short', 'both')


class Rule:
    def __init__(self, text):
        match = re.fullmatch(r'(\d+)(-?)(\d*) +([a-z-]+)(?: +(.*))?', text, re.S)
        if not match or match.group(3) and not match.group(2) or match.group(4) not in SLOTS:
            raise ValueError(f'no rule: {text}')
        self.first = int(match.group(1))
        self.last = self.first if not match.group(2) else int(match.group(3)) if match.group(3) else None
        self.action = match.group(4)
        try:
            self.argument = argument(self.action, match.group(5) or '')
        except (ValueError, OSError) as error:
            raise ValueError(f'{text}: {error}') from None

    def fits(self, number):
        return number >= self.first and (self.last is None or number <= self.last)


def argument(action, text):
    """What the action needs, from the rest of the rule."""
    if action in NUMBER:
        return int(text)
    if action in OCTETS:
        if text.startswith('@'):
            with open(text[1:], 'rb') as file:
                return file.read()
        return bytes.fromhex(text)
    if action in NOTHING and text:
        raise ValueError(f'{action} takes nothing')
    if action == 'status':
        code, error, description = (text.split(None, 2) + [None, None])[:3]
        if description and description.startswith('"'):
            description = json.loads(description)
        return int(code), error, description
    if action == 'retry-after':
        match = re.fullmatch(r'(.+?)(?: +([45]\d\d))?', text)
        return match.group(1), int(match.group(2) or 429)
    if action == 'close-late':
        return int(text) if text else None
    if action == 'chunked-bad':
        if text and text not in CHUNKED_BAD:
            raise ValueError(f'one of {" ".join(CHUNKED_BAD)}')
        return text or CHUNKED_BAD[0]
    if action == 'redirect' and not text:
        raise ValueError('where to?')
    return text


class Plan:
    """What the rules want for one request. Empty: all as it should be."""

    def __init__(self, rules, number):
        self.slots = {}
        for rule in rules:
            if rule.fits(number):
                self.slots.setdefault(SLOTS[rule.action], rule)

    def action(self, slot):
        return self.slots[slot].action if slot in self.slots else None

    def argument(self, slot):
        return self.slots[slot].argument if slot in self.slots else None

    def replaces(self):
        """True if the client gets something else than what it asked for; then nothing is issued."""
        return 'instead' in self.slots or 'answer' in self.slots or self.action('body') == 'body'

    def __str__(self):
        return ', '.join(rule.action for rule in self.slots.values())
