/*
 * The queue on disk: messages that survive kill -9 and power loss. The format is in sendmail-queue(5).
 *
 * A message is one file, envelope and octets together. It is written without a name, synced, given its name, and the directory is synced: a
 * message is either wholly there or not there. What changes later has a fixed width and is written in place, synced before anything is done that
 * depends on it. Nothing that is read back is trusted.
 */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include <sys/types.h>
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "mail/envelope.h"
#include "mail/message.h"
#include "outcome.h"

#define SPOOL_ID_DIGITS		26	/* of an identifier, hexadecimal: 10 are seconds, the rest is chance */
#define SPOOL_ID_SIZE		40	/* octets of an identifier with its NUL */
#define SPOOL_RECIPIENTS_MAX	100000

/* A queue that is open. */
struct spool {
	int dir;		/* the messages, and failed/ with those that nobody could be told about */
	char *path;
	uid_t uid;		/* whose it is */
	gid_t gid;
	bool foreign;		/* it is another user's, to whom messages are left */
	struct removals *removals;	/* what was removed, and is not deleted yet; NULL: nothing ever was */
	size_t unsynced;	/* messages that were removed since that was last seen to */
	size_t unsynced_most;	/* of them the files that are open still, and as many while they are deleted; 0: none */
};

/*
 * Opens the queue. -1: o: 73 it is not there, not a directory, cannot be opened, or everybody may write to it. Ended with spool_close(). What root makes in the queue of
 * another user belongs to that user.
 */
int spool_open(struct spool *s, const char *path, struct outcome *o);
void spool_close(struct spool *s);

/* Parts that the rooms of the queue share: errno told as a failure to do that with the queue (73, 74), always -1; a new file given to whom the queue belongs. */
int spool_failed(const struct spool *s, int status, const char *what, struct outcome *o);
int spool_give(const struct spool *s, int fd);

/* A new identifier, of SPOOL_ID_SIZE octets: by time, and so that no two machines ever make the same. Behind SPOOL_NEW it names what has no other name yet. */
#define SPOOL_NEW	"new."
void spool_make_id(char *id, time_t now);

/* Opens the file "runner", which is made where there is none. -1: o (73). */
int spool_open_runner(const struct spool *s, struct outcome *o);

/*
 * Puts m and those recipients of e that are wanted(e, i) into the queue, with error as what has befallen them so far (status 0: nothing) and next as the time of the next
 * attempt. Returns only when all of it is safe on disk. id: its identifier, of SPOOL_ID_SIZE octets. -1: o: 73 or 74, and nothing is in the queue.
 */
int spool_put(struct spool *s, const struct envelope *e, bool (*wanted)(const struct envelope *, size_t), struct message *m, const struct outcome *error,
    time_t next, char *id, struct outcome *o);

/* Whether a message could be put in: writes a file without a name, and leaves none. -1: o (73). */
int spool_try(const struct spool *s, struct outcome *o);

/* Messages in the queue, and their octets in all. -1: o (74). */
int spool_usage(struct spool *s, uint64_t *messages, uint64_t *octets, struct outcome *o);

/* What became of a recipient of a message in the queue. */
enum spool_state {
	SPOOL_PENDING = 'P',	/* still to be sent to */
	SPOOL_DONE = 'S',	/* the smarthost has accepted the message for it */
	SPOOL_FAILED = 'F',	/* refused for good, and the sender has not been told yet */
	SPOOL_TOLD = 'I'	/* the same, and he has been told, or is not to be */
};

/* A message in the queue that is open, and held against all others until it is closed. */
struct spool_item {
	char id[SPOOL_ID_SIZE];
	const char *directory;		/* the queue's, where a large body is kept. Not owned */
	int fd;
	time_t created;
	time_t next;			/* when it is to be tried again */
	time_t tried;			/* when it was tried last; 0: never yet */
	time_t asked;			/* when a smarthost was asked for it last: there may be none that can be */
	time_t waited;			/* seconds that it has waited, as schedule_waited() counts them */
	unsigned attempts;
	bool held;			/* by a person */
	bool warned;			/* the sender was told that it takes long */
	bool linked;			/* it has another name somewhere */
	struct envelope envelope;	/* all its recipients: RCPT_PENDING, RCPT_DONE, or RCPT_FAILED with a fate */
	enum spool_state *state;	/* of each recipient */
	struct outcome error;		/* of the last attempt as a whole; status 0: none */
	uint64_t size;			/* octets of the message */
	uint64_t message_at;		/* where it begins */
	struct removals *removals;	/* where its file goes when it is closed; NULL: it was not removed. Not owned */
};

enum spool_answer {
	SPOOL_OK,
	SPOOL_GONE,		/* there is no such message (any more) */
	SPOOL_BUSY,		/* somebody else has it open */
	SPOOL_BROKEN		/* it is torn, altered, or from another version: o says so. It is left as it is */
};

/*
 * Opens the message, and reads and checks its envelope, and its octets too if whole. Unless SPOOL_OK nothing is open.
 */
enum spool_answer spool_get(struct spool *s, const char *id, bool whole, struct spool_item *item, struct outcome *o);

/*
 * Reads what changes in the head of its file (next, tried, held ...), as it stands there, and nothing else: no more than is needed to leave it for later. False: it cannot be
 * read, and spool_get() tells why. Nothing is open.
 */
bool spool_peek(const struct spool *s, const char *id, struct spool_item *head);

/*
 * The same for a look: it holds the message against nobody, and sees it while it is being sent (*busy). What it tells may be out of date at once.
 */
enum spool_answer spool_look(struct spool *s, const char *id, struct spool_item *item, bool *busy, struct outcome *o);

/* Reads n octets of the message as they are, from offset on. -1: o (74). */
int spool_octets(const struct spool_item *item, uint64_t offset, char *p, size_t n, struct outcome *o);

/* Reads the message itself, as message_read() gave it when it was queued. -1: o (74). */
int spool_message(struct spool_item *item, struct message *m, struct outcome *o);

/*
 * Writes down item->next, attempts, held, warned and error, and the states and fates of its recipients, and syncs them. What it tells is true from then on.
 * -1: o (74).
 */
int spool_update(struct spool_item *item, struct outcome *o);

/* The same of next, tried, waited, attempts, held and warned alone; unless synced a power loss may undo it. */
int spool_note(struct spool_item *item, bool synced, struct outcome *o);

/* Removes the message, or moves it to failed/. -1: o (74). */
int spool_remove(struct spool *s, struct spool_item *item, struct outcome *o);
int spool_bury(struct spool *s, struct spool_item *item, struct outcome *o);

/*
 * Removes it as well, but that it is gone outlives a power loss only once spool_sync() was called and was done, which may be for several: else they are sent once more. Unless it
 * is to wait that goes on beside the caller, and is waited for by the next call. -1: o (74).
 */
int spool_remove_soon(struct spool *s, struct spool_item *item, struct outcome *o);
int spool_sync(struct spool *s, bool wait, struct outcome *o);

/* Removes one that need not be readable. -1: o (74). */
int spool_remove_id(struct spool *s, const char *id, struct outcome *o);

/* The number of messages in failed/. */
size_t spool_buried(const struct spool *s);

void spool_item_close(struct spool_item *item);

/* Goes through the identifiers of all messages, in no order. NULL: there are no more, or -1 at the end: o (74), they cannot be read. */
struct spool_walk {
	struct spool *spool;
	DIR *dir;
	int error;
};
int spool_walk_begin(struct spool *s, struct spool_walk *w, struct outcome *o);
const char *spool_walk_next(struct spool_walk *w);
int spool_walk_end(struct spool_walk *w, struct outcome *o);

/* The identifiers of all messages, oldest first; the caller frees each and the list. -1: o (74). */
int spool_list(struct spool *s, char ***ids, size_t *count, struct outcome *o);

/* The order of identifiers in such a list, for qsort(3) and bsearch(3). */
int spool_compare(const void *a, const void *b);

/*
 * True where the user who runs us may see and send what is in the queue: it is his, or he is root. In a program with rights that he lacks he may only put messages in.
 */
bool spool_is_own(const char *path);

/* True where there is a message in the queue at path; for a quick look. */
bool spool_has_any(const char *path);

/* When the message of that identifier came into the queue. */
time_t spool_id_time(const char *id);

/* True where the text has the form of an identifier: no other is ever made a file's name. */
bool spool_is_id(const char *text);

#endif
