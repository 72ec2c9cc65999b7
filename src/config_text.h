/*
 * What config.c (the file's grammar), config_scan.c (its text before that) and config_source.c (where it comes from, the environment's short form)
 * share.
 */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include <stdbool.h>
#include "config.h"
#include "mem.h"

/*
 * Adds the text of a file to out as libconfuse has to see it: without comments, lines kept; where the program runs with rights that its caller
 * lacks (privileged), with every "${" in double quotes escaped. NULL; or what is wrong, with its line in *line, in words that hold nothing of the
 * text: a string, comment or section that does not end, and "${" in a password (which may well hold these octets) or, privileged, outside quotes.
 * The caller wipes out.
 */
const char *config_scan(struct buf *out, const char *text, bool privileged, unsigned *line);

/*
 * Parses the text that config_scan() has made into c, which holds the defaults, and checks it. path is for messages; quiet: messages tell file and line, nothing of the text. -1: 78.
 */
int config_parse(struct config *c, const char *text, const char *path, bool quiet, struct outcome *o);

/* Notes where the value of an option came from; section and name are copied, variable is static. */
void config_note(struct config *c, const char *section, const char *name, unsigned line, const char *variable);

/* A port number in decimal without a leading zero; *why is NULL, or what is wrong with it. */
long config_port(const char *text, const char **why);

uint16_t config_default_port(enum tls_mode tls);

/* By form: a host name or numeric address in ASCII; a mailbox with a domain (checked in full when it is used). */
bool config_is_host(const char *s);
bool config_is_address(const char *s);

/* True where the option is a secret in itself, as text: "password", "tls-key-password", "client-secret" ... */
bool config_is_secret(const char *option);

#endif
