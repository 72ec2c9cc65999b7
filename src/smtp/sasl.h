/*
 * SASL mechanisms over SMTP (RFC 4954 section 4): each as the dialogue that it is. For auth.c alone, which chooses one and judges its end.
 *
 * SCRAM (scram.h), EXTERNAL (RFC 4422), OAUTHBEARER (RFC 7628), XOAUTH2 (as Google and Microsoft document it), PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195).
 */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include "config.h"
#include "mem.h"
#include "net/stream.h"
#include "smtp/capability.h"
#include "smtp/reply.h"
#include "smtp/scram.h"
#include "trace.h"

struct sasl_mechanism;

/* One attempt to sign in. The caller takes response over and ends the attempt with buf_wipe() of it, challenge, proof and signature, and overwrites reply. */
struct sasl {
	const struct sasl_mechanism *mechanism;
	struct stream *stream;
	struct trace *trace;
	const struct smarthost *host;
	const struct capability *cap;
	const struct buf *secret;	/* the password or token; empty where the mechanism needs none */
	struct outcome *outcome;
	const struct buf *hidden;	/* what former attempts have sent: never to be shown either */
	size_t hides;
	struct buf proof;		/* what a mechanism that does not send the password sends in its place, and */
	struct buf signature;		/* what the smarthost proves itself with, in text: passwords can be tried on both */
	struct buf response;		/* what was last sent, in base64: never to be shown */
	struct buf challenge;		/* what a 334 said, decoded */
	bool decoded;			/* it could be */
	bool proof_sent;		/* SCRAM: our proof of the password has gone */
	bool owes_proof;		/* SCRAM: the smarthost has to prove that it knows the password, and has not yet */
	bool binding_refused;		/* it does not know our type of channel binding */
	bool cancelled;			/* the last thing said was "*" */
	bool intercepted;		/* it says that its TLS connection is not ours */
	struct reply reply;		/* the last one, secrets masked */
};

enum sasl_needs { SASL_CERTIFICATE, SASL_TOKEN, SASL_PASSWORD };

struct sasl_mechanism {
	const char *name;
	enum sasl_needs needs;
	int (*run)(struct sasl *);	/* 0: the last reply is the verdict; -1: outcome is filled in */
	enum scram_hash hash;
	enum tls_binding binding;
	enum cause refused;		/* what 535 means here; CAUSE_REPLY: what it says */
};

/* Best first. A mechanism stands there once for each type of channel binding, in the order to be tried. */
#define SASL_MECHANISMS	12
extern const struct sasl_mechanism sasl_mechanisms[SASL_MECHANISMS];

#endif
