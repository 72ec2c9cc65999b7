# The provider: which client, which grant, which token (RFC 6749, RFC 7523, RFC 8628). A refusal is what a provider would say to it; what no
# working client sends is a violation besides.

import secrets
import threading
import time

import signed_token
from answers import error_answer, json_answer

CLIENT_CREDENTIALS = 'client_credentials'
REFRESH_TOKEN = 'refresh_token'
JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

AUTHENTICATION = {'client_id', 'client_secret', 'client_assertion_type', 'client_assertion'}
# What there has to be, and what there may be besides.
PARAMETERS = {
    CLIENT_CREDENTIALS: ({'grant_type', 'client_id'}, AUTHENTICATION | {'scope'}),
    REFRESH_TOKEN: ({'grant_type', 'client_id', 'refresh_token'}, AUTHENTICATION | {'scope'}),
    JWT_BEARER: ({'grant_type', 'assertion'}, set()),
    DEVICE_CODE: ({'grant_type', 'client_id', 'device_code'}, AUTHENTICATION),
}
DEVICE_PARAMETERS = ({'client_id'}, AUTHENTICATION | {'scope'})
POLL_TOLERANCE = 0.05
SLOWER = 5      # RFC 8628 section 3.5: seconds that slow_down adds


class Refused(Exception):
    def __init__(self, error, description, status=400):
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class Device:
    """One authorization under way."""

    def __init__(self, interval, expires_in):
        self.code = secrets.token_urlsafe(24)
        self.interval = interval
        self.ends = time.monotonic() + expires_in
        self.polled = None
        self.used = False


class Provider:
    def __init__(self, options, records):
        self.options = options
        self.records = records
        self.lock = threading.Lock()
        self.tokens = 0
        self.refresh_tokens = 0
        self.jtis = set()
        self.devices = {}
        self.slow_down = options.slow_down
        self.client_key = signed_token.Key(options.client_cert) if options.client_cert else None
        self.service_key = signed_token.Key(options.service_key) if options.service_key else None
        if self.client_key and not self.client_key.thumbprints:
            raise ValueError(f'{options.client_cert} is no certificate')
        self.refresh_token = None
        self.set_refresh_token(options.refresh_token)

    def secrets(self):
        return [secret for secret in (self.options.client_secret, self.refresh_token) if secret]

    def set_refresh_token(self, token):
        self.refresh_token = token
        if token is not None:
            self.records.replace('refresh-token', token + '\n')

    # --- the two paths. form: the parameters; url: of the token endpoint, as the client has it; issue: False to go no further than to look

    def token(self, form, url, note, issue):
        grants = {CLIENT_CREDENTIALS: self.client_credentials, REFRESH_TOKEN: self.refresh,
                  JWT_BEARER: self.service_account, DEVICE_CODE: self.device}
        with self.lock:
            try:
                grant = form.get('grant_type')
                if grant not in grants:
                    note('grant', str(grant))
                    raise Refused('unsupported_grant_type' if grant else 'invalid_request', f'The grant type is {grant}.')
                self.check_parameters(form, note, *PARAMETERS[grant])
                issued = grants[grant](form, url, note, issue)
                return self.issue(issued) if issue else None
            except Refused as refused:
                return error_answer(refused.status, refused.error, refused.description)

    def device_authorization(self, form, url, note, issue):
        options = self.options
        with self.lock:
            try:
                if 'grant_type' in form:
                    note('parameter', 'grant_type')
                self.check_parameters(form, note, *DEVICE_PARAMETERS)
                self.check_client(form, url, note, demanded=False)
                self.check_scope(form.get('scope'), note)
            except Refused as refused:
                return error_answer(refused.status, refused.error, refused.description)
            if not issue:
                return None
            device = Device(5 if options.no_interval else options.interval, options.device_expires)
            self.devices[device.code] = device
        members = {'device_code': device.code, 'user_code': options.user_code, 'verification_uri': options.verification_uri,
                   'expires_in': options.device_expires}
        if not options.no_interval:
            members['interval'] = options.interval
        return json_answer(200, members)

    # --- the grants. Each raises Refused, or returns whether a refresh token comes with the access token

    def client_credentials(self, form, url, note, issue):
        self.check_client(form, url, note, demanded=True)
        self.check_scope(form.get('scope'), note)
        return False

    def refresh(self, form, url, note, issue):
        self.check_client(form, url, note, demanded=self.options.client_secret is not None)
        if self.refresh_token is not None and form['refresh_token'] != self.refresh_token:
            raise Refused('invalid_grant', 'AADSTS70000: The provided grant has expired due to it being revoked.')
        if 'scope' in form:
            self.check_scope(form['scope'], note)
        return self.options.rotate

    def service_account(self, form, url, note, issue):
        options = self.options
        if self.service_key is None:
            raise Refused('invalid_grant', 'There is no --service-key.')
        header, claims = self.read_token(form['assertion'], self.service_key, url, note, 'invalid_grant', 400)
        for name in ('iss', 'scope', 'iat'):
            if name not in claims:
                note('jwt', f'no {name}')
                raise Refused('invalid_grant', f'Invalid JWT: {name} is missing.')
        if options.service_account not in (None, claims['iss']):
            raise Refused('invalid_grant', 'Invalid grant: account not found')
        if options.key_id not in (None, header.get('kid')):
            raise Refused('invalid_grant', f'Invalid JWT: kid is {header.get("kid")}.')
        if options.subject not in (None, claims.get('sub')):
            raise Refused('unauthorized_client', 'Client is unauthorized to retrieve access tokens using this method.', 401)
        self.check_scope(claims['scope'], note)
        return False

    def device(self, form, url, note, issue):
        self.check_client(form, url, note, demanded=self.options.client_secret is not None)
        device = self.devices.get(form['device_code'])
        if device is None or device.used:
            raise Refused('invalid_grant', 'The device code is not known, or was used.')
        now, before, device.polled = time.monotonic(), device.polled, time.monotonic()
        if before is not None and now - before < device.interval - POLL_TOLERANCE:
            note('polling', f'{now - before:.2f} s behind the last, not {device.interval}')
            device.interval += SLOWER
            raise Refused('slow_down', 'Too fast.')
        if now >= device.ends:
            raise Refused('expired_token', 'The device code has expired.')
        if self.slow_down and issue:
            self.slow_down = False
            device.interval += SLOWER
            raise Refused('slow_down', 'Not so fast.')
        if self.records.exists('deny'):
            raise Refused('access_denied', 'The user has declined.')
        if not self.records.exists('approve'):
            raise Refused('authorization_pending', 'AADSTS70016: Authorization is pending.')
        device.used = issue
        return True

    # --- what they have in common

    def check_parameters(self, form, note, needed, possible):
        for name in sorted(form.keys() - needed - possible):
            note('parameter', name)
        missing = sorted(needed - form.keys())
        if missing:
            note('parameter', f'{" ".join(missing)} missing')
            raise Refused('invalid_request', f'{" ".join(missing)}: missing.')

    def check_client(self, form, url, note, demanded):
        options = self.options
        if options.client_id not in (None, form['client_id']):
            raise Refused('invalid_client', f'AADSTS700016: Application with identifier \'{form["client_id"]}\' was not found.', 401)
        assertion = {'client_assertion', 'client_assertion_type'} & form.keys()
        if assertion and 'client_secret' in form:
            note('client', 'client_secret and client_assertion')
            raise Refused('invalid_request', 'More than one client authentication.')
        if assertion:
            self.check_assertion(form, url, note)
        elif 'client_secret' in form:
            if options.client_secret not in (None, form['client_secret']):
                raise Refused('invalid_client', 'AADSTS7000215: Invalid client secret provided.', 401)
        elif demanded:
            raise Refused('invalid_client', 'AADSTS7000218: The request body must contain client_assertion or client_secret.', 401)

    def check_assertion(self, form, url, note):
        if form.get('client_assertion_type') != ASSERTION_TYPE or 'client_assertion' not in form:
            note('client', f'client_assertion_type {form.get("client_assertion_type")}')
            raise Refused('invalid_request', 'client_assertion and client_assertion_type do not fit.')
        if self.client_key is None:
            raise Refused('invalid_client', 'AADSTS700027: There is no --client-cert.', 401)
        header, claims = self.read_token(form['client_assertion'], self.client_key, url, note, 'invalid_client', 401)
        thumbprints = self.client_key.thumbprints
        given = thumbprints.keys() & header.keys()
        if not given:
            note('jwt', 'neither x5t nor x5t#S256')
            raise Refused('invalid_client', 'AADSTS5002730: No thumbprint.', 401)
        if any(header[name] != thumbprints[name] for name in given):
            raise Refused('invalid_client', 'AADSTS700027: The certificate with that thumbprint is not registered.', 401)
        if not claims.get('iss') == claims.get('sub') == form['client_id']:
            note('jwt', f'iss {claims.get("iss")}, sub {claims.get("sub")}, client_id {form["client_id"]}')
            raise Refused('invalid_client', 'AADSTS700021: iss and sub have to be the client_id.', 401)
        if 'jti' not in claims:
            note('jwt', 'no jti')
            raise Refused('invalid_client', 'No jti.', 401)

    def read_token(self, text, key, url, note, error, status):
        try:
            header, claims = signed_token.read(text, key, url, int(time.time()))
        except signed_token.Malformed as fault:
            note('jwt', str(fault))
            raise Refused(error, f'Invalid JWT: {fault}', status) from None
        except signed_token.Wrong as fault:
            raise Refused(error, str(fault), status) from None
        if 'jti' in claims:
            if claims['jti'] in self.jtis:
                note('jwt', f'jti {claims["jti"]} seen before')
                raise Refused(error, 'jti seen before.', status)
            self.jtis.add(claims['jti'])
        return header, claims

    def check_scope(self, scope, note):
        """As sets; they are as long as they are, so "a a" is not "a"."""
        if scope is not None and not all(word and all('!' <= c <= '~' and c not in '"\\' for c in word) for word in scope.split(' ')):
            note('scope', scope)
            raise Refused('invalid_scope', 'Malformed scope.')
        if self.options.scope is not None and sorted((scope or '').split(' ')) != sorted(self.options.scope.split(' ')):
            raise Refused('invalid_scope', f'AADSTS70011: The provided value for the input parameter \'scope\' is not valid: {scope}.')

    def issue(self, with_refresh_token):
        self.tokens += 1
        token = f'{self.options.token}-{self.tokens}'
        members = {'token_type': 'Bearer'}
        if not self.options.no_expires:
            members['expires_in'] = self.options.expires_in
        members['access_token'] = token
        if with_refresh_token:
            self.refresh_tokens += 1
            members['refresh_token'] = f'{self.options.token}-refresh-{self.refresh_tokens}'
            self.set_refresh_token(members['refresh_token'])
        self.records.token(token)
        return json_answer(200, members)
