/*
 * Signing in: SASL over SMTP (RFC 4954) with the best mechanism that both sides have (sasl.h).
 *
 * This room owns the secret from the moment it is fetched: it is overwritten in the function that fetched it, never traced, and
 * masked in whatever the smarthost says while signing in.
 */
#ifndef SMTP_AUTH_H
#define SMTP_AUTH_H

#include "config.h"
#include "net/stream.h"
#include "smtp/capability.h"
#include "trace.h"

/*
 * True where the smarthost is to be signed in to: it has a user, a token, or EXTERNAL is asked for.
 */
bool auth_wanted(const struct smarthost *h);

/*
 * Signs in. A mechanism that the smarthost offers and then does not know (504) is followed by the next; a refused password is not tried again in another. So is a
 * channel binding that is refused before our proof has gone, by the other type and then by the next mechanism; and a mechanism to which the account has to be moved
 * first (432). A smarthost that does not prove in SCRAM that it knows the password, or sees another TLS connection than ours, is not believed (76). A token that
 * was kept and is refused is fetched anew and tried once more.
 * mechanism (of 32 octets) tells which one it was. -1: o: 77 refused, not offered, or none in common; 75; 76; 78 the secret cannot be had. Octets of a
 * password are sent as they are.
 */
int auth_sign_in(struct stream *s, const struct smarthost *h, const struct capability *cap, struct trace *t, char *mechanism, struct outcome *o);

#endif
