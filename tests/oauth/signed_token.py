# JSON Web Tokens signed with RS256 (RFC 7515, RFC 7519), verified. Malformed is what no working client sends whatever its configuration,
# Wrong what comes of another key, another account, another clock.

import base64
import hashlib
import hmac
import json
import re
import ssl
import subprocess

LIFETIME_MAX = 3600
SKEW = 5        # seconds that a clock or a slow test may be off
SHA256_INFO = bytes.fromhex('3031300d060960864801650304020105000420')   # DigestInfo, RFC 8017 section 9.2


class Malformed(Exception):
    pass


class Wrong(Exception):
    pass


def openssl(*args, data):
    return subprocess.run(['openssl', *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b'=').decode()


def decode(text):
    if not re.fullmatch('[A-Za-z0-9_-]*', text) or len(text) % 4 == 1:
        raise Malformed(f'no base64url: {text}')
    octets = base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    if encode(octets) != text:
        raise Malformed(f'bits left over in base64url: {text}')
    return octets


class Key:
    """The public key of a PEM file, which is a public key or a certificate. thumbprints: what x5t and x5t#S256 have to be."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            pem = file.read()
        self.thumbprints = {}
        if b'-----BEGIN CERTIFICATE-----' in pem:
            first = re.search(rb'-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', pem, re.S).group()
            der = ssl.PEM_cert_to_DER_cert(first.decode())
            self.thumbprints = {'x5t': encode(hashlib.sha1(der).digest()), 'x5t#S256': encode(hashlib.sha256(der).digest())}
            pem = openssl('x509', '-noout', '-pubkey', data=first)
        try:
            text = openssl('rsa', '-pubin', '-noout', '-modulus', '-text', data=pem).decode()
        except subprocess.CalledProcessError:
            raise ValueError(f'{path} has no RSA key') from None
        self.modulus = int(re.search('^Modulus=([0-9A-F]+)', text, re.M).group(1), 16)
        self.exponent = int(re.search(r'^Exponent: (\d+)', text, re.M).group(1))

    def verifies(self, signature, signed):
        """RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 section 8.2.2."""
        size = (self.modulus.bit_length() + 7) // 8
        number = int.from_bytes(signature, 'big')
        if len(signature) != size or number >= self.modulus:
            return False
        got = pow(number, self.exponent, self.modulus).to_bytes(size, 'big')
        tail = b'\0' + SHA256_INFO + hashlib.sha256(signed).digest()
        return hmac.compare_digest(got, b'\0\1' + b'\xff' * (size - 2 - len(tail)) + tail)


def json_object(octets):
    def unique(pairs):
        if len(dict(pairs)) != len(pairs):
            raise Malformed(f'a member twice in {octets!r}')
        return dict(pairs)

    try:
        value = json.loads(octets.decode(), object_pairs_hook=unique)
    except ValueError as error:
        raise Malformed(f'no JSON: {octets!r}: {error}') from None
    if not isinstance(value, dict):
        raise Malformed(f'no object: {octets!r}')
    return value


def read(text, key, audience, now):
    """The header and the claims of a token that key has signed for audience, at this time."""
    parts = text.split('.')
    if len(parts) != 3:
        raise Malformed(f'{len(parts)} parts')
    header, claims = (json_object(decode(part)) for part in parts[:2])
    only(header, {'alg', 'typ', 'kid', 'x5t', 'x5t#S256'}, strings={'alg', 'typ', 'kid', 'x5t', 'x5t#S256'})
    only(claims, {'iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'scope'}, strings={'iss', 'sub', 'aud', 'jti', 'scope'})
    if header.get('alg') != 'RS256':
        raise Malformed(f'alg {header.get("alg")}')
    if header.get('typ', 'JWT') != 'JWT':
        raise Malformed(f'typ {header["typ"]}')
    if not key.verifies(decode(parts[2]), '.'.join(parts[:2]).encode()):
        raise Wrong('Invalid JWT Signature.')
    if claims.get('aud') != audience:
        raise Wrong(f'The audience is {claims.get("aud")}, not {audience}.')
    check_times(claims, now)
    return header, claims


def only(members, names, strings):
    for name, value in members.items():
        if name not in names:
            raise Malformed(f'{name} is not known here')
        if name in strings and (not isinstance(value, str) or value == ''):
            raise Malformed(f'{name} is no string, or empty: {value!r}')


def check_times(claims, now):
    for name in ('exp', 'nbf', 'iat'):
        if name in claims and type(claims[name]) is not int:
            raise Malformed(f'{name} is no integer: {claims[name]!r}')
    if 'exp' not in claims:
        raise Malformed('no exp')
    if claims['exp'] <= now:
        raise Wrong(f'The token has expired at {claims["exp"]}; it is {now}.')
    if claims['exp'] > now + LIFETIME_MAX + SKEW or claims['exp'] - claims.get('iat', claims['exp']) > LIFETIME_MAX:
        raise Malformed(f'exp is {claims["exp"] - now} s from now, more than {LIFETIME_MAX}')
    for name in ('nbf', 'iat'):
        if claims.get(name, 0) > now + SKEW:
            raise Wrong(f'{name} is {claims[name] - now} s from now.')
