/*
 * The files in which a test finds what happened: dialogue, violations, auth,
 * and N.env and N.msg for each accepted transaction.
 *
 * Every line is one write() to a file opened for appending, so that lines of
 * several connections never mix.  Everything is written before the client is
 * answered: once it has the reply, the record is there.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smarthost.h"

#define SHOWN_MAX	2000	/* octets of a line that the dialogue shows */

static void
append(const struct conn *c, const char *file, const char *line, size_t len)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", c->opt->dir, file);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, len) != (ssize_t)len)
		fprintf(stderr, "smarthost: %s: cannot be written\n", path);
	if (fd >= 0)
		close(fd);
}

/* Controls as \xHH, everything else as it is.  Returns the length. */
static size_t
printable(char *dst, size_t size, const char *src, size_t len)
{
	unsigned char ch;
	size_t i, n = 0;

	for (i = 0; i < len && n + 5 < size; i++) {
		ch = (unsigned char)src[i];
		if (ch < ' ' || ch == 0x7f)
			n += (size_t)snprintf(dst + n, size - n, "\\x%02x", ch);
		else
			dst[n++] = src[i];
	}
	dst[n] = '\0';
	return n;
}

void
record_line(const struct conn *c, char mark, const char *text, size_t len)
{
	char line[4 * SHOWN_MAX + 128], more[48] = "";
	size_t n;

	if (len > SHOWN_MAX) {
		snprintf(more, sizeof(more), " (%zu octets)", len);
		len = SHOWN_MAX;
	}
	n = (size_t)snprintf(line, sizeof(line), "%u %s %c: ", c->id,
	    c->ssl != NULL ? "tls" : "clear", mark);
	n += printable(line + n, sizeof(line) - n - sizeof(more), text, len);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s\n", more);
	append(c, "dialogue", line, n);
}

void
record_event(const struct conn *c, char mark, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	record_line(c, mark, text, strlen(text));
}

void
record_violation(const struct conn *c, const char *kind, const char *fmt, ...)
{
	char text[1024], shown[4096], line[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable(shown, sizeof(shown), text, strlen(text));
	n = snprintf(line, sizeof(line), "%u %s: %s\n", c->id, kind, shown);
	append(c, "violations", line, (size_t)n);
	record_event(c, '#', "violation: %s: %s", kind, text);
}

static void
field(char *line, size_t size, const char *name, const char *value)
{
	size_t n = strlen(line);

	if (value == NULL)
		return;
	n += (size_t)snprintf(line + n, size - n, " %s=[", name);
	n += printable(line + n, size - n - 2, value, strlen(value));
	snprintf(line + n, size - n, "]");
}

void
record_auth(const struct conn *c, const char *mechanism, const char *authzid,
    const char *user, const char *secret)
{
	static const size_t size = 8 * LINE_SIZE;
	char *line;

	if ((line = malloc(size)) == NULL)
		abort();
	snprintf(line, size, "%u %s %s", c->id,
	    c->ssl != NULL ? "tls" : "clear", mechanism);
	field(line, size / 2, "authzid", authzid);
	field(line, size / 2 + size / 4, "user", user);
	field(line, size - 1, "password", secret);
	strlcat(line, "\n", size);
	append(c, "auth", line, strlen(line));
	free(line);
}

static bool
write_env(struct conn *c, const char *path, const char *sha256)
{
	FILE *fp;

	if ((fp = fopen(path, "w")) == NULL)
		return false;
	fprintf(fp, "connection %u\nehlo %s\ntls %s\nauth %s %s\n", c->id,
	    c->ehlo, tls_version(c),
	    c->authenticated ? c->auth_mechanism : "none", c->auth_user);
	fprintf(fp, "mail %s\n", c->tx.sender);
	fwrite(c->tx.recipient, 1, c->tx.recipient_len, fp);
	if (c->sink.chunks > 0)
		fprintf(fp, "by BDAT %u\n", c->sink.chunks);
	else
		fprintf(fp, "by DATA\n");
	fprintf(fp, "size %llu\nsha256 %s\ncontent %s\n", c->sink.size, sha256,
	    c->sink.eight ? "8bit" : "7bit");
	return fclose(fp) == 0;
}

bool
record_message(struct conn *c, const char *sha256)
{
	char path[PATH_MAX], made[PATH_MAX];
	unsigned n;

	n = ++c->tally->transactions;
	snprintf(path, sizeof(path), "%s/%u.msg", c->opt->dir, n);
	if (!c->opt->no_store && rename(c->sink.path, path) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/%u.env", c->opt->dir, n);
	snprintf(made, sizeof(made), "%s/.env.%u", c->opt->dir, n);
	if (!write_env(c, made, sha256) || rename(made, path) < 0)
		return false;
	record_event(c, '#', "stored as %u", n);
	return true;
}
