/*
 * The message on the wire: dot-stuffed behind DATA (RFC 5321 section 4.5.2), or as it is in one chunk behind BDAT (RFC 3030).
 */
#ifndef SMTP_BODY_H
#define SMTP_BODY_H

#include "mail/message.h"
#include "net/stream.h"

/*
 * Writes header, empty line and body to the stream, without its end of data. stuffed: a dot is put before each line that begins with one. Not flushed. -1: the
 * stream's error, or (s->error is STREAM_OK then) the body could not be read back: o is filled in, 74.
 */
int body_write(struct stream *s, struct message *m, bool stuffed, struct outcome *o);

#endif
