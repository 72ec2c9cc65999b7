/*
 * Octets in memory and past a bound in an unnamed file; what happens where there is no room.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/store.h"

#define PIECE	10007	/* no multiple of anything */

static char directory[64];

static int
set_up(void **state)
{
	(void)state;
	(void)strlcpy(directory, "/tmp/test_store.XXXXXX", sizeof(directory));
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return rmdir(directory);
}

/* The octet that belongs at this place. */
static char
octet(uint64_t offset)
{
	return (char)((offset * 31 + offset / 251) & 0xff);
}

/* Adds n octets in pieces; the number of octets that went in before it failed. */
static uint64_t
fill(struct store *s, uint64_t n, size_t piece, struct outcome *o)
{
	char *p = mem_alloc(piece);
	uint64_t done = 0;

	while (done < n) {
		size_t k = n - done < piece ? (size_t)(n - done) : piece;

		for (size_t i = 0; i < k; i++)
			p[i] = octet(done + i);
		if (store_add(s, p, k, o) < 0)
			break;
		done += k;
	}
	free(p);
	return done;
}

static void
check_content(struct store *s, uint64_t n)
{
	struct outcome o;
	const char *p;
	uint64_t at = 0;
	ptrdiff_t k;

	assert_true(s->length == n);
	while ((k = store_read(s, at, &p, &o)) > 0) {
		assert_true(k <= STORE_BLOCK);
		for (ptrdiff_t i = 0; i < k; i++)
			if (p[i] != octet(at + (uint64_t)i))
				fail_msg("octet %llu differs", (unsigned long long)(at + (uint64_t)i));
		at += (uint64_t)k;
	}
	assert_int_equal(k, 0);
	assert_true(at == n);
}

static void
the_same_octets_come_back_at_any_size(void **state)
{
	static const uint64_t sizes[] = {
		0, 1, PIECE, STORE_MEMORY - 1, STORE_MEMORY, STORE_MEMORY + 1, STORE_MEMORY + 300000, 5 * STORE_MEMORY + 3,
	};
	static const size_t pieces[] = { 77, PIECE, 65536, 3 * STORE_MEMORY };
	struct store s;
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
			store_init(&s, directory);
			assert_true(fill(&s, sizes[i], pieces[j], &o) == sizes[i]);
			assert_int_equal(s.fd >= 0, sizes[i] > STORE_MEMORY);
			check_content(&s, sizes[i]);	/* part in the file, part in memory */
			assert_int_equal(store_finish(&s, &o), 0);
			check_content(&s, sizes[i]);
			store_free(&s);
		}
	}
}

static void
reading_begins_anywhere(void **state)
{
	struct store s;
	struct outcome o;
	const char *p;

	(void)state;
	store_init(&s, directory);
	(void)fill(&s, 2 * STORE_MEMORY, PIECE, &o);
	for (uint64_t at = 0; at < 2 * STORE_MEMORY; at += 1009) {
		assert_true(store_read(&s, at, &p, &o) > 0);
		assert_int_equal(*p, octet(at));
	}
	assert_int_equal(store_read(&s, s.length, &p, &o), 0);
	assert_int_equal(store_read(&s, UINT64_MAX, &p, &o), 0);
	store_free(&s);
}

static void
the_file_has_no_name_and_is_private_and_not_inherited(void **state)
{
	struct store s;
	struct outcome o;
	struct stat st;
	struct dirent *e;
	DIR *d;
	int names = 0;

	(void)state;
	store_init(&s, directory);
	(void)fill(&s, 2 * STORE_MEMORY, 65536, &o);
	assert_true(s.fd >= 0);
	assert_string_equal(s.place, directory);
	assert_int_equal(fstat(s.fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_true((fcntl(s.fd, F_GETFD) & FD_CLOEXEC) != 0);
	d = opendir(directory);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		names++;
	(void)closedir(d);
	assert_int_equal(names, 2);	/* . and .. */
	store_free(&s);
}

static void
a_directory_that_cannot_be_used_is_passed_over(void **state)
{
	struct store s;
	struct outcome o;

	(void)state;
	assert_int_equal(setenv("TMPDIR", directory, 1), 0);
	store_init(&s, "/nonexistent/queue");
	assert_true(fill(&s, 2 * STORE_MEMORY, 65536, &o) == 2 * STORE_MEMORY);
	assert_string_equal(s.place, directory);
	check_content(&s, 2 * STORE_MEMORY);
	store_free(&s);
	assert_int_equal(setenv("TMPDIR", "", 1), 0);
	store_init(&s, NULL);
	assert_true(fill(&s, 2 * STORE_MEMORY, 65536, &o) == 2 * STORE_MEMORY);
	assert_string_equal(s.place, "/var/tmp");
	store_free(&s);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

/* Runs a part of the test where its limits hurt nobody else; what it returns is 0 if all is well. */
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
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
limit(__rlimit_resource_t what, rlim_t n)
{
	struct rlimit r = { n, n };

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(what, &r);
}

static int
disk_fills_half_way(void)
{
	struct store s;
	struct outcome o = {0};
	uint64_t done;

	limit(RLIMIT_FSIZE, 3 * STORE_MEMORY);
	store_init(&s, directory);
	done = fill(&s, 8 * STORE_MEMORY, PIECE, &o);
	if (done < 3 * STORE_MEMORY || done >= 4 * STORE_MEMORY)
		return 1;
	if (o.status != EX_IOERR || o.cause != CAUSE_SPACE)
		return 2;
	if (strstr(o.what, directory) == NULL || *o.why == '\0')
		return 3;
	store_free(&s);
	return 0;
}

static int
the_last_piece_does_not_fit(void)
{
	struct store s;
	struct outcome o = {0};

	limit(RLIMIT_FSIZE, 2 * STORE_MEMORY);
	store_init(&s, directory);
	if (fill(&s, 2 * STORE_MEMORY + 1, STORE_MEMORY / 4, &o) != 2 * STORE_MEMORY + 1)
		return 1;
	if (store_finish(&s, &o) == 0)
		return 2;
	store_free(&s);
	return o.status != EX_IOERR || o.cause != CAUSE_SPACE;
}

/* A place where a file can be made, but not written. */
static int
no_file_is_written(void)
{
	struct store s;
	struct outcome o = {0};

	limit(RLIMIT_FSIZE, 1000);
	store_init(&s, directory);
	if (fill(&s, STORE_HARD, 65536, &o) != STORE_HARD || s.fd >= 0)
		return 1;
	check_content(&s, STORE_HARD);
	if (store_finish(&s, &o) < 0)
		return 2;
	if (store_add(&s, "x", 1, &o) == 0 || o.status != EX_IOERR || o.cause != CAUSE_SPACE)
		return 3;
	store_free(&s);
	return 0;
}

static int
no_file_is_opened(void)
{
	struct store s;
	struct outcome o = {0};

	limit(RLIMIT_NOFILE, 3);
	if (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		return 0;	/* an emulator that does not keep this limit */
	store_init(&s, directory);
	if (fill(&s, STORE_HARD + 1, 65536, &o) != STORE_HARD || s.fd >= 0)
		return 1;
	store_free(&s);
	return o.status != EX_IOERR || o.cause != CAUSE_SPACE;
}

static void
a_disk_that_fills_half_way_is_74_with_the_directory_named(void **state)
{
	(void)state;
	in_a_child(disk_fills_half_way);
	in_a_child(the_last_piece_does_not_fit);
}

static void
without_a_file_it_stays_in_memory_up_to_a_bound(void **state)
{
	(void)state;
	in_a_child(no_file_is_written);
	in_a_child(no_file_is_opened);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_octets_come_back_at_any_size),
		cmocka_unit_test(reading_begins_anywhere),
		cmocka_unit_test(the_file_has_no_name_and_is_private_and_not_inherited),
		cmocka_unit_test(a_directory_that_cannot_be_used_is_passed_over),
		cmocka_unit_test(a_disk_that_fills_half_way_is_74_with_the_directory_named),
		cmocka_unit_test(without_a_file_it_stays_in_memory_up_to_a_bound),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
