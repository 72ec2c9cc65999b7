/*
 * Any octets through the address parser: places are in bounds and in order, nothing that could end an SMTP line gets through, and what
 * passes the check means the same when it is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "mail/address.h"
#include "mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check_span(struct span s, size_t size)
{
	must(s.start <= s.end && s.end <= size);
}

static void
check_again(const struct mailbox *m)
{
	struct address_list l;
	char *path;

	if (m->domain == NULL || address_check(m->local, m->domain) != NULL)
		return;
	path = address_path(m->local, m->domain);
	must(strpbrk(path, "\r\n") == NULL && strlen(path) + 2 <= ADDRESS_PATH_MAX && address_same(path, path));
	address_parse(&l, path, strlen(path));
	must(l.count == 1 && l.errors == 0 && l.comments == 0);
	must(strcmp(l.mailbox[0].local, m->local) == 0 && strcmp(l.mailbox[0].domain, m->domain) == 0);
	address_free(&l);
	free(path);
}

static void
check_mailbox(const struct mailbox *m, size_t size)
{
	check_span(m->element, size);
	check_span(m->spec, size);
	check_span(m->name, size);
	must(m->spec.start >= m->element.start && m->spec.end <= m->element.end && m->spec.start < m->spec.end);
	must(strpbrk(m->local, "\r\n") == NULL);
	must(m->domain == NULL || (*m->domain != '\0' && strpbrk(m->domain, "\r\n \t") == NULL));
	check_again(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_ndup((const char *)data, size), *phrase = address_phrase(text);
	struct address_list l;

	address_parse(&l, text, size);
	for (size_t i = 0; i < l.count; i++)
		check_mailbox(&l.mailbox[i], size);
	for (size_t i = 0; i < l.errors; i++) {
		check_span(l.error[i].element, size);
		must(l.error[i].reason != NULL);
	}
	for (size_t i = 0; i < l.comments; i++) {
		check_span(l.comment[i], size);
		must(text[l.comment[i].start] == '(' && text[l.comment[i].end - 1] == ')');
		must(i == 0 || l.comment[i].start >= l.comment[i - 1].end);
	}
	must(strpbrk(phrase, "\r\n") == NULL);
	address_free(&l);
	free(phrase);
	free(text);
	return 0;
}
