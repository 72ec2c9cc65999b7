/*
 * Any octets as a file of the queue. Whatever it is, there is an answer, and no more memory is taken than the file is worth. What can be used holds nothing that could not stand
 * in an SMTP command, can be written to, and says the same when it is read again.
 *
 * The first octet says how the rest is used: as the file, which may get the checksum that it should have; or as records and envelope in a file that is good otherwise.
 */
#include <sanitizer/allocator_interface.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "queue/spool_format.h"

#define ID		"00000000010123456789abcdef"
#define MESSAGE		"Subject: x\r\n\r\nhello\r\n"

enum how { SUM = 1, BUILD = 2, COMPLETE = 4, MANY = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64], path[128];
static struct spool queue;
static size_t largest;		/* piece of memory that was asked for */

static void
must(bool good)
{
	if (!good)
		abort();
}

/* Nothing here has to survive a power failure. */
int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static void
note_memory(const volatile void *p, size_t n)
{
	(void)p;
	if (n > largest)
		largest = n;
}

static void
ignore_memory(const volatile void *p)
{
	(void)p;
}

static void
remove_directory(void)
{
	char failed[128];

	(void)snprintf(failed, sizeof(failed), "%s/failed", directory);
	(void)unlink(path);
	(void)rmdir(failed);
	(void)rmdir(directory);
}

static void
open_queue(void)
{
	struct outcome o;

	(void)strlcpy(directory, "/tmp/fuzz_spool.XXXXXX", sizeof(directory));
	must(mkdtemp(directory) != NULL && spool_open(&queue, directory, &o) == 0);
	(void)snprintf(path, sizeof(path), "%s/%s", directory, ID);
	must(atexit(remove_directory) == 0);
	must(__sanitizer_install_malloc_and_free_hooks(note_memory, ignore_memory) != 0);
}

/* The checksum that belongs there, if it is a file at all. */
static void
mend_sum(struct buf *b)
{
	struct spool_lengths l;
	struct spool_item item;
	struct buf end = {0};
	uint64_t sum, at;

	if (b->len < SPOOL_HEAD_SIZE || spool_read_head(b->data, &l, &item) != NULL)
		return;
	at = SPOOL_HEAD_SIZE + (l.recipients + 1) * SPOOL_RECORD_SIZE;
	if (at + l.envelope + l.message + SPOOL_END_SIZE != b->len)
		return;
	sum = spool_sum(spool_sum(SPOOL_SUM_BEGIN, b->data, SPOOL_STATE_AT), b->data + at, l.envelope + l.message);
	spool_add_end(&end, sum);
	memcpy(b->data + b->len - end.len, end.data, end.len);
	buf_free(&end);
}

/* One record of the next octets. The first one chooses the state (a few are none), whether an outcome begins well, and how much text there is. */
static void
build_record(struct buf *b, const uint8_t **data, size_t *size)
{
	static const char states[] = {SPOOL_PENDING, SPOOL_DONE, SPOOL_FAILED, SPOOL_TOLD};
	size_t from = b->len, n;
	uint8_t how = 0;

	if (*size > 0) {
		how = *(*data)++;
		--*size;
	}
	n = *size < how / 16 * 8U ? *size : how / 16 * 8U;
	buf_putc(b, (how & 8) == 0 ? states[how % 4] : (char)how);
	buf_puts(b, (how & 4) != 0 ? " 75 rcpt 450 4.2.0|" : "");
	buf_add(b, *data, n);
	*data += n;
	*size -= n;
	while (b->len - from < SPOOL_RECORD_SIZE - 1)
		buf_putc(b, ' ');
	buf_putc(b, '\n');
}

static void
end_line(struct buf *b)
{
	if (b->len > 0 && b->data[b->len - 1] != '\n')
		buf_putc(b, '\n');
}

/* Octets that stand in no envelope stand for a line that begins, or for an address. */
static void
build_envelope(struct buf *b, const uint8_t *data, size_t size)
{
	static const char *const words[] = {
		"created 1", "sender ", "ret HDRS", "envid ", "domain x", "notify 1", "utf8 1", "requiretls 1", "sender-is-local 1", "rcpt ", "rcpt-notify 2", "rcpt-original ",
		"rcpt-orcpt rfc822;", "a@x.org", "\"a b\"@", "[127.0.0.1]",
	};

	for (size_t i = 0; i < size; i++) {
		if (data[i] >= 0xf0 && data[i] < 0xfd)
			end_line(b);
		if (data[i] >= 0xf0)
			buf_puts(b, words[data[i] - 0xf0]);
		else
			buf_putc(b, (char)data[i]);
	}
}

/* A file with these records and this envelope. */
static void
build(struct buf *b, unsigned how, const uint8_t *data, size_t size)
{
	struct spool_lengths l = {.recipients = (how & MANY) != 0 ? 1 + how / 16 : 1, .message = strlen(MESSAGE)};
	struct spool_item item = {.next = 1000};
	struct buf records = {0}, envelope = {0};

	for (uint64_t i = 0; i <= l.recipients; i++)
		build_record(&records, &data, &size);
	if ((how & COMPLETE) != 0)
		buf_puts(&envelope, "created 1000\nsender a@x.org\n");
	build_envelope(&envelope, data, size);
	if ((how & COMPLETE) != 0)
		end_line(&envelope);
	for (uint64_t i = 0; (how & COMPLETE) != 0 && i < l.recipients; i++)
		buf_puts(&envelope, "rcpt b@x.org\n");
	l.envelope = envelope.len;
	spool_add_head(b, &l);
	spool_add_state(b, &item);
	buf_add(b, records.data, records.len);
	buf_add(b, envelope.data, envelope.len);
	buf_puts(b, MESSAGE);
	spool_add_end(b, 0);
	buf_free(&records);
	buf_free(&envelope);
}

static void
write_file(const struct buf *b)
{
	int fd;

	(void)unlink(path);	/* faster than O_TRUNC, after which some file systems write to the disk */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(fd != -1 && write(fd, buf_str(b), b->len) == (ssize_t)b->len);
	(void)close(fd);
}

/* Not NULL where it must not be, and without anything that ends a line or a string of a protocol. */
static void
check_text(const char *text, bool needed)
{
	must(text != NULL || !needed);
	for (; text != NULL && *text != '\0'; text++)
		must((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void
check_notify(unsigned notify)
{
	must(notify < 16 && (notify == DSN_NEVER || (notify & DSN_NEVER) == 0));
}

static void
check_item(const struct spool_item *item)
{
	const struct envelope *e = &item->envelope;

	must(e->count > 0 && e->count <= SPOOL_RECIPIENTS_MAX && item->created > 0);
	check_text(e->sender, true);
	check_text(e->domain, false);
	check_text(e->envid, false);
	check_text(e->ret, false);
	check_notify(e->notify);
	for (size_t i = 0; i < e->count; i++) {
		const struct recipient *r = &e->rcpt[i];
		enum spool_state state = item->state[i];

		check_text(r->path, true);
		check_text(r->original, false);
		check_text(r->orcpt, false);
		check_notify(r->notify);
		must(state == SPOOL_PENDING || state == SPOOL_DONE || state == SPOOL_FAILED || state == SPOOL_TOLD);
		must(r->state == (state == SPOOL_PENDING ? RCPT_PENDING : state == SPOOL_DONE ? RCPT_DONE : RCPT_FAILED));
	}
}

static void
check_same_outcome(const struct outcome *a, const struct outcome *b)
{
	must((a != NULL && a->status != 0) == (b != NULL && b->status != 0));
	if (a != NULL && b != NULL)
		must(a->status == b->status && a->stage == b->stage && a->code == b->code);
}

static void
check_same(const struct spool_item *a, const struct spool_item *b)
{
	must(a->next == b->next && a->tried == b->tried && a->asked == b->asked && a->waited == b->waited && a->attempts == b->attempts && a->held == b->held && a->warned == b->warned && a->created == b->created);
	must(a->envelope.count == b->envelope.count && a->size == b->size && a->message_at == b->message_at);
	check_same_outcome(&a->error, &b->error);
	for (size_t i = 0; i < a->envelope.count; i++) {
		must(a->state[i] == b->state[i] && strcmp(a->envelope.rcpt[i].path, b->envelope.rcpt[i].path) == 0);
		check_same_outcome(a->envelope.rcpt[i].fate, b->envelope.rcpt[i].fate);
	}
}

/* The first answer; what is good must be so again once it was written to. */
static enum spool_answer
check(bool whole, size_t size)
{
	struct spool_item item, again;
	enum spool_answer answer;
	struct outcome o;
	struct message m;

	largest = 0;
	answer = spool_get(&queue, ID, whole, &item, &o);
	must(largest <= 16 * size + (1 << 20));
	if (answer != SPOOL_OK) {
		must(answer == SPOOL_BROKEN && item.fd == -1 && o.status != 0 && o.what[0] != '\0' && o.why[0] != '\0');
		return answer;
	}
	check_item(&item);
	if (spool_message(&item, &m, &o) == -1)
		must(o.status != 0 && o.what[0] != '\0');
	message_free(&m);
	must(spool_update(&item, &o) == 0);
	(void)close(item.fd);	/* and nothing else: item is still needed */
	item.fd = -1;
	must(spool_get(&queue, ID, whole, &again, &o) == SPOOL_OK);
	check_same(&item, &again);
	spool_item_close(&again);
	spool_item_close(&item);
	return answer;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = {0};
	enum spool_answer quick, whole;

	if (queue.path == NULL)
		open_queue();
	if (size == 0)
		return 0;
	if ((data[0] & BUILD) != 0)
		build(&b, data[0], data + 1, size - 1);
	else
		buf_add(&b, data + 1, size - 1);
	if ((data[0] & SUM) != 0)
		mend_sum(&b);
	write_file(&b);
	quick = check(false, b.len);
	write_file(&b);
	whole = check(true, b.len);
	must(whole == SPOOL_BROKEN || quick == SPOOL_OK);
	buf_free(&b);
	return 0;
}
