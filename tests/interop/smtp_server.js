// A submission server on smtp-server, for smtp-server.t: PrivateScript.pm says what
// it is given and what it writes, PrivateSmtpServer.pm what it offers.

'use strict';

const fs = require('fs');
const { SMTPServer } = require('smtp-server');

const domain = process.argv[2];
const sizeLimit = Number(process.argv[3]);
const lines = path => fs.readFileSync(path, 'utf8').split('\n').slice(0, -1);
const credentials = lines('/tmp/accounts');
const accounts = new Map();
for (let i = 0; i < credentials.length; i += 2) {
	accounts.set(credentials[i], credentials[i + 1]);
}
const mailboxes = new Set(lines('/tmp/mailboxes').map(name => `${name}@${domain}`));
const [token] = lines('/tmp/token');
const numbers = new Map();	// of sessions, by the library's names for them
let sessions = 0;
let messages = 0;

function log(text) {
	fs.appendFileSync('/var/log/mail.log', text + '\n');
}

function refusal(code, text) {
	return Object.assign(new Error(text), { responseCode: code });
}

function onConnect(session, callback) {
	numbers.set(session.id, ++sessions);
	log(`begin ${sessions}`);
	callback();
}

// Also called for those that ended before they began.
function onClose(session) {
	if (numbers.has(session.id)) {
		log(`end ${numbers.get(session.id)}`);
		numbers.delete(session.id);
	}
}

function isRight(auth) {
	const password = accounts.get(auth.username);
	if (password === undefined) {
		return false;
	}
	switch (auth.method) {
	case 'XOAUTH2':
		return auth.accessToken === token;
	case 'CRAM-MD5':
		return auth.validatePassword(password);
	default:
		return auth.password === password;
	}
}

function onAuth(auth, session, callback) {
	const right = isRight(auth);
	log(`${right ? 'auth' : 'refused'} ${auth.method}`);
	callback(null, right ? { user: auth.username } :
		{ data: { status: '401', schemes: 'bearer', scope: `mail.${domain}` } });
}

function onRcptTo(address, session, callback) {
	callback(mailboxes.has(address.address) ? null :
		refusal(550, `<${address.address}>: no such user here`));
}

// The parameters of MAIL or RCPT, their xtext undone by the library.
function parameters(args) {
	return Object.entries(args || {})
		.map(([key, value]) => value === true ? key : `${key}=${value}`).join(' ');
}

function store(envelope, content) {
	const path = `/var/mail/${String(++messages).padStart(6, '0')}`;
	const commands = [['mail', envelope.mailFrom],
		...envelope.rcptTo.map(to => ['rcpt', to])];
	fs.writeFileSync(`${path}.msg`, content);
	fs.writeFileSync(`${path}.env`, commands.map(([name, address]) =>
		`${name} <${address.address}> ${parameters(address.args)}\n`).join(''));
}

function onData(stream, session, callback) {
	const pieces = [];
	stream.on('data', piece => pieces.push(piece));
	stream.on('end', () => {
		if (stream.sizeExceeded) {
			callback(refusal(552, 'the message is too large'));
			return;
		}
		store(session.envelope, Buffer.concat(pieces));
		callback(null, 'stored');
	});
}

const common = {
	name: `mx.${domain}`, disableReverseLookup: true, size: sizeLimit,
	key: fs.readFileSync('/tmp/tls/server.key'),
	cert: fs.readFileSync('/tmp/tls/server.pem'),
	authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'],
	onConnect, onClose, onAuth, onRcptTo, onData,
};
const servers = {
	587: new SMTPServer({ ...common, hideDSN: false, hideREQUIRETLS: false,
		hideENHANCEDSTATUSCODES: false }),
	465: new SMTPServer({ ...common, secure: true, hidePIPELINING: true,
		hideSize: true }),
};
let waiting = 2;
for (const port of Object.keys(servers)) {
	// A client that does not trust the certificate is an error, too.
	servers[port].on('error', error => console.error(`port ${port}: ${error}`));
	servers[port].listen(Number(port), '127.0.0.1', () => {
		if (--waiting === 0) {
			log('ready');
		}
	});
}
