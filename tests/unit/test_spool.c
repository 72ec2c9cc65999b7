/*
 * The queue on disk: what is put in comes back, all of it and nothing else, whatever befalls the file, the system or the process.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "clock.h"
#include "mail/address.h"
#include "message_input.h"
#include "printable.h"
#include "queue/spool_format.h"

#define ANY_ID		"00000000010123456789abcdef"	/* an identifier that is made up */
#define NOBODY		65534				/* a user who is not root */
#define SKIPPED		77				/* what a child says, after the reason, where the machine does not let it */
#define WAIT		20000				/* milliseconds that anything may take */
#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* In a child, where nothing may be asserted. */
#define EXPECT(x) \
	do { \
		if (!(x)) { \
			(void)fprintf(stderr, "# line %d: %s\n", __LINE__, #x); \
			return 1; \
		} \
	} while (0)

/*
 * The system's calls that write: each is noted by a letter, and the one that is chosen fails. A definition of the program's own comes before the C library's. Nothing is
 * really synced: what counts is that it was asked for, and when.
 */
static struct {
	bool no_tmpfile;	/* a file system without O_TMPFILE */
	bool no_proc;		/* a system without /proc */
	bool slow;		/* few octets at a time, and signals between */
	size_t fail;		/* the number of the call that fails, from 1 on */
	int error;		/* how */
	_Atomic size_t count;
	char log[64];		/* w pwrite, s fsync of a file, S of a directory, d fdatasync, l linkat, u unlinkat, r renameat */
} calls;

static bool
fails(char letter)
{
	size_t before = calls.count++;	/* a thread of the program's own may be at it too */

	if (before < sizeof(calls.log) - 1)
		calls.log[before] = letter;
	if (before + 1 != calls.fail)
		return false;
	errno = calls.error;
	return true;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (fails('w'))
		return -1;
	if (calls.slow && calls.count % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	if (calls.slow && n > 7)
		n = 7;
	return lseek(fd, at, SEEK_SET) == -1 ? -1 : write(fd, p, n);
}

int
fsync(int fd)
{
	struct stat st;

	return fstat(fd, &st) == -1 || fails(S_ISDIR(st.st_mode) ? 'S' : 's') ? -1 : 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return fails('d') ? -1 : 0;
}

int
linkat(int from, const char *old, int to, const char *new, int flags)
{
	return fails('l') ? -1 : (int)syscall(SYS_linkat, from, old, to, new, flags);
}

int
unlinkat(int dir, const char *path, int flags)
{
	return fails('u') ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

int
renameat(int from, const char *old, int to, const char *new)
{
	return fails('r') ? -1 : renameat2(from, old, to, new, 0);
}

int
faccessat(int dir, const char *path, int mode, int flags)
{
	if (calls.no_proc && strncmp(path, "/proc/", 6) == 0) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_faccessat, dir, path, mode, flags);
}

int
openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (calls.no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* ---- a queue in a directory of its own ---- */

static char base[64], directory[80];
static struct spool queue;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int
set_up(void **state)
{
	struct outcome o;

	(void)state;
	memset(&calls, 0, sizeof(calls));
	(void)strlcpy(base, "/tmp/test_spool.XXXXXX", sizeof(base));
	if (mkdtemp(base) == NULL)
		return -1;
	(void)snprintf(directory, sizeof(directory), "%s/queue", base);
	return mkdir(directory, 0700) == -1 ? -1 : spool_open(&queue, directory, &o);
}

static int
tear_down(void **state)
{
	(void)state;
	memset(&calls, 0, sizeof(calls));
	spool_close(&queue);
	return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file of the queue; valid until the next but one. */
static const char *
path_of(const char *name)
{
	static char path[2][160];
	static int turn;

	turn = !turn;
	(void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", directory, name);
	return path[turn];
}

/* How many files there are in the queue whose name begins like that, or of any name but failed/. */
static size_t
files(const char *prefix)
{
	DIR *d = opendir(directory);
	const struct dirent *e;
	size_t n = 0;

	if (d == NULL)
		return SIZE_MAX;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.' && strcmp(e->d_name, "failed") != 0 && strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	(void)closedir(d);
	return n;
}

static void
remove_files(const char *prefix)
{
	DIR *d = opendir(directory);
	const struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
}

static size_t
descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
write_file(const char *path, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	assert_true(write(fd, p, n) == (ssize_t)n);
	(void)close(fd);
}

static void
read_file(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_true(fd != -1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(read(fd, buf_room(b, (size_t)st.st_size), (size_t)st.st_size) == (ssize_t)st.st_size);
	b->len = (size_t)st.st_size;
	buf_end(b);
	(void)close(fd);
}

static bool
everybody(const struct envelope *e, size_t i)
{
	(void)e;
	(void)i;
	return true;
}

static bool
unfinished(const struct envelope *e, size_t i)
{
	return e->rcpt[i].state != RCPT_DONE;
}

static void
add_recipient(struct envelope *e, const char *path)
{
	if (e->count == e->size) {
		e->size = e->size == 0 ? 4 : e->size * 2;
		e->rcpt = mem_grow(e->rcpt, e->size, sizeof(*e->rcpt));
	}
	e->rcpt[e->count++] = (struct recipient){.path = mem_dup(path)};
}

static void
set(struct outcome *o, int status, enum stage stage, int code, const char *enhanced, const char *what, const char *why)
{
	(void)outcome_set(o, status, stage, code != 0 ? CAUSE_REPLY : CAUSE_NONE, why, "%s", what);
	o->code = code;
	(void)strlcpy(o->enhanced, enhanced, sizeof(o->enhanced));
}

/* A message with these recipients, by its identifier. */
static int
try_put(struct spool *s, const char *first, const char *second, const char *text, char *id, struct outcome *o)
{
	const struct outcome none = {0};
	struct envelope e = {.sender = mem_dup("a@example.org")};
	struct message m;
	int fd = memfd_create("input", MFD_CLOEXEC), r = -1;

	add_recipient(&e, first);
	if (second != NULL)
		add_recipient(&e, second);
	if (fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && lseek(fd, 0, SEEK_SET) == 0 && message_read(&m, fd, false, NULL, o) == 0)
		r = spool_put(s, &e, everybody, &m, &none, 1000, id, o);
	(void)close(fd);
	message_free(&m);
	envelope_free(&e);
	return r;
}

static void
put_simple(char *id)
{
	struct outcome o;

	if (try_put(&queue, "b@example.org", NULL, "Subject: x\n\nhello\n", id, &o) == -1)
		fail_msg("%s: %s", o.what, o.why);
}

static void
get(const char *id, struct spool_item *item)
{
	struct outcome o;

	if (spool_get(&queue, id, true, item, &o) != SPOOL_OK)
		fail_msg("%s: %s: %s", id, o.what, o.why);
}

static void
assert_is(const char *id, bool whole, enum spool_answer answer)
{
	size_t before = descriptors();
	struct spool_item item;
	struct outcome o;
	enum spool_answer got = spool_get(&queue, id, whole, &item, &o);

	if (got == SPOOL_OK)
		spool_item_close(&item);
	if (got != answer)
		fail_msg("%s is %d, not %d: %s: %s", id, (int)got, (int)answer, o.what, o.why);
	assert_int_equal(descriptors(), before);
	if (answer == SPOOL_BROKEN) {
		assert_int_equal(o.status, EX_IOERR);
		assert_int_equal(o.stage, STAGE_QUEUE);
		assert_int_equal(o.cause, CAUSE_QUEUE_BROKEN);
		assert_true(o.what[0] != '\0' && o.why[0] != '\0');
	}
}

static void
assert_updated(struct spool_item *item)
{
	struct outcome o;

	if (spool_update(item, &o) == -1)
		fail_msg("%s: %s", o.what, o.why);
}

static void
assert_outcome(const struct outcome *o, const struct outcome *expected)
{
	assert_int_equal(o->status, expected->status);
	assert_int_equal(o->stage, expected->stage);
	assert_int_equal(o->code, expected->code);
	assert_string_equal(o->enhanced, expected->enhanced);
	assert_string_equal(o->what, expected->what);
	assert_string_equal(o->why, expected->why);
}

static void
assert_same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a != NULL)
		assert_string_equal(a, b);
}

static void
assert_same_envelope(const struct envelope *a, const struct envelope *b)
{
	assert_same_text(a->sender, b->sender);
	assert_int_equal(a->sender_is_local, b->sender_is_local);
	assert_same_text(a->domain, b->domain);
	assert_same_text(a->ret, b->ret);
	assert_same_text(a->envid, b->envid);
	assert_int_equal(a->notify, b->notify);
	assert_int_equal(a->utf8, b->utf8);
	assert_int_equal(a->requiretls, b->requiretls);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_same_text(a->rcpt[i].path, b->rcpt[i].path);
		assert_same_text(a->rcpt[i].original, b->rcpt[i].original);
		assert_same_text(a->rcpt[i].orcpt, b->rcpt[i].orcpt);
		assert_int_equal(a->rcpt[i].notify, b->rcpt[i].notify);
	}
}

/* Header, empty line and body. */
static void
octets_of(struct message *m, struct buf *b)
{
	struct outcome o;
	const char *p;
	uint64_t at = 0;
	ptrdiff_t n;

	header_write(&m->header, b);
	buf_puts(b, "\r\n");
	while ((n = store_read(&m->body, at, &p, &o)) > 0) {
		buf_add(b, p, (size_t)n);
		at += (uint64_t)n;
	}
	assert_int_equal(n, 0);
}

static void
assert_same_message(struct message *a, struct message *b)
{
	struct buf x = {0}, y = {0};

	octets_of(a, &x);
	octets_of(b, &y);
	assert_int_equal(a->header.count, b->header.count);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	assert_int_equal(a->eight_bit, b->eight_bit);
	assert_int_equal(a->utf8, b->utf8);
	assert_true(a->longest == b->longest);
	assert_true(message_size(a) == message_size(b));
	buf_free(&x);
	buf_free(&y);
}

/* Puts it and gets it; item is open. */
static void
through_the_queue(const struct envelope *e, struct message *m, struct spool_item *item)
{
	const struct outcome none = {0};
	char id[SPOOL_ID_SIZE];
	struct outcome o;

	if (spool_put(&queue, e, everybody, m, &none, 1000, id, &o) == -1)
		fail_msg("%s: %s", o.what, o.why);
	get(id, item);
	assert_string_equal(item->id, id);
}

/* The message goes in and comes back. */
static void
assert_message_survives(struct message *m)
{
	struct envelope e = {.sender = mem_dup("a@example.org")};
	struct spool_item item;
	struct message back;
	struct outcome o;

	add_recipient(&e, "b@example.org");
	through_the_queue(&e, m, &item);
	assert_true(item.size == message_size(m));
	if (spool_message(&item, &back, &o) == -1)
		fail_msg("%s: %s", o.what, o.why);
	assert_same_message(m, &back);
	message_free(&back);
	spool_item_close(&item);
	envelope_free(&e);
}

/* Runs a part of the test where its limits hurt nobody else. */
static void
in_a_child(int (*part)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(part());
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != SKIPPED)	/* skip() makes "not ok" of it in TAP */
		assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- what is put in comes back ---- */

static void
all_of_an_envelope_comes_back(void **state)
{
	const struct outcome none = {0};
	struct envelope e = {
		.sender = mem_dup("bounces+x=y@example.org"), .sender_is_local = true, .domain = mem_dup("example.org"), .notify = DSN_FAILURE | DSN_DELAY,
		.ret = "HDRS", .envid = "  an id, with = and + and blanks ", .utf8 = true, .requiretls = true,
	};
	time_t before = time(NULL);
	struct spool_item item;
	struct message m;
	struct outcome o;
	char id[SPOOL_ID_SIZE];
	struct stat st;

	(void)state;
	add_recipient(&e, "b@example.net");
	add_recipient(&e, "j\xc3\xbcrgen@b\xc3\xbc" "cher.example");
	add_recipient(&e, "c@example.net");
	e.rcpt[0].original = mem_dup("root@example.org");
	e.rcpt[1].notify = DSN_NEVER;
	e.rcpt[1].orcpt = mem_dup("rfc822;x+2By@example.net");
	e.rcpt[2].notify = DSN_SUCCESS;
	read_message(&m, "Subject: x\n\nhello\n", 18);
	assert_int_equal(spool_put(&queue, &e, everybody, &m, &none, 4102444800, id, &o), 0);
	get(id, &item);
	assert_same_envelope(&item.envelope, &e);
	assert_true(item.created >= before && item.created <= time(NULL));
	assert_true(item.next == 4102444800);
	assert_int_equal(item.attempts, 0);
	assert_false(item.held || item.warned);
	assert_int_equal(item.error.status, 0);
	for (size_t i = 0; i < e.count; i++) {
		assert_int_equal(item.state[i], SPOOL_PENDING);
		assert_int_equal(item.envelope.rcpt[i].state, RCPT_PENDING);
		assert_null(item.envelope.rcpt[i].fate);
	}
	assert_int_equal(fstat(item.fd, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true((fcntl(item.fd, F_GETFD) & FD_CLOEXEC) != 0);
	spool_item_close(&item);
	spool_item_close(&item);	/* closed already */
	message_free(&m);
	envelope_free(&e);
}

static void
an_envelope_without_anything_comes_back_so(void **state)
{
	struct envelope e = {.sender = mem_dup("")};
	struct spool_item item;
	struct message m;

	(void)state;
	add_recipient(&e, "b@example.net");
	read_message(&m, "", 0);
	through_the_queue(&e, &m, &item);
	assert_same_envelope(&item.envelope, &e);
	spool_item_close(&item);
	message_free(&m);
	envelope_free(&e);
}

static void
any_address_that_may_be_sent_to_comes_back(void **state)
{
	static const char *const locals[] = {
		"a", "a b", " a ", "a\"b", "a\\b", "a@b", "<a>", "a,b", "a;b", "(a)", "a:b", ".a", "a.", "a..b", "\"", "\\", "@", ",", "[a]", "Group: a", "a@x <a",
		"=?utf-8?Q?a?=", "rcpt", "a'b", "!#$%&*+-/=?^_`{|}~", "\xc3\xbc", "\xc3\xbc \xf0\x9f\x98\x80", "a|b", "From ",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	static const char *const domains[] = {"b", "example.net", "[127.0.0.1]", "[IPv6:::1]", "b\303\274cher.example", "_x.example", "-"};
	struct envelope e = {.sender = NULL};
	struct spool_item item;
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(locals); i++)
		for (size_t k = 0; k < COUNT(domains); k++) {
			char *path = address_path(locals[i], domains[k]);

			assert_null(address_check(locals[i], domains[k]));
			add_recipient(&e, path);
			e.rcpt[e.count - 1].original = path;
		}
	read_message(&m, "", 0);
	for (size_t i = 0; i < e.count; i += COUNT(domains)) {
		e.sender = e.rcpt[i].path;
		through_the_queue(&e, &m, &item);
		assert_same_envelope(&item.envelope, &e);
		spool_item_close(&item);
	}
	e.sender = NULL;
	message_free(&m);
	envelope_free(&e);
}

static void
only_the_recipients_that_are_wanted_are_put_in(void **state)
{
	struct envelope e = {.sender = mem_dup("a@example.org")};
	struct outcome error, o;
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct message m;

	(void)state;
	add_recipient(&e, "done@example.net");
	add_recipient(&e, "b@example.net");
	add_recipient(&e, "also-done@example.net");
	add_recipient(&e, "c@example.net");
	e.rcpt[0].state = e.rcpt[2].state = RCPT_DONE;
	e.rcpt[0].orcpt = mem_dup("rfc822;not-of-b");
	e.rcpt[2].notify = DSN_SUCCESS;
	e.rcpt[3].notify = DSN_NEVER;
	set(&error, EX_TEMPFAIL, STAGE_CONNECT, 0, "", "cannot connect to smtp.example.com port 587", "Connection refused");
	read_message(&m, "Subject: x\n\nhello\n", 18);
	assert_int_equal(spool_put(&queue, &e, unfinished, &m, &error, 1000, id, &o), 0);
	get(id, &item);
	assert_int_equal(item.envelope.count, 2);
	assert_string_equal(item.envelope.rcpt[0].path, "b@example.net");
	assert_null(item.envelope.rcpt[0].orcpt);
	assert_int_equal(item.envelope.rcpt[0].notify, 0);
	assert_string_equal(item.envelope.rcpt[1].path, "c@example.net");
	assert_int_equal(item.envelope.rcpt[1].notify, DSN_NEVER);
	assert_int_equal(item.attempts, 1);
	assert_outcome(&item.error, &error);
	spool_item_close(&item);
	message_free(&m);
	envelope_free(&e);
}

static void
any_message_comes_back_octet_for_octet(void **state)
{
	static const char *const texts[] = {
		"", "\n", "Subject: x\n", "Subject: x\n\n", "Subject: x\n\nhello\n", "\nhello\n", "\nSubject: of the body\n\nhello\n", "\n\n\nhello",
		"From a@x Mon\nSubject: x\n\nFrom b\n>From c\n", ">From a\n>From b\ntext\n", ">From a\nSubject: x\n\ny\n", "\n>From a\nX: y\n", "\nFrom a\n",
		"Subject: x\n\n.\n..\n.hello\n", "Subject: folded\n\tonce\n   twice\nTo: b@example.org\n\nbody\n", "Subject : x\nX:\nY: \n\n",
		"Subject: x\n\n\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n", "Subject: x\n\nlatin \xe4\n", "Subject: \xe4\n\nascii\n", "Subject: x\n\ncut \xe2\x82\n", "\n\xe2\x82",
		"Subject: x\n\nbare\rcr and\r\rmore\r\r\n", "text alone", "text\nX: y\n\n", " a\n", "Subject: x\n\n\r\nend sum=0123456789abcdef\n",
	};
	struct message m;

	(void)state;
	for (int slow = 0; slow < 2; slow++)
		for (size_t i = 0; i < COUNT(texts); i++) {
			calls.slow = slow != 0;
			read_message(&m, texts[i], strlen(texts[i]));
			assert_message_survives(&m);
			message_free(&m);
		}
}

static void
what_was_added_to_a_header_comes_back(void **state)
{
	struct message m;
	char *line = mem_alloc(3000);

	(void)state;
	memset(line, 'x', 2999);
	memcpy(line, "X-Long: ", 8);
	read_message(&m, "Subject: x\n\nhello\n", 18);
	header_prepend(&m.header, "Received: by example.org;\r\n\tMon, 1 Jan 2024 00:00:00 +0000");
	header_append(&m.header, line);
	header_append(&m.header, "To: \"a\" <a@example.org>,\r\n b@example.org");
	assert_message_survives(&m);
	message_free(&m);
	free(line);
}

/* Of a line of each length around what matters, 8-bit here and there. */
static void
large_messages_come_back(void **state)
{
	static const uint64_t sizes[] = {65535, 65536, STORE_MEMORY - 1, STORE_MEMORY, STORE_MEMORY + 1, 3 * STORE_MEMORY + 12345};
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct buf text = {0};

		buf_puts(&text, "Subject: large\n\n");
		for (size_t n = 1; text.len < sizes[i]; n++)
			buf_putc(&text, n % (n / 3000 + 70) == 0 ? '\n' : n % 997 == 0 && i % 2 == 1 ? '\xe4' : (char)('a' + n % 26));
		read_message(&m, text.data, text.len);
		assert_int_equal(m.body.fd != -1 || m.body.lent != NULL, m.body.length > STORE_MEMORY);
		assert_message_survives(&m);
		message_free(&m);
		buf_free(&text);
	}
}

/* What was put in must be there for whoever gets it, or not be put in. */
static void
a_header_that_has_grown_past_its_bound_is_not_lost(void **state)
{
	const struct outcome none = {0};
	struct envelope e = {.sender = mem_dup("a@example.org")};
	struct message m, back;
	struct spool_item item;
	char id[SPOOL_ID_SIZE];
	struct buf text = {0};
	struct outcome o;

	(void)state;
	while (text.len < MESSAGE_HEADER_MAX - 1000)
		buf_puts(&text, "X-Line: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
	buf_puts(&text, "\r\nbody\r\n");
	read_message(&m, text.data, text.len);
	for (int i = 0; i < 20; i++)
		header_append(&m.header, "X-Line: 0123456789012345678901234567890123456789012345678901234567890123456789");
	add_recipient(&e, "b@example.org");
	if (spool_put(&queue, &e, everybody, &m, &none, 1000, id, &o) == 0) {
		get(id, &item);
		if (spool_message(&item, &back, &o) == -1)
			fail_msg("put in, and then: %d %s: %s", o.status, o.what, o.why);
		assert_same_message(&m, &back);
		message_free(&back);
		spool_item_close(&item);
	}
	message_free(&m);
	envelope_free(&e);
	buf_free(&text);
}

static void
any_number_of_recipients_can_be_got_or_is_refused(void **state)
{
	static const size_t numbers[] = {0, 1, 1000, SPOOL_RECIPIENTS_MAX, SPOOL_RECIPIENTS_MAX + 1};
	const struct outcome none = {0};
	struct message m;
	size_t kept = 0, cases = getenv("UNDER_VALGRIND") == NULL ? COUNT(numbers) : 3;	/* slow there, and nothing new */

	(void)state;
	read_message(&m, "Subject: x\n\nhello\n", 18);
	for (size_t i = 0; i < cases; i++) {
		struct envelope e = {.sender = mem_dup("a@example.org")};
		char id[SPOOL_ID_SIZE], path[40];
		struct spool_item item;
		struct outcome o;

		while (e.count < numbers[i]) {
			(void)snprintf(path, sizeof(path), "r%zu@example.org", e.count);
			add_recipient(&e, path);
		}
		if (spool_put(&queue, &e, everybody, &m, &none, 1000, id, &o) == 0) {
			if (spool_get(&queue, id, true, &item, &o) != SPOOL_OK)
				fail_msg("%zu recipients are put in, and then: %s: %s", numbers[i], o.what, o.why);
			assert_same_envelope(&item.envelope, &e);
			spool_item_close(&item);
			kept++;
		} else {
			assert_true(numbers[i] == 0 || numbers[i] > SPOOL_RECIPIENTS_MAX);
			assert_int_equal(files(""), kept);
		}
		envelope_free(&e);
	}
	message_free(&m);
}

/* ---- what changes ---- */

static void
an_update_is_seen_by_whoever_gets_it_next(void **state)
{
	struct outcome error, refused, o;
	char id[SPOOL_ID_SIZE];
	struct buf before = {0}, after = {0};
	struct spool_item item;

	(void)state;
	set(&error, EX_PROTOCOL, STAGE_TLS, 0, "", "TLS with smtp.example.com failed", "certificate has expired");
	set(&refused, EX_NOUSER, STAGE_RCPT, 550, "5.1.1", "<c@example.org> was refused by smtp.example.com", "550 5.1.1 No such user");
	assert_int_equal(try_put(&queue, "b@example.org", "c@example.org", "Subject: x\n\nhello\n", id, &o), 0);
	read_file(path_of(id), &before);
	get(id, &item);
	item.next = 1234567890;
	item.attempts = 7;
	item.held = item.warned = true;
	item.error = error;
	item.state[0] = SPOOL_DONE;
	item.state[1] = SPOOL_FAILED;
	envelope_fail(&item.envelope, 1, &refused);
	assert_updated(&item);
	spool_item_close(&item);
	read_file(path_of(id), &after);
	assert_int_equal(before.len, after.len);
	for (int i = 0; i < 2; i++) {
		get(id, &item);
		assert_true(item.next == 1234567890 + i);
		assert_int_equal(item.attempts, 7 + i);
		assert_int_equal(item.held, i == 0);
		assert_true(item.warned);
		assert_outcome(&item.error, &error);
		assert_int_equal(item.state[0], SPOOL_DONE);
		assert_int_equal(item.envelope.rcpt[0].state, RCPT_DONE);
		assert_null(item.envelope.rcpt[0].fate);
		assert_int_equal(item.state[1], i == 0 ? SPOOL_FAILED : SPOOL_TOLD);
		assert_int_equal(item.envelope.rcpt[1].state, RCPT_FAILED);
		assert_outcome(item.envelope.rcpt[1].fate, &refused);
		item.next++;
		item.attempts++;
		item.held = false;
		item.state[1] = SPOOL_TOLD;
		assert_updated(&item);
		spool_item_close(&item);
	}
	get(id, &item);
	item.error = (struct outcome){0};
	assert_updated(&item);
	spool_item_close(&item);
	get(id, &item);
	assert_int_equal(item.error.status, 0);
	spool_item_close(&item);
	buf_free(&before);
	buf_free(&after);
}

/* A refusal for good without words of its own: the run as a whole has failed. */
static void
a_recipient_may_have_failed_without_a_fate(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;

	(void)state;
	put_simple(id);
	get(id, &item);
	item.state[0] = SPOOL_FAILED;
	assert_updated(&item);
	spool_item_close(&item);
	get(id, &item);
	assert_int_equal(item.state[0], SPOOL_FAILED);
	assert_int_equal(item.envelope.rcpt[0].state, RCPT_FAILED);
	assert_null(item.envelope.rcpt[0].fate);
	spool_item_close(&item);
}

/* The words of the last refusal that was not for good: a person who looks at the queue wants them, and so does a notice when the message expires. */
static void
a_temporary_fate_is_kept(void **state)
{
	const struct outcome none = {0};
	struct envelope e = {.sender = mem_dup("a@example.org")};
	struct outcome later, o;
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct message m;

	(void)state;
	set(&later, EX_TEMPFAIL, STAGE_RCPT, 450, "4.2.1", "<b@example.org> was refused by smtp.example.com", "450 4.2.1 Greylisted");
	add_recipient(&e, "b@example.org");
	envelope_fail(&e, 0, &later);
	read_message(&m, "Subject: x\n\nhello\n", 18);
	assert_int_equal(spool_put(&queue, &e, everybody, &m, &none, 1000, id, &o), 0);
	for (int i = 0; i < 2; i++) {
		get(id, &item);
		assert_int_equal(item.state[0], SPOOL_PENDING);
		assert_non_null(item.envelope.rcpt[0].fate);
		assert_outcome(item.envelope.rcpt[0].fate, &later);
		assert_updated(&item);
		spool_item_close(&item);
	}
	message_free(&m);
	envelope_free(&e);
}

static void
numbers_that_do_not_fit_do_no_harm(void **state)
{
	static const struct { time_t next; unsigned attempts; } cases[] = {
		{0, 0}, {-1, 0}, {INT64_MIN, 0}, {INT64_MAX, 0}, {999999999999, 999999999}, {1000000000000, 0}, {1, 1000000000}, {1, UINT32_MAX},
	};
	char id[SPOOL_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spool_item item;
		struct outcome o;

		put_simple(id);
		get(id, &item);
		item.next = cases[i].next;
		item.attempts = cases[i].attempts;
		assert_updated(&item);
		spool_item_close(&item);
		if (spool_get(&queue, id, true, &item, &o) != SPOOL_OK)
			fail_msg("next %jd, attempts %u: %s", (intmax_t)cases[i].next, cases[i].attempts, o.why);
		spool_item_close(&item);
	}
}

/* A record of an outcome with these words, which are then what comes back. */
static void
check_record(struct outcome *o, struct outcome *back)
{
	struct buf b = {0};
	size_t bars = 0;

	spool_add_record(&b, SPOOL_FAILED, o);
	assert_int_equal(b.len, SPOOL_RECORD_SIZE);
	assert_int_equal(b.data[0], SPOOL_FAILED);
	assert_int_equal(b.data[b.len - 1], '\n');
	for (size_t i = 0; i < b.len - 1; i++) {
		assert_true(b.data[i] >= ' ' && b.data[i] <= '~');
		bars += b.data[i] == '|';
	}
	assert_int_equal(bars, 2);
	assert_int_equal(spool_read_record(b.data, back), SPOOL_FAILED);
	assert_int_equal(back->status, o->status);
	assert_int_equal(back->stage, o->stage);
	assert_int_equal(back->code, o->code);
	assert_string_equal(back->enhanced, o->enhanced);
	buf_free(&b);
}

static void
what_a_record_cannot_hold_comes_back_bounded_and_harmless(void **state)
{
	static char longest[400];
	static const char *const words[] = {
		"", " ", "  x  ", "|", "a|b|c", "\n", "a\nb", "\r\n.\r\n", "\t\v\f\b\a\177", "\x1b[2J", "\xfc", "f\xc3\xbcr \xe2\x82\xac",
		"\\", "a\\b", "\\n", "%s%n", "P", "-", longest,
	};
	struct outcome o, back, again;

	(void)state;
	memset(longest, '\\', sizeof(longest) - 1);
	for (size_t i = 0; i < COUNT(words); i++)
		for (size_t k = 0; k < COUNT(words); k++) {
			set(&o, EX_NOUSER, STAGE_RCPT, 550, "5.999.999", words[i], words[k]);
			check_record(&o, &back);
			assert_true(strlen(back.what) <= 200 && strlen(back.why) <= 200);
			check_record(&back, &again);
		}
}

/* Each attempt reads and writes the record again: its words must not grow, or wear out. */
static void
words_that_were_written_once_do_not_change_any_more(void **state)
{
	static const char *const words[] = {"plain", "a\\b", "f\xc3\xbcr", "a\tb", "a|b", "two  blanks", "a\x01\x80z"};
	static char longest[400];
	struct outcome o, first, again;

	(void)state;
	for (size_t i = 0; i <= COUNT(words); i++) {
		memset(longest, '\xe4', sizeof(longest) - 1);
		set(&o, EX_TEMPFAIL, STAGE_DOT, 451, "", i < COUNT(words) ? words[i] : longest, i < COUNT(words) ? words[i] : longest);
		check_record(&o, &first);
		again = first;
		for (int n = 0; n < 10; n++)
			check_record(&again, &again);
		assert_string_equal(again.what, first.what);
		assert_string_equal(again.why, first.why);
	}
}

static void
every_stage_and_status_comes_back(void **state)
{
	struct outcome o, back;

	(void)state;
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		for (int status = EX__BASE; status <= EX__MAX; status++) {
			set(&o, status, (enum stage)stage, stage % 2 == 0 ? 0 : 599, "", "what", "why");
			check_record(&o, &back);
			assert_outcome(&back, &o);
		}
}

static void
a_record_that_makes_no_sense_tells_the_state_alone(void **state)
{
	static const char *const records[] = {
		"F", "F ", "F  ", "F 75", "F 75 rcpt", "F 75 rcpt 450 4.2.0", "F 75 rcpt 450 4.2.0|what", "F 0 rcpt 450 4.2.0|a|b", "F 63 rcpt 450 4.2.0|a|b",
		"F 79 rcpt 450 4.2.0|a|b", "F -75 rcpt 450 4.2.0|a|b", "F 75 rcpt -1 4.2.0|a|b", "F 75 rcpt 600 4.2.0|a|b", "F 99999999999999999999 rcpt 0 -|a|b", "F||||||",
		"F     ", "F \xff\xff\xff", "F75 rcpt 450 4.2.0|a|b",
	};
	static const char whole[] = "F 75 rcpt 450 4.2.0|a|b";
	char p[SPOOL_RECORD_SIZE];
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < COUNT(records); i++) {
		memset(p, ' ', sizeof(p));
		memcpy(p, records[i], strlen(records[i]));
		p[SPOOL_RECORD_SIZE - 1] = '\n';
		assert_int_equal(spool_read_record(p, &o), 'F');
		if (o.status != 0)
			fail_msg("\"%s\" is read as %d", records[i], o.status);
	}
	for (int c = 0; c < 3; c++) {	/* no line end, or a NUL */
		memset(p, c == 0 ? ' ' : c == 1 ? '\0' : 'x', sizeof(p));
		memcpy(p, whole, strlen(whole));
		assert_int_equal(spool_read_record(p, &o), 'F');
		assert_int_equal(o.status, 0);
	}
}

/* ---- the directory ---- */

static void
what_is_removed_is_gone(void **state)
{
	char id[SPOOL_ID_SIZE], other[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;

	(void)state;
	put_simple(id);
	put_simple(other);
	get(id, &item);
	assert_int_equal(spool_remove(&queue, &item, &o), 0);
	assert_is(id, false, SPOOL_GONE);
	spool_item_close(&item);
	assert_is(id, true, SPOOL_GONE);
	assert_is(other, true, SPOOL_OK);
	assert_int_equal(files(""), 1);
}

static void
remove_some(size_t n)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;

	for (size_t i = 0; i < n; i++) {
		put_simple(id);
		get(id, &item);
		assert_int_equal(spool_remove_soon(&queue, &item, &o), 0);
		spool_item_close(&item);
		assert_int_equal(spool_get(&queue, id, false, &item, &o), SPOOL_GONE);	/* no assert_is(): a thread may be closing files */
	}
}

/* However many are removed between two syncs, and whether those are waited for: all files are closed, and the directory is synced, but not for each. */
static void
what_is_removed_soon_is_deleted_beside(void **state)
{
	static const size_t counts[] = {1, 7, 64, 65, 200};
	size_t before = descriptors();
	struct outcome o = {0};

	(void)state;
	queue.unsynced_most = 64;
	assert_int_equal(spool_sync(&queue, true, &o), 0);	/* there is nothing */
	for (size_t i = 0; i < COUNT(counts); i++)
		for (int wait = 0; wait < 2; wait++) {
			remove_some(counts[i]);
			memset(&calls, 0, sizeof(calls));
			assert_int_equal(spool_sync(&queue, wait == 1, &o), 0);
			assert_int_equal(spool_sync(&queue, true, &o), 0);
			assert_string_equal(calls.log, "S");
			assert_int_equal(descriptors(), before);
			assert_int_equal(files(""), 0);
		}
	remove_some(3);
	assert_int_equal(spool_sync(&queue, false, &o), 0);
	remove_some(3);		/* while that is under way, and never synced */
	spool_close(&queue);
	assert_int_equal(descriptors(), before - 1);
	assert_int_equal(spool_open(&queue, directory, &o), 0);
}

/* No more files are held than may be, and no large one. */
static void
what_is_removed_soon_holds_little(void **state)
{
	size_t before = descriptors();
	char id[SPOOL_ID_SIZE];
	struct buf large = {0};
	struct spool_item item;
	struct outcome o = {0};

	(void)state;
	queue.unsynced_most = 8;
	remove_some(20);
	assert_int_equal(descriptors(), before + 8);
	assert_int_equal(spool_sync(&queue, true, &o), 0);
	while (large.len < 65536)
		buf_puts(&large, "octets and octets\n");
	assert_int_equal(try_put(&queue, "b@example.org", NULL, large.data, id, &o), 0);
	get(id, &item);
	assert_int_equal(spool_remove_soon(&queue, &item, &o), 0);
	spool_item_close(&item);
	assert_int_equal(descriptors(), before);
	assert_int_equal(queue.unsynced, 1);
	assert_int_equal(spool_sync(&queue, true, &o), 0);
	buf_free(&large);
}

/* The threads of this process. */
static size_t
threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL; )
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

/* One that was waited for may still be seen for a moment. */
static void
assert_no_more_threads_than(size_t n)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int i = 0; i < 10000 && threads() > n; i++)
		(void)nanosleep(&moment, NULL);
	assert_true(threads() <= n);
}

/* A batch fails, another is begun, and that is waited for all the same: who is forked then has no threads, and would wait for them for ever. */
static void
a_sync_that_fails_leaves_no_threads(void **state)
{
	size_t before = threads();	/* a sanitizer may have one of its own */
	struct outcome o = {0};

	(void)state;
	queue.unsynced_most = 64;
	remove_some(64);
	memset(&calls, 0, sizeof(calls));
	calls.fail = 1;
	calls.error = EIO;
	assert_int_equal(spool_sync(&queue, false, &o), 0);
	while (calls.count == 0)
		(void)sched_yield();
	remove_some(64);
	assert_int_equal(spool_sync(&queue, true, &o), -1);
	assert_string_equal(o.why, strerror(EIO));
	assert_no_more_threads_than(before);
	assert_true(queue.unsynced > 0);	/* it is tried once more */
	assert_int_equal(spool_sync(&queue, true, &o), 0);
	assert_int_equal(queue.unsynced, 0);
}

/* A sync that fails beside is told once, by the call that waits for it. */
static void
a_sync_that_fails_beside_is_told(void **state)
{
	struct outcome o = {0};

	(void)state;
	for (int wait = 0; wait < 2; wait++) {
		remove_some(5);
		memset(&calls, 0, sizeof(calls));
		calls.fail = 1;
		calls.error = EIO;
		if (wait == 0)
			assert_int_equal(spool_sync(&queue, false, &o), 0);
		assert_int_equal(spool_sync(&queue, true, &o), -1);
		assert_int_equal(o.status, EX_IOERR);
		assert_non_null(strstr(o.what, "remove messages from"));
		assert_string_equal(o.why, strerror(EIO));
		memset(&calls, 0, sizeof(calls));
		assert_int_equal(spool_sync(&queue, true, &o), 0);
	}
}

static void
what_is_buried_is_kept_in_failed(void **state)
{
	char id[SPOOL_ID_SIZE], name[SPOOL_ID_SIZE + 8];
	struct buf before = {0}, after = {0};
	struct spool_item item;
	struct outcome o;
	size_t count;
	char **ids;

	(void)state;
	put_simple(id);
	read_file(path_of(id), &before);
	get(id, &item);
	assert_int_equal(spool_bury(&queue, &item, &o), 0);
	spool_item_close(&item);
	assert_is(id, false, SPOOL_GONE);
	(void)snprintf(name, sizeof(name), "failed/%s", id);
	read_file(path_of(name), &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	assert_int_equal(spool_list(&queue, &ids, &count, &o), 0);
	assert_int_equal(count, 0);
	free(ids);
	buf_free(&before);
	buf_free(&after);
}

static void
the_list_has_messages_alone_by_time(void **state)
{
	static const char *const names[] = {
		"00000000ff0000000000000000", "ffffffffffffffffffffffffff", "000000000a0000000000000002", "000000000a0000000000000001", "00656e5b800000000000000000",
	};
	static const char *const sorted[] = {
		"000000000a0000000000000001", "000000000a0000000000000002", "00000000ff0000000000000000", "00656e5b800000000000000000", "ffffffffffffffffffffffffff",
	};
	static const char *const others[] = {
		"new.00000000ff0000000000000000", "README", "00000000FF0000000000000000", "00000000ff000000000000000", "00000000ff00000000000000000", "00000000ff000000000000000g",
	};
	struct outcome o;
	size_t count;
	char **ids;

	(void)state;
	assert_int_equal(spool_list(&queue, &ids, &count, &o), 0);
	assert_int_equal(count, 0);
	free(ids);
	for (size_t i = 0; i < COUNT(names); i++)
		write_file(path_of(names[i]), "", 0);
	for (size_t i = 0; i < COUNT(others); i++)
		write_file(path_of(others[i]), "", 0);
	assert_int_equal(spool_list(&queue, &ids, &count, &o), 0);
	assert_int_equal(count, COUNT(sorted));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(ids[i], sorted[i]);
		free(ids[i]);
	}
	free(ids);
}

static void
usage_is_what_the_messages_take(void **state)
{
	uint64_t messages, octets, before;
	char id[SPOOL_ID_SIZE];
	struct outcome o;
	struct stat st;

	(void)state;
	assert_int_equal(spool_usage(&queue, &messages, &octets, &o), 0);
	assert_true(messages == 0 && octets == 0);
	write_file(path_of("README"), "x", 1);
	for (uint64_t n = 1; n < 4; n++) {
		before = octets;
		put_simple(id);
		assert_int_equal(stat(path_of(id), &st), 0);
		assert_int_equal(spool_usage(&queue, &messages, &octets, &o), 0);
		assert_true(messages == n && octets == before + (uint64_t)st.st_size);
	}
}

static void
what_is_left_to_another_user_he_may_open(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct stat st;

	(void)state;
	assert_false(queue.foreign);
	queue.foreign = true;
	put_simple(id);
	queue.foreign = false;
	assert_int_equal(stat(path_of(id), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_is(id, true, SPOOL_OK);
}

static void
no_two_messages_have_the_same_identifier(void **state)
{
	const struct outcome none = {0};
	struct envelope e = {.sender = mem_dup("a@example.org")};
	size_t wanted = getenv("UNDER_VALGRIND") == NULL ? 10000 : 500, count;
	char id[SPOOL_ID_SIZE], **ids;
	struct message m;
	struct outcome o;

	(void)state;
	add_recipient(&e, "b@example.org");
	read_message(&m, "Subject: x\n\nhello\n", 18);
	for (size_t i = 0; i < wanted; i++) {
		assert_int_equal(spool_put(&queue, &e, everybody, &m, &none, 1000, id, &o), 0);
		assert_true(spool_is_id(id));
	}
	assert_int_equal(spool_list(&queue, &ids, &count, &o), 0);
	assert_int_equal(count, wanted);
	assert_int_equal(files(""), wanted);
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
	message_free(&m);
	envelope_free(&e);
}

/* Nothing but an identifier is made a file's name. */
static void
what_is_no_identifier_is_never_opened(void **state)
{
	static const char *const texts[] = {
		"", ".", "..", "/", "failed", "../x", "../queue/" ANY_ID, "./" ANY_ID, "failed/" ANY_ID, "/etc/passwd", ANY_ID "0", ANY_ID "/", ANY_ID "/.", ANY_ID "\n", " " ANY_ID,
		"0000000001 123456789abcdef", "0000000001/123456789abcdef", "00000000010123456789ABCDEF", "-0000000010123456789abcdef", "0x000000010123456789abcdef", "\xff",
		"0000000001%23456789abcdef0",
	};
	char id[SPOOL_ID_SIZE];

	(void)state;
	assert_true(spool_is_id(ANY_ID));
	put_simple(id);
	assert_int_equal(rename(path_of(id), path_of("../x")), 0);
	assert_int_equal(mkdir(path_of("failed"), 0700), 0);
	assert_int_equal(link(path_of("../x"), path_of("failed/" ANY_ID)), 0);
	assert_int_equal(link(path_of("../x"), path_of(ANY_ID)), 0);
	assert_is(ANY_ID, true, SPOOL_OK);
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_false(spool_is_id(texts[i]));
		assert_is(texts[i], false, SPOOL_GONE);
	}
}

static void
what_is_no_file_is_broken_and_never_followed(void **state)
{
	static const char *const names[] = {
		"00000000010000000000000001", "00000000010000000000000002", "00000000010000000000000003", "00000000010000000000000004", "00000000010000000000000005",
	};
	struct buf before = {0}, after = {0};
	char id[SPOOL_ID_SIZE];

	(void)state;
	put_simple(id);
	assert_int_equal(rename(path_of(id), path_of("../x")), 0);
	read_file(path_of("../x"), &before);
	assert_int_equal(symlink("../x", path_of(names[0])), 0);
	assert_int_equal(symlink("/nonexistent/x", path_of(names[1])), 0);
	assert_int_equal(mkdir(path_of(names[2]), 0700), 0);
	assert_int_equal(mkfifo(path_of(names[3]), 0600), 0);
	write_file(path_of(names[4]), "", 0);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_is(names[i], false, SPOOL_BROKEN);
		assert_is(names[i], true, SPOOL_BROKEN);
	}
	read_file(path_of("../x"), &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	assert_int_equal(files(""), COUNT(names));
	buf_free(&before);
	buf_free(&after);
}

static void
assert_not_opened(const char *path)
{
	size_t before = descriptors();
	struct outcome o = {0};
	struct stat st;
	struct spool s;
	bool exposed = stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & S_IWOTH) != 0;

	assert_int_equal(spool_open(&s, path, &o), -1);
	assert_int_equal(o.status, EX_CANTCREAT);
	assert_int_equal(o.stage, STAGE_QUEUE);
	assert_int_equal(o.cause, exposed ? CAUSE_QUEUE_EXPOSED : CAUSE_QUEUE);
	assert_true(strstr(o.what, path) != NULL && o.why[0] != '\0');
	assert_int_equal(descriptors(), before);
}

static void
a_directory_that_is_none_is_refused(void **state)
{
	(void)state;
	assert_not_opened("");
	assert_not_opened("/nonexistent/queue");
	write_file(path_of("../file"), "", 0);
	assert_not_opened(path_of("../file"));
	assert_int_equal(chmod(directory, 0707), 0);
	assert_not_opened(directory);
	assert_int_equal(chmod(directory, 01777), 0);
	assert_not_opened(directory);
	assert_int_equal(chmod(directory, 0700), 0);
}

/* What is in the place of failed/ is no reason to stop, but nothing goes there. */
static void
what_is_not_failed_takes_no_message(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;

	(void)state;
	put_simple(id);
	for (int way = 0; way < 2; way++) {
		if (way == 0)
			assert_int_equal(symlink("/tmp", path_of("failed")), 0);
		else
			write_file(path_of("failed"), "", 0);
		get(id, &item);
		assert_int_equal(spool_bury(&queue, &item, &o), -1);
		assert_int_equal(o.status, EX_IOERR);
		assert_true(strstr(o.what, id) != NULL);
		spool_item_close(&item);
		assert_is(id, true, SPOOL_OK);
		assert_int_equal(spool_buried(&queue), 0);
		assert_int_equal(unlink(path_of("failed")), 0);
	}
	get(id, &item);
	assert_int_equal(spool_bury(&queue, &item, &o), 0);
	spool_item_close(&item);
	assert_int_equal(spool_buried(&queue), 1);
}

/* A file of which somebody says that it is longer than what is in it takes no time. */
static void
a_file_with_holes_is_broken(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	int fd;

	(void)state;
	put_simple(id);
	fd = open(path_of(id), O_WRONLY | O_CLOEXEC);
	assert_true(fd != -1 && ftruncate(fd, 1 << 20) == 0);
	if (lseek(fd, 0, SEEK_HOLE) == 1 << 20)
		print_message("# no holes here\n");
	else {
		assert_int_equal(spool_get(&queue, id, true, &item, &o), SPOOL_BROKEN);
		assert_non_null(strstr(o.why, "holes"));
	}
	(void)close(fd);
}

/* To whoever has another name of it, it must not look as if it were still to be sent. */
static void
what_has_another_name_is_marked_before_it_is_removed(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;

	(void)state;
	put_simple(id);
	assert_int_equal(link(path_of(id), path_of(ANY_ID)), 0);
	get(id, &item);
	item.state[0] = SPOOL_DONE;
	assert_int_equal(spool_remove(&queue, &item, &o), 0);
	spool_item_close(&item);
	get(ANY_ID, &item);
	assert_int_equal(item.state[0], SPOOL_DONE);
	spool_item_close(&item);
}

static void
runner_is_a_file_of_our_own(void **state)
{
	struct outcome o;
	struct stat st;
	int fd;

	(void)state;
	fd = spool_open_runner(&queue, &o);
	assert_true(fd != -1 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
	(void)close(fd);
	fd = spool_open_runner(&queue, &o);
	assert_true(fd != -1);
	(void)close(fd);
	for (int way = 0; way < 4; way++) {
		assert_int_equal(remove(path_of("runner")), 0);
		if (way == 0)
			assert_int_equal(symlink("../file", path_of("runner")), 0);
		else if (way == 1)
			assert_int_equal(mkfifo(path_of("runner"), 0600), 0);
		else if (way == 2)
			assert_int_equal(mkdir(path_of("runner"), 0700), 0);
		else {
			write_file(path_of("../file"), "", 0);
			assert_int_equal(link(path_of("../file"), path_of("runner")), 0);
		}
		assert_int_equal(spool_open_runner(&queue, &o), -1);
		assert_int_equal(o.status, EX_CANTCREAT);
		assert_int_equal(o.cause, CAUSE_QUEUE_RUNNER);
	}
}

/* ---- whoever else has it open ---- */

static char shared_id[SPOOL_ID_SIZE];

static int
it_is_busy_here_too(void)
{
	struct spool_item item;
	struct outcome o;
	struct spool s;

	EXPECT(spool_open(&s, directory, &o) == 0);
	EXPECT(spool_get(&s, shared_id, false, &item, &o) == SPOOL_BUSY);
	spool_close(&s);
	return 0;
}

static int
it_is_free_here(void)
{
	struct spool_item item;
	struct outcome o;
	struct spool s;

	EXPECT(spool_open(&s, directory, &o) == 0);
	EXPECT(spool_get(&s, shared_id, false, &item, &o) == SPOOL_OK);
	item.fd = -1;	/* it is closed by the end of the process */
	spool_item_close(&item);
	spool_close(&s);
	return 0;
}

static void
what_is_open_is_busy_until_it_is_closed(void **state)
{
	struct spool_item item;

	(void)state;
	put_simple(shared_id);
	get(shared_id, &item);
	assert_is(shared_id, false, SPOOL_BUSY);
	in_a_child(it_is_busy_here_too);
	assert_updated(&item);
	assert_is(shared_id, true, SPOOL_BUSY);
	spool_item_close(&item);
	in_a_child(it_is_free_here);
	assert_is(shared_id, true, SPOOL_OK);
}

/* Gets and removes all that it can, in this order or the other; the exit status is how many. -1 where something was neither there nor gone nor busy. */
static int
remove_all(bool backwards)
{
	struct spool_item item;
	struct outcome o;
	struct spool s;
	size_t count, mine = 0, left;
	char **ids;

	if (spool_open(&s, directory, &o) == -1 || spool_list(&s, &ids, &count, &o) == -1)
		return -1;
	do {
		left = 0;
		for (size_t i = 0; i < count; i++) {
			enum spool_answer answer = spool_get(&s, ids[backwards ? count - 1 - i : i], true, &item, &o);

			left += answer == SPOOL_BUSY;
			if (answer == SPOOL_BROKEN)
				return -1;
			if (answer != SPOOL_OK)
				continue;
			if (spool_remove(&s, &item, &o) == -1)
				return -1;
			spool_item_close(&item);
			mine++;
		}
	} while (left > 0);
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
	spool_close(&s);
	return (int)mine;
}

static void
two_processes_never_have_the_same_message(void **state)
{
	const int messages = 100;
	char id[SPOOL_ID_SIZE];
	int mine, status;
	pid_t pid;

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < messages; i++)
			put_simple(id);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(remove_all(round % 2 == 0));
		mine = remove_all(false);
		assert_true(waitpid(pid, &status, 0) == pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(mine + WEXITSTATUS(status), messages);
		assert_int_equal(files(""), 0);
	}
}

static enum spool_answer
look(const char *id, bool *busy)
{
	size_t before = descriptors();
	struct spool_item item;
	struct outcome o;
	enum spool_answer answer = spool_look(&queue, id, &item, busy, &o);

	if (answer == SPOOL_OK) {
		assert_string_equal(item.id, id);
		assert_string_equal(item.envelope.rcpt[0].path, "b@example.org");
		assert_is(id, true, *busy ? SPOOL_BUSY : SPOOL_OK);
		spool_item_close(&item);
	}
	assert_int_equal(descriptors(), before);
	return answer;
}

static void
a_look_sees_also_what_is_busy(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	bool busy;

	(void)state;
	assert_false(spool_has_any("/nonexistent/queue"));
	assert_false(spool_has_any(directory));
	assert_int_equal(look(ANY_ID, &busy), SPOOL_GONE);
	assert_int_equal(look("../x", &busy), SPOOL_GONE);
	put_simple(id);
	assert_true(spool_has_any(directory));
	assert_int_equal(look(id, &busy), SPOOL_OK);
	assert_false(busy);
	get(id, &item);
	assert_int_equal(look(id, &busy), SPOOL_OK);
	assert_true(busy);
	spool_item_close(&item);
	assert_int_equal(symlink(id, path_of(ANY_ID)), 0);
	assert_int_equal(look(ANY_ID, &busy), SPOOL_BROKEN);
	assert_int_equal(unlink(path_of(ANY_ID)), 0);
	write_file(path_of(ANY_ID), "x", 1);
	assert_int_equal(look(ANY_ID, &busy), SPOOL_BROKEN);
	assert_int_equal(unlink(path_of(ANY_ID)), 0);
	get(id, &item);
	assert_int_equal(spool_remove(&queue, &item, &o), 0);
	spool_item_close(&item);
	assert_false(spool_has_any(directory));
}

/* A person who looks at the queue must not keep a message from being sent. */
static void
a_look_holds_nothing(void **state)
{
	struct spool_item item;
	struct outcome o;
	const int looks = getenv("UNDER_VALGRIND") == NULL ? 40000 : 1000;
	int answers[4] = {0}, status, started[2];
	bool busy;
	char c;
	pid_t pid;

	(void)state;
	put_simple(shared_id);
	assert_int_equal(pipe(started), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		(void)(write(started[1], "x", 1) == 1);
	while (pid == 0)
		if (spool_look(&queue, shared_id, &item, &busy, &o) == SPOOL_OK)
			spool_item_close(&item);
	(void)close(started[1]);
	assert_true(read(started[0], &c, 1) == 1);
	(void)close(started[0]);
	for (int i = 0; i < looks; i++) {
		enum spool_answer answer = spool_get(&queue, shared_id, false, &item, &o);

		answers[answer]++;
		if (answer == SPOOL_OK)
			spool_item_close(&item);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(answers[SPOOL_BUSY], 0);
	assert_int_equal(answers[SPOOL_OK], looks);
}

/* ---- files that are not what was written ---- */

static void
a_file_without_its_end_is_broken_at_any_length(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct buf file = {0}, after = {0};

	(void)state;
	put_simple(id);
	read_file(path_of(id), &file);
	for (size_t n = 0; n < file.len; n++) {
		write_file(path_of(id), file.data, n);
		assert_is(id, false, SPOOL_BROKEN);
		assert_is(id, true, SPOOL_BROKEN);
		buf_reset(&after);
		read_file(path_of(id), &after);
		assert_int_equal(after.len, n);
		assert_memory_equal(after.data, file.data, n);
	}
	for (size_t n = 1; n < 300; n++) {
		buf_putc(&file, "\0\n x"[n % 4]);
		write_file(path_of(id), file.data, file.len);
		assert_is(id, false, SPOOL_BROKEN);
	}
	buf_free(&file);
	buf_free(&after);
}

/* Where in a file of one recipient it may change. */
static bool
changes(size_t at)
{
	return at >= SPOOL_STATE_AT && at < SPOOL_HEAD_SIZE + 2 * SPOOL_RECORD_SIZE;
}

static void
a_flipped_bit_is_seen(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct buf file = {0};

	(void)state;
	put_simple(id);
	read_file(path_of(id), &file);
	for (size_t bit = 0; bit < 8 * file.len; bit++) {
		if (changes(bit / 8))
			continue;
		file.data[bit / 8] ^= (char)(1 << bit % 8);
		write_file(path_of(id), file.data, file.len);
		assert_is(id, true, SPOOL_BROKEN);
		file.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	write_file(path_of(id), file.data, file.len);
	assert_is(id, true, SPOOL_OK);
	buf_free(&file);
}

/* Blocks that never got to the disk. */
static void
lost_blocks_are_seen(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct buf file = {0}, text = {0};
	struct outcome o;

	(void)state;
	buf_puts(&text, "Subject: x\n\n");
	while (text.len < 20000)
		buf_puts(&text, "a line of the body\n");
	assert_int_equal(try_put(&queue, "b@example.org", NULL, text.data, id, &o), 0);
	read_file(path_of(id), &file);
	for (size_t at = 4096; at + 512 <= file.len; at += 512) {
		struct buf torn = {0};

		buf_add(&torn, file.data, file.len);
		memset(torn.data + at, 0, 512);
		write_file(path_of(id), torn.data, torn.len);
		assert_is(id, true, SPOOL_BROKEN);
		buf_free(&torn);
	}
	buf_free(&file);
	buf_free(&text);
}

/* Whatever stands there, the rest of the message can be used, or it is said that it cannot. */
static void
a_flipped_bit_in_what_changes_does_no_harm(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct buf file = {0};
	struct outcome o;

	(void)state;
	assert_int_equal(try_put(&queue, "b@example.org", NULL, "Subject: x\n\nhello\n", id, &o), 0);
	read_file(path_of(id), &file);
	for (size_t bit = 0; bit < 8 * file.len; bit++) {
		struct spool_item item;
		enum spool_state was;

		if (!changes(bit / 8))
			continue;
		file.data[bit / 8] ^= (char)(1 << bit % 8);
		write_file(path_of(id), file.data, file.len);
		if (spool_get(&queue, id, true, &item, &o) == SPOOL_OK) {
			was = item.state[0];
			assert_updated(&item);
			spool_item_close(&item);
			get(id, &item);
			assert_int_equal(item.state[0], was);
			spool_item_close(&item);
		}
		file.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	buf_free(&file);
}

/* The one octet on which it depends whether anybody ever gets the message. */
static void
a_flipped_bit_is_never_another_state(void **state)
{
	static const enum spool_state states[] = {SPOOL_PENDING, SPOOL_DONE, SPOOL_FAILED, SPOOL_TOLD};
	const size_t at = SPOOL_HEAD_SIZE + SPOOL_RECORD_SIZE;
	char id[SPOOL_ID_SIZE];
	struct buf file = {0};

	(void)state;
	put_simple(id);
	read_file(path_of(id), &file);
	for (size_t i = 0; i < COUNT(states); i++)
		for (int bit = 0; bit < 8; bit++) {
			file.data[at] = (char)states[i];
			write_file(path_of(id), file.data, file.len);
			assert_is(id, true, SPOOL_OK);
			file.data[at] ^= (char)(1 << bit);
			write_file(path_of(id), file.data, file.len);
			assert_is(id, true, SPOOL_BROKEN);
		}
	buf_free(&file);
}

/* A file with this envelope and these states, one octet each, and everything else as it should be. */
static void
forge(const char *envelope, size_t n, const char *states)
{
	struct spool_item item = {.next = 1000};
	struct spool_lengths l = {.recipients = strlen(states), .envelope = n, .message = 2};
	struct buf b = {0};
	uint64_t sum;

	spool_add_head(&b, &l);
	sum = spool_sum(SPOOL_SUM_BEGIN, b.data, b.len);
	spool_add_state(&b, &item);
	spool_add_record(&b, ' ', NULL);
	for (; *states != '\0'; states++)
		spool_add_record(&b, *states, NULL);
	buf_add(&b, envelope, n);
	buf_puts(&b, "\r\n");
	sum = spool_sum(spool_sum(sum, envelope, n), "\r\n", 2);
	spool_add_end(&b, sum);
	write_file(path_of(ANY_ID), b.data, b.len);
	buf_free(&b);
}

/* A forged envelope is answered so, whole or not. False, and said, where it is not. */
static bool
is_answered(const char *envelope, size_t n, const char *states, enum spool_answer answer)
{
	struct buf shown = {0};
	struct spool_item item;
	struct outcome o;
	bool good = true;

	forge(envelope, n, states);
	for (int whole = 0; whole < 2; whole++) {
		enum spool_answer got = spool_get(&queue, ANY_ID, whole != 0, &item, &o);

		if (got == SPOOL_OK)
			spool_item_close(&item);
		good = good && got == answer;
	}
	if (!good) {
		printable_quoted(&shown, envelope, n, n);
		print_error("# not answered %d: \"%s\"\n", (int)answer, buf_str(&shown));
		buf_free(&shown);
	}
	return good;
}

#define BEGIN	"created 1\nsender a@x.org\n"

static void
a_malformed_envelope_is_broken(void **state)
{
	static const char *const good[] = {
		BEGIN "rcpt b@x.org\n", "created 1700000000\nsender \nrcpt b@x.org\n", BEGIN "envid a b\nret FULL\nnotify 14\nrcpt-notify 1\nrcpt-orcpt rfc822;x+20y\nrcpt b@x.org\n",
		BEGIN "rcpt \"a b\"@[IPv6:::1]\n", BEGIN "domain x.org\nutf8 1\nrequiretls 1\nrcpt b@x.org\n",
	};
	static const char *const bad[] = {
		/* what must be there */
		"", "\n", "created 1\nrcpt b@x.org\n", "sender a@x.org\nrcpt b@x.org\n", BEGIN, BEGIN "rcpt b@x.org\nrcpt c@x.org\n",
		/* lines */
		BEGIN "rcpt b@x.org", BEGIN "\nrcpt b@x.org\n", BEGIN "rcpt b@x.org\n\n", BEGIN "rcpt\n", BEGIN "rcptb@x.org\n", BEGIN " rcpt b@x.org\n", BEGIN "RCPT b@x.org\n",
		BEGIN "rcpt\tb@x.org\n", BEGIN "unknown x\nrcpt b@x.org\n", BEGIN "rcpt b@x.org\r\n", BEGIN " \nrcpt b@x.org\n",
		/* addresses */
		BEGIN "rcpt \n", BEGIN "rcpt b\n", BEGIN "rcpt <b@x.org>\n", BEGIN "rcpt b@x.org \n", BEGIN "rcpt  b@x.org\n", BEGIN "rcpt b@x.org,c@x.org\n", BEGIN "rcpt b@\n",
		BEGIN "rcpt @x.org\n", BEGIN "rcpt b@x.org> NOTIFY=NEVER\n", BEGIN "rcpt b@x..org\n", BEGIN "rcpt b@x.org.\n", BEGIN "rcpt \"b\"@x.org\n", BEGIN "rcpt b@\xff.org\n",
		BEGIN "rcpt b\x01@x.org\n", BEGIN "rcpt b (c)@x.org\n", BEGIN "rcpt G:b@x.org;\n", BEGIN "rcpt b@[1.2.3]\n", "created 1\nsender a\nrcpt b@x.org\n",
		"created 1\nsender a@x.org\rb\nrcpt b@x.org\n", BEGIN "rcpt-original b\nrcpt b@x.org\n", BEGIN "rcpt-original \nrcpt b@x.org\n",
		/* numbers and words */
		"created \nsender a@x.org\nrcpt b@x.org\n", "created 1x\nsender a@x.org\nrcpt b@x.org\n", "created -1\nsender a@x.org\nrcpt b@x.org\n",
		"created 1234567890123\nsender a@x.org\nrcpt b@x.org\n", BEGIN "notify 0\nrcpt b@x.org\n", BEGIN "notify 16\nrcpt b@x.org\n", BEGIN "notify -1\nrcpt b@x.org\n",
		BEGIN "notify 1x\nrcpt b@x.org\n", BEGIN "notify 3\nrcpt b@x.org\n", BEGIN "rcpt-notify 0\nrcpt b@x.org\n", BEGIN "rcpt-notify 15\nrcpt b@x.org\n",
		BEGIN "rcpt-notify \xb1\nrcpt b@x.org\n", BEGIN "ret ALL\nrcpt b@x.org\n", BEGIN "ret \nrcpt b@x.org\n", BEGIN "utf8 0\nrcpt b@x.org\n", BEGIN "requiretls no\nrcpt b@x.org\n",
		BEGIN "sender-is-local x\nrcpt b@x.org\n", BEGIN "envid \nrcpt b@x.org\n", BEGIN "envid \xe4\nrcpt b@x.org\n", BEGIN "envid a\rb\nrcpt b@x.org\n",
		BEGIN "envid 01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\nrcpt b@x.org\n",
		/* what goes to the smarthost as it is, or completes addresses */
		BEGIN "rcpt-orcpt \nrcpt b@x.org\n", BEGIN "rcpt-orcpt x\nrcpt b@x.org\n", BEGIN "rcpt-orcpt rfc822;a b\nrcpt b@x.org\n", BEGIN "rcpt-orcpt rfc822;a\rRSET\rb\nrcpt b@x.org\n",
		BEGIN "rcpt-orcpt rfc822;a\x01\nrcpt b@x.org\n", BEGIN "domain \nrcpt b@x.org\n", BEGIN "domain x y\nrcpt b@x.org\n", BEGIN "domain x\rRSET\nrcpt b@x.org\n",
		/* twice, or of nobody */
		BEGIN "sender c@x.org\nrcpt b@x.org\n", BEGIN "created 2\nrcpt b@x.org\n", BEGIN "rcpt b@x.org\nrcpt-notify 1\n", BEGIN "rcpt b@x.org\nrcpt-orcpt rfc822;x\n",
		BEGIN "rcpt b@x.org\nrcpt-original c@x.org\n",
	};
	static const char nul[] = BEGIN "rcpt b@x.org\nenvid a\0b\n";
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		wrong += !is_answered(good[i], strlen(good[i]), "P", SPOOL_OK);
	for (size_t i = 0; i < COUNT(bad); i++)
		wrong += !is_answered(bad[i], strlen(bad[i]), "P", SPOOL_BROKEN);
	wrong += !is_answered(nul, sizeof(nul) - 1, "P", SPOOL_BROKEN);
	wrong += !is_answered(good[0], strlen(good[0]), "PP", SPOOL_BROKEN);
	assert_int_equal(wrong, 0);
}

static void
a_state_that_is_none_is_broken(void **state)
{
	static const char envelope[] = BEGIN "rcpt b@x.org\n", known[] = {SPOOL_PENDING, SPOOL_DONE, SPOOL_FAILED, SPOOL_TOLD};

	(void)state;
	for (int c = 1; c < 256; c++) {
		char states[2] = {(char)c, '\0'};

		assert_true(is_answered(envelope, strlen(envelope), states, memchr(known, c, sizeof(known)) != NULL ? SPOOL_OK : SPOOL_BROKEN));
	}
}

/* A head of these words in front of a file that is small. */
static void
write_head(const char *magic, const char *lengths, const char *changing)
{
	struct buf b = {0};

	buf_printf(&b, "%s%s", magic, lengths);
	while (b.len < SPOOL_STATE_AT)
		buf_putc(&b, ' ');
	buf_puts(&b, changing);
	while (b.len < 1024)
		buf_putc(&b, ' ');
	write_file(path_of(ANY_ID), b.data, b.len);
	buf_free(&b);
}

#define MAGIC	"sendmail-submit queue 1\n"
#define LENGTHS	"recipients=000000001 envelope=000000100 message=000000000000100"
#define STATE	"next=000000001000 tried=000000000000 asked=000000000000 waited=000000000000 attempts=000000000 held=0 warned=0"

static void
another_version_is_told(void **state)
{
	static const char *const magics[] = {"sendmail-submit queue 2\n", "sendmail-submit queue 9\n", "sendmail-submit queue 10\n"};
	struct spool_item item;
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < COUNT(magics); i++) {
		write_head(magics[i], "anything", "else");
		assert_is(ANY_ID, true, SPOOL_BROKEN);
		(void)spool_get(&queue, ANY_ID, false, &item, &o);
		assert_non_null(strstr(o.why, "version"));
	}
	write_head("From a@example.org Mon Jan", "", "");
	assert_is(ANY_ID, false, SPOOL_BROKEN);
	(void)spool_get(&queue, ANY_ID, false, &item, &o);
	assert_null(strstr(o.why, "version"));
}

static int
heads_that_cannot_be(void)
{
	static const struct { const char *lengths, *state; } heads[] = {
		{"recipients=000000000 envelope=000000000100 message=000000000000100", STATE}, {"recipients=000100001 envelope=000000000100 message=000000000000100", STATE},
		{"recipients=999999999 envelope=000000000100 message=000000000000100", STATE}, {"recipients=000100000 envelope=000000000100 message=000000000000100", STATE},
		{"recipients=000000001 envelope=000268435456 message=000000000000100", STATE}, {"recipients=000000001 envelope=000268435457 message=000000000000100", STATE},
		{"recipients=000100000 envelope=000268435456 message=999999999999999", STATE}, {"recipients=000000001 envelope=999999999999 message=000000000000100", STATE},
		{"recipients=000000001 envelope=000000000100 message=999999999999999", STATE}, {"recipients=00000000x envelope=000000000100 message=000000000000100", STATE},
		{"recipients=-00000001 envelope=000000000100 message=000000000000100", STATE}, {"recipients=000000001 envelope=-00000000100 message=000000000000100", STATE},
		{"recipients=000000001  envelope=000000000100 message=00000000000010", STATE}, {"envelope=000000000100 recipients=000000001 message=000000000000100", STATE},
		{"recipients=000000001 envelope=000000000100 message=00000000000010", STATE}, {"", STATE},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", ""},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", "next=-00000000001 tried=000000000000 asked=000000000000 waited=000000000000 attempts=000000000 held=0 warned=0"},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", "next=000000001000 tried=000000000000 asked=000000000000 waited=000000000000 attempts=000000000 held=2 warned=0"},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", "next=000000001000 tried=000000000000 asked=000000000000 waited=000000000000 attempts=000000000 held=0 warned=9"},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", "next=000000001000 tried=00000000000x asked=000000000000 waited=000000000000 attempts=000000000 held=0 warned=0"},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", "next=000000001000 tried=000000000000 asked=000000000000 waited=-00000000001 attempts=000000000 held=0 warned=0"},
		{"recipients=000000001 envelope=000000000100 message=000000000000100", "next=000000001000 tried=000000000000 asked=000000000000 waited=000000000000 attempts=00000000 held=0 warned=0"},
	};
	struct rlimit little = {96 << 20, 96 << 20};
	struct spool_item item;
	struct outcome o;

#ifdef SANITIZED
	little.rlim_cur = little.rlim_max = RLIM_INFINITY;
#endif
	if (getenv("UNDER_VALGRIND") == NULL)
		EXPECT(setrlimit(RLIMIT_AS, &little) == 0);	/* whoever takes what the head says comes to his end */
	for (size_t i = 0; i < COUNT(heads); i++) {
		write_head(MAGIC, heads[i].lengths, heads[i].state);
		EXPECT(spool_get(&queue, ANY_ID, false, &item, &o) == SPOOL_BROKEN);
		EXPECT(spool_get(&queue, ANY_ID, true, &item, &o) == SPOOL_BROKEN);
	}
	return 0;
}

static void
a_head_that_tells_what_cannot_be_is_refused_before_memory_is_taken(void **state)
{
	(void)state;
	in_a_child(heads_that_cannot_be);
}

/* The file is cut or altered by somebody after it was opened. */
static void
a_message_that_cannot_be_read_any_more_is_74(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct message m;
	struct outcome o = {0};

	(void)state;
	put_simple(id);
	get(id, &item);
	assert_int_equal(truncate(path_of(id), (off_t)item.message_at + 5), 0);
	assert_int_equal(spool_message(&item, &m, &o), -1);
	message_free(&m);
	spool_item_close(&item);
	assert_int_equal(o.status, EX_IOERR);
	assert_int_equal(o.stage, STAGE_QUEUE);
	assert_non_null(strstr(o.what, id));
}

/* ---- when the system fails ---- */

static void
nothing_is_told_before_it_is_safe(void **state)
{
	static const struct { bool no_tmpfile, no_proc; const char *log; } ways[] = {
		{false, false, "wwwwwwslS"}, {true, false, "wwwwwwsluS"}, {false, true, "wwwwwwsluS"},
	};
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		memset(&calls, 0, sizeof(calls));
		calls.no_tmpfile = ways[i].no_tmpfile;
		calls.no_proc = ways[i].no_proc;
		put_simple(id);
		assert_string_equal(calls.log, ways[i].log);
		memset(&calls, 0, sizeof(calls));
		assert_int_equal(files("new."), 0);
		assert_int_equal(stat(path_of(id), &st), 0);
		assert_int_equal(st.st_nlink, 1);
		assert_int_equal(st.st_mode & 07777, 0600);
		get(id, &item);
		memset(&calls, 0, sizeof(calls));
		assert_updated(&item);
		assert_int_equal(calls.log[calls.count - 1], 'd');
		assert_int_equal(strspn(calls.log, "w"), calls.count - 1);
		memset(&calls, 0, sizeof(calls));
		assert_int_equal(i == 0 ? spool_remove(&queue, &item, &o) : spool_bury(&queue, &item, &o), 0);
		assert_string_equal(calls.log, i == 0 ? "uS" : i == 1 ? "SrSS" : "rSS");
		spool_item_close(&item);
	}
}

static void
assert_system_error(const struct outcome *o, int error)
{
	assert_true(o->status == EX_IOERR || o->status == EX_CANTCREAT);
	assert_int_equal(o->stage, STAGE_QUEUE);
	assert_int_equal(o->cause, error == EIO ? CAUSE_QUEUE : CAUSE_QUEUE_FULL);
	assert_string_equal(o->why, strerror(error));
	assert_true(o->what[0] != '\0');
}

/* Each call in turn fails when a message is put in: then it is not there. */
static void
a_call_that_fails_leaves_nothing_behind(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	char id[SPOOL_ID_SIZE];
	struct outcome o;
	size_t before = descriptors(), put = 0;
	int r;

	(void)state;
	for (int way = 0; way < 3; way++)
		for (size_t fail = 1;; fail++) {
			memset(&calls, 0, sizeof(calls));
			calls.no_tmpfile = way == 1;
			calls.no_proc = way == 2;
			calls.fail = fail;
			calls.error = errors[fail % COUNT(errors)];
			r = try_put(&queue, "b@example.org", NULL, "Subject: x\n\nhello\n", id, &o);
			put += r == 0;
			assert_int_equal(descriptors(), before);
			if (r == 0 && fail <= calls.count && calls.log[fail - 1] == 'u') {	/* another name that nobody uses, for a day */
				assert_int_equal(files("new."), 1);
				remove_files("new.");
			}
			assert_int_equal(files("new."), 0);
			if (calls.count < fail) {
				assert_int_equal(r, 0);
				break;
			}
			if (r == 0) {	/* a call on which nothing depends */
				assert_is(id, true, SPOOL_OK);
				continue;
			}
			assert_system_error(&o, calls.error);
			if (files("") != put)
				fail_msg("way %d: call %zu (%c) fails, and the message is there all the same", way, fail, calls.log[fail - 1]);
		}
}

static void
a_name_that_is_in_use_is_not_overwritten(void **state)
{
	char id[SPOOL_ID_SIZE];

	(void)state;
	calls.fail = 8;		/* linkat() */
	calls.error = EEXIST;
	put_simple(id);
	assert_string_equal(calls.log, "wwwwwwsllS");
	assert_is(id, true, SPOOL_OK);
	assert_int_equal(files(""), 1);
}

static void
an_update_that_fails_is_told_and_hurts_nothing(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;

	(void)state;
	put_simple(id);
	for (size_t fail = 1;; fail++) {
		memset(&calls, 0, sizeof(calls));
		get(id, &item);
		calls.fail = calls.count + fail;
		calls.error = EIO;
		item.attempts++;
		if (spool_update(&item, &o) == 0) {
			assert_true(calls.count < calls.fail);
			spool_item_close(&item);
			break;
		}
		assert_system_error(&o, EIO);
		assert_int_equal(o.status, EX_IOERR);
		assert_non_null(strstr(o.what, id));
		spool_item_close(&item);
		calls.fail = 0;
		assert_is(id, true, SPOOL_OK);
	}
}

static void
what_cannot_be_removed_or_buried_is_told(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;

	(void)state;
	for (int bury = 0; bury < 2; bury++)
		for (size_t fail = 1;; fail++) {
			memset(&calls, 0, sizeof(calls));
			put_simple(id);
			get(id, &item);
			calls.fail = calls.count + fail;
			calls.error = EIO;
			if ((bury == 0 ? spool_remove(&queue, &item, &o) : spool_bury(&queue, &item, &o)) == 0) {
				assert_true(calls.count < calls.fail);
				spool_item_close(&item);
				break;
			}
			assert_system_error(&o, EIO);
			assert_int_equal(o.status, EX_IOERR);
			assert_non_null(strstr(o.what, id));
			spool_item_close(&item);
			assert_is(id, true, fail == 1 ? SPOOL_OK : SPOOL_GONE);
		}
}

/* The octets of the message itself cannot be had. */
static void
a_message_that_cannot_be_put_in_whole_is_not_put_in(void **state)
{
	const struct outcome none = {0};
	struct envelope e = {.sender = mem_dup("a@example.org")};
	struct buf text = {0};
	char id[SPOOL_ID_SIZE];
	struct message m;
	struct outcome o;

	(void)state;
	add_recipient(&e, "b@example.org");
	while (text.len < 2 * STORE_MEMORY)
		buf_puts(&text, "a line of the body that is as long as any other one\n");
	read_message(&m, text.data, text.len);
	assert_true(m.body.fd != -1);
	assert_int_equal(ftruncate(m.body.fd, STORE_MEMORY + 5), 0);
	for (int way = 0; way < 2; way++) {
		calls.no_tmpfile = way == 1;
		assert_int_equal(spool_put(&queue, &e, everybody, &m, &none, 1000, id, &o), -1);
		assert_int_equal(o.status, EX_IOERR);
		assert_string_equal(o.why, "the file became shorter");
		assert_int_equal(files(""), 0);
	}
	message_free(&m);
	envelope_free(&e);
	buf_free(&text);
}

static int
files_may_not_be_so_large(void)
{
	static const char text[] = "Subject: x\n\nhello\n";
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	struct stat st;
	rlim_t needed;

	(void)signal(SIGXFSZ, SIG_IGN);
	EXPECT(try_put(&queue, "b@example.org", NULL, text, id, &o) == 0);
	EXPECT(stat(path_of(id), &st) == 0 && unlink(path_of(id)) == 0);
	needed = (rlim_t)st.st_size;
	for (rlim_t max = needed + 10; max > sizeof(text); max--) {
		struct rlimit limit = {max, max};

		calls.no_tmpfile = max % 2 == 0;
		EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
		if (max < needed) {
			EXPECT(try_put(&queue, "b@example.org", NULL, text, id, &o) == -1);
			EXPECT(o.status == EX_IOERR && o.stage == STAGE_QUEUE && strcmp(o.why, strerror(EFBIG)) == 0);
		} else {
			EXPECT(try_put(&queue, "b@example.org", NULL, text, id, &o) == 0);
			EXPECT(spool_get(&queue, id, true, &item, &o) == SPOOL_OK && spool_update(&item, &o) == 0 && spool_remove(&queue, &item, &o) == 0);
			spool_item_close(&item);
		}
		EXPECT(files("") == 0);
	}
	return 0;
}

static void
a_limit_of_the_size_of_files_is_told(void **state)
{
	(void)state;
	in_a_child(files_may_not_be_so_large);
}

static int
no_file_can_be_opened(void)
{
	const struct outcome none = {0};
	struct envelope e = {.sender = NULL};
	struct rlimit limit = {3, 3};
	char id[SPOOL_ID_SIZE], text[] = "Subject: x\r\n\r\nhello\r\n";
	struct message_reader *reader;
	enum spool_answer answer;
	struct spool_item item;
	struct message m;
	struct outcome o;
	struct spool s;
	size_t count;
	char **ids;

	EXPECT(try_put(&queue, "b@example.org", NULL, "x\n", id, &o) == 0);
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1 || open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
		(void)fprintf(stderr, "# skipped: descriptors cannot be limited here\n");	/* valgrind needs some */
		return SKIPPED;
	}
	e.sender = mem_dup("a@example.org");
	add_recipient(&e, "b@example.org");
	reader = message_begin(&m, false, NULL, &o);
	message_add(reader, text, strlen(text));
	EXPECT(message_end(reader) == 0);
	EXPECT(spool_put(&queue, &e, everybody, &m, &none, 1000, shared_id, &o) == -1 && o.status == EX_CANTCREAT && o.cause == CAUSE_QUEUE);
	EXPECT(spool_list(&queue, &ids, &count, &o) == -1 && o.status == EX_IOERR && o.cause == CAUSE_QUEUE);
	EXPECT(spool_open(&s, directory, &o) == -1 && o.status == EX_CANTCREAT && o.cause == CAUSE_QUEUE);
	answer = spool_get(&queue, id, false, &item, &o);
	EXPECT(answer != SPOOL_OK && answer != SPOOL_GONE && answer != SPOOL_BUSY);
	EXPECT(o.cause == CAUSE_SYSTEM && o.status == EX_IOERR);	/* there is nothing wrong with the message */
	message_free(&m);
	envelope_free(&e);
	return 0;
}

static void
a_lack_of_descriptors_is_told_and_is_no_damage(void **state)
{
	(void)state;
	in_a_child(no_file_can_be_opened);
}

/* Without root's rights. */
static int
the_directory_is_read_only(void)
{
	char id[SPOOL_ID_SIZE], other[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	struct spool s;

	if (geteuid() == 0)
		EXPECT(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	(void)snprintf(directory, sizeof(directory), "%s/mine", base);
	EXPECT(mkdir(directory, 0500) == 0);
	EXPECT(spool_open(&s, directory, &o) == 0 && try_put(&s, "b@example.org", NULL, "x\n", id, &o) == -1 && o.status == EX_CANTCREAT);
	EXPECT(spool_open_runner(&s, &o) == -1 && o.status == EX_CANTCREAT);
	spool_close(&s);
	EXPECT(chmod(directory, 0700) == 0 && spool_open(&s, directory, &o) == 0);
	EXPECT(try_put(&s, "b@example.org", NULL, "x\n", id, &o) == 0);
	EXPECT(chmod(directory, 0500) == 0);
	for (int way = 0; way < 2; way++) {
		calls.no_tmpfile = way == 1;
		EXPECT(try_put(&s, "b@example.org", NULL, "x\n", other, &o) == -1 && o.status == EX_CANTCREAT && o.cause == CAUSE_QUEUE);
	}
	EXPECT(spool_get(&s, id, true, &item, &o) == SPOOL_OK && spool_update(&item, &o) == 0);
	EXPECT(spool_remove(&s, &item, &o) == -1 && o.status == EX_IOERR);
	EXPECT(spool_bury(&s, &item, &o) == -1 && o.status == EX_IOERR);
	spool_item_close(&item);
	EXPECT(files("") == 1 && spool_get(&s, id, true, &item, &o) == SPOOL_OK);
	spool_item_close(&item);
	EXPECT(chmod(path_of(id), 0400) == 0);
	EXPECT(spool_get(&s, id, true, &item, &o) != SPOOL_OK && strcmp(o.why, strerror(EACCES)) == 0);
	EXPECT(chmod(directory, 0700) == 0);
	spool_close(&s);
	return 0;
}

static void
a_directory_that_cannot_be_written_is_told(void **state)
{
	(void)state;
	if (geteuid() == 0)
		assert_int_equal(chown(base, NOBODY, NOBODY), 0);
	in_a_child(the_directory_is_read_only);
}

static void
a_directory_that_is_taken_away_is_told(void **state)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	size_t count;
	char **ids;

	(void)state;
	put_simple(id);
	get(id, &item);
	assert_int_equal(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	for (int way = 0; way < 2; way++) {
		calls.no_tmpfile = way == 1;
		assert_int_equal(try_put(&queue, "b@example.org", NULL, "x\n", shared_id, &o), -1);
		assert_true(o.status == EX_CANTCREAT || o.status == EX_IOERR);
		assert_int_equal(o.cause, CAUSE_QUEUE);
	}
	assert_is(id, false, SPOOL_GONE);
	assert_int_equal(spool_remove(&queue, &item, &o), -1);
	assert_int_equal(o.status, EX_IOERR);
	assert_int_equal(spool_bury(&queue, &item, &o), -1);
	assert_int_equal(o.status, EX_IOERR);
	spool_item_close(&item);
	if (spool_list(&queue, &ids, &count, &o) == 0) {
		assert_int_equal(count, 0);
		free(ids);
	} else
		assert_int_equal(o.status, EX_IOERR);
}

/* A small file system in memory, which nobody else sees. */
static int
the_disk_is_full(void)
{
	char id[SPOOL_ID_SIZE];
	struct spool_item item;
	struct outcome o;
	struct spool s;
	size_t n = 0;

	if (unshare(CLONE_NEWNS) == -1 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) == -1 || mount("none", directory, "tmpfs", 0, "size=128k,mode=700") == -1) {
		(void)fprintf(stderr, "# skipped: nothing may be mounted here: %s\n", strerror(errno));
		return SKIPPED;
	}
	EXPECT(spool_open(&s, directory, &o) == 0);
	while (n < 1000 && try_put(&s, "b@example.org", NULL, "Subject: x\n\nhello\n", id, &o) == 0)
		n++;
	EXPECT(n > 10 && n < 1000);
	for (int way = 0; way < 2; way++) {
		calls.no_tmpfile = way == 1;
		EXPECT(try_put(&s, "b@example.org", NULL, "Subject: x\n\nhello\n", shared_id, &o) == -1);
		EXPECT((o.status == EX_IOERR || o.status == EX_CANTCREAT) && o.cause == CAUSE_QUEUE_FULL && files("") == n && files("new.") == 0);
	}
	EXPECT(spool_get(&s, id, true, &item, &o) == SPOOL_OK && spool_update(&item, &o) == 0 && spool_remove(&s, &item, &o) == 0);
	spool_item_close(&item);
	EXPECT(try_put(&s, "b@example.org", NULL, "Subject: x\n\nhello\n", id, &o) == 0 && files("") == n);
	spool_close(&s);
	return 0;
}

static void
a_full_disk_is_told(void **state)
{
	(void)state;
	in_a_child(the_disk_is_full);
}

/* Puts messages in until it is killed. */
static void
put_for_ever(void)
{
	char id[SPOOL_ID_SIZE];
	struct outcome o;

	while (try_put(&queue, "b@example.org", "c@example.org", "Subject: x\n\nhello\n", id, &o) == 0)
		;
	_exit(1);
}

static void
a_process_that_is_killed_leaves_whole_messages(void **state)
{
	struct outcome o;
	size_t count, before = 0;
	int status;
	char **ids;

	(void)state;
	for (int round = 0; round < 10; round++) {
		msec deadline = clock_now() + WAIT;
		pid_t pid;

		calls.no_tmpfile = round % 2 == 1;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			put_for_ever();
		while (files("0") < before + 3 && clock_now() < deadline)
			(void)sched_yield();
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_true(waitpid(pid, &status, 0) == pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(spool_list(&queue, &ids, &count, &o), 0);
		assert_true(count >= before + 3);
		for (size_t i = 0; i < count; i++) {
			assert_is(ids[i], true, SPOOL_OK);
			free(ids[i]);
		}
		free(ids);
		before = count;
	}
}

#define test(function)	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(all_of_an_envelope_comes_back),
		test(an_envelope_without_anything_comes_back_so),
		test(any_address_that_may_be_sent_to_comes_back),
		test(only_the_recipients_that_are_wanted_are_put_in),
		test(any_message_comes_back_octet_for_octet),
		test(what_was_added_to_a_header_comes_back),
		test(large_messages_come_back),
		test(a_header_that_has_grown_past_its_bound_is_not_lost),
		test(any_number_of_recipients_can_be_got_or_is_refused),
		test(an_update_is_seen_by_whoever_gets_it_next),
		test(a_recipient_may_have_failed_without_a_fate),
		test(a_temporary_fate_is_kept),
		test(numbers_that_do_not_fit_do_no_harm),
		test(what_a_record_cannot_hold_comes_back_bounded_and_harmless),
		test(words_that_were_written_once_do_not_change_any_more),
		test(every_stage_and_status_comes_back),
		test(a_record_that_makes_no_sense_tells_the_state_alone),
		test(what_is_removed_is_gone),
		test(what_is_removed_soon_is_deleted_beside),
		test(what_is_removed_soon_holds_little),
		test(a_sync_that_fails_leaves_no_threads),
		test(a_sync_that_fails_beside_is_told),
		test(what_is_buried_is_kept_in_failed),
		test(the_list_has_messages_alone_by_time),
		test(usage_is_what_the_messages_take),
		test(what_is_left_to_another_user_he_may_open),
		test(no_two_messages_have_the_same_identifier),
		test(what_is_no_identifier_is_never_opened),
		test(what_is_no_file_is_broken_and_never_followed),
		test(a_directory_that_is_none_is_refused),
		test(what_is_not_failed_takes_no_message),
		test(a_file_with_holes_is_broken),
		test(what_has_another_name_is_marked_before_it_is_removed),
		test(runner_is_a_file_of_our_own),
		test(what_is_open_is_busy_until_it_is_closed),
		test(two_processes_never_have_the_same_message),
		test(a_look_sees_also_what_is_busy),
		test(a_look_holds_nothing),
		test(a_file_without_its_end_is_broken_at_any_length),
		test(a_flipped_bit_is_seen),
		test(lost_blocks_are_seen),
		test(a_flipped_bit_in_what_changes_does_no_harm),
		test(a_flipped_bit_is_never_another_state),
		test(a_malformed_envelope_is_broken),
		test(a_state_that_is_none_is_broken),
		test(another_version_is_told),
		test(a_head_that_tells_what_cannot_be_is_refused_before_memory_is_taken),
		test(a_message_that_cannot_be_read_any_more_is_74),
		test(nothing_is_told_before_it_is_safe),
		test(a_call_that_fails_leaves_nothing_behind),
		test(a_name_that_is_in_use_is_not_overwritten),
		test(an_update_that_fails_is_told_and_hurts_nothing),
		test(what_cannot_be_removed_or_buried_is_told),
		test(a_message_that_cannot_be_put_in_whole_is_not_put_in),
		test(a_limit_of_the_size_of_files_is_told),
		test(a_lack_of_descriptors_is_told_and_is_no_damage),
		test(a_directory_that_cannot_be_written_is_told),
		test(a_directory_that_is_taken_away_is_told),
		test(a_full_disk_is_told),
		test(a_process_that_is_killed_leaves_whole_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
