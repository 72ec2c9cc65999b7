# sendmail-submit: a sendmail that submits to a smarthost.
#
#   make                 the program, build/sendmail (installs nothing)
#   make demo            installs what is missing, builds, sends a message through a throw-away smarthost on loopback
#   make check           installs what is missing, builds, runs all tests
#   make bench           builds, fetches other programs into a directory, and times all of them (tests/bench/README)
#   make man             the page smtp-reply-codes(7) anew, from the program's own table
#   make install         PREFIX, DESTDIR, SYSCONFDIR, SENDMAIL_LINK as below
#   make SANITIZE=address,undefined [check-e2e …]
#   make clean

VERSION = 0.1.0

PREFIX = /usr/local
SYSCONFDIR = /etc
DESTDIR =
# Programs with a compiled-in path look here; empty: no such link is made.
SENDMAIL_LINK = /usr/lib/sendmail

# What has to be installed, as Debian names it. The one place.
BUILD_PACKAGES = gcc libc6-dev pkg-config libssl-dev libconfuse-dev libbsd-dev
CHECK_PACKAGES = $(BUILD_PACKAGES) clang libclang-rt-14-dev libcmocka-dev perl openssl mandoc valgrind binutils util-linux strace ca-certificates python3

comma = ,
LIBRARIES = libssl libcrypto libconfuse libbsd-overlay

SANITIZE =
BUILD = build$(if $(SANITIZE),/sanitize)
ifeq ($(origin CC),default)
CC = gcc
endif
CLANG = clang

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
# For size, which costs no time that can be measured: what takes time is in libc and OpenSSL. No tables for exceptions, which C has not.
OPTIMIZE = -Os -g -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections
HARDEN = -fPIE -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARDEN_LINK = -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections $(PACKED)
# But for what handles each octet of a message.
HOT = src/mail/lanes.o src/mail/lent.o src/mail/message.o src/smtp/body.o src/net/stream.o src/queue/spool_format.o
ifneq ($(SANITIZE),)
HOT =
# A char that is unsigned, as on arm64: each test is run with both.
OPTIMIZE = -O1 -g -fno-omit-frame-pointer -funsigned-char
HARDEN = -fPIE -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -DSANITIZED
HARDEN_LINK = -pie -fsanitize=$(SANITIZE)
endif

# Relocations in a few octets instead of 24 each, where the linker can and a program that has one runs (not so with musl before 1.2.4).
PACK = -z,pack-relative-relocs
PACKED := $(shell t=$$(mktemp) && echo 'static int zero; int *at = &zero; int main(void) { return *at; }' | \
    $(CC) -fPIE -pie -Wl,--fatal-warnings,$(PACK) -x c -o $$t - 2>/dev/null && $$t 2>/dev/null && echo -Wl,$(PACK); rm -f $$t)

PKG_CONFIG = pkg-config
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARIES) 2>/dev/null)
# -lresolv: only where the C library has not all of the resolver itself (--as-needed).
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBRARIES) 2>/dev/null) -lresolv

# What the program itself is linked with. OpenSSL is loaded when it is needed (src/net/openssl.c). The two small libraries go into the program where they are there
# as archives: as shared ones they cost each run a millisecond. STATIC= leaves them shared.
SMALL_LIBRARIES = libconfuse libbsd-overlay
found = $(filter /%,$(shell $(CC) -print-file-name=$(1)))
STATIC := $(if $(and $(call found,libconfuse.a),$(call found,libbsd.a)),-Wl$(comma)-Bstatic)
PROGRAM_LIBS := $(if $(STATIC),-lc) $(STATIC) $(shell $(PKG_CONFIG) --libs $(if $(STATIC),--static) $(SMALL_LIBRARIES) 2>/dev/null) $(if $(STATIC),-Wl$(comma)-Bdynamic) -lresolv -ldl

DEFINES = -D_GNU_SOURCE -D_DEFAULT_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DVERSION='"$(VERSION)"' -DCONFIG_PATH='"$(SYSCONFDIR)/sendmail.conf"'
ALL_CFLAGS = -std=c17 $(DEFINES) -Isrc $(PKG_CFLAGS) $(WARNINGS) $(OPTIMIZE) $(HARDEN) -pthread $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LINK) -pthread $(LDFLAGS)

SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
ROOMS := $(filter-out $(BUILD)/src/main.o,$(OBJECTS))
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
SMARTHOST_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/smarthost/*.c))
SMARTHOST = $(BUILD)/tests/smarthost/smarthost
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: bench all smarthost units man fuzzers demo check check-unit check-e2e check-interop check-static check-fuzz install uninstall clean \
    needed-to-build install-to-build install-to-check
.DEFAULT_GOAL = all

all: needed-to-build $(BUILD)/sendmail

needed-to-build:
	@for tool in "$(CC)" "$(PKG_CONFIG)"; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -z "$$missing" ]; then for lib in $(LIBRARIES); do $(PKG_CONFIG) --exists $$lib || missing="$$missing $$lib"; done; fi; \
	if [ -n "$$missing" ]; then \
		echo "make: missing:$$missing" >&2; \
		echo "make: on Debian: apt-get install $(BUILD_PACKAGES)" >&2; \
		echo "make: or let 'make demo' or 'make check' install what is missing" >&2; \
		exit 1; \
	fi

# Objects are made anew when compiler or flags change, not only when a source does.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(ALL_LDFLAGS) $(PKG_LIBS) $(PROGRAM_LIBS)' | cmp -s - $@ || \
	    echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(ALL_LDFLAGS) $(PKG_LIBS) $(PROGRAM_LIBS)' > $@
FORCE:

$(HOT:%=$(BUILD)/%): private OPTIMIZE += -O2
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/sendmail: $(OBJECTS)
	$(CC) $(ALL_LDFLAGS) -o $@ $(OBJECTS) $(PROGRAM_LIBS)

smarthost: needed-to-build $(SMARTHOST)
$(SMARTHOST): $(SMARTHOST_OBJECTS)
	$(CC) $(ALL_LDFLAGS) -o $@ $(SMARTHOST_OBJECTS) $(PKG_LIBS)

units: $(UNITS) $(BUILD)/reply-codes
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/tests/unit/support.o $(ROOMS)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka
.PRECIOUS: $(BUILD)/tests/unit/%.o

# One page of the manual is made from the program's own table; a test compares.
man: needed-to-build $(BUILD)/reply-codes
	$(BUILD)/reply-codes > man/smtp-reply-codes.7
$(BUILD)/reply-codes: $(BUILD)/man/smtp-reply-codes.o $(filter $(BUILD)/src/explain%,$(OBJECTS)) $(BUILD)/src/mem.o $(BUILD)/src/outcome.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# libFuzzer comes with clang; the rooms are compiled anew for it, instrumented.
FUZZ_CFLAGS = -std=c17 $(DEFINES) -DSANITIZED -Isrc $(PKG_CFLAGS) -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -pthread
FUZZ_ROOMS := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(filter-out src/main.c,$(SOURCES)) tests/unit/support.c)
fuzzers: $(FUZZERS)
$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(FUZZ_ROOMS)
	$(CLANG) -fsanitize=fuzzer,address,undefined -pthread -o $@ $^ $(PKG_LIBS)
.PRECIOUS: $(BUILD)/fuzz/tests/fuzz/%.o

# --- Tests ---------------------------------------------------------------------------------------------------------------------

# As many at a time as there are processors (eight at most, each takes memory), unless -j says how many.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell n=$$(nproc 2>/dev/null || echo 1); echo $$((n > 8 ? 8 : n))))

demo: install-to-build
	$(MAKE) $(PARALLEL) all smarthost
	sh tests/demo.sh $(BUILD)

check: install-to-check
	$(MAKE) $(PARALLEL) all smarthost units
	$(MAKE) $(PARALLEL) SANITIZE=address,undefined all smarthost units
	$(MAKE) $(PARALLEL) fuzzers
	perl tests/run.pl $(BUILD)

check-static check-unit check-e2e check-interop check-fuzz: all smarthost units $(if $(filter check-fuzz,$(MAKECMDGOALS)),fuzzers)
	perl tests/run.pl $(BUILD) $(@:check-%=%)

define install_packages
	@missing=; for p in $(1); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing:$$missing"; \
		as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
		$$as_root apt-get -q update && \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $$missing; \
	fi
endef

install-to-build:
	$(call install_packages,$(BUILD_PACKAGES))

install-to-check:
	$(call install_packages,$(CHECK_PACKAGES))

# --- Benchmark: this program and its peers side by side; installs nothing (tests/bench/README) ------------------------------------

BENCH := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
BENCH_OPTIONS =

$(BUILD)/bench/%: tests/bench/%.c $(wildcard tests/bench/*.h) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE $(WARNINGS) -O2 -g -pthread $(CFLAGS) -o $@ $< $(LDFLAGS) $(shell $(PKG_CONFIG) --libs libssl libcrypto)

bench: all $(BENCH)
	perl tests/bench/bench.pl $(BENCH_OPTIONS) $(BUILD)

# --- Installation --------------------------------------------------------------------------------------------------------------

MAN = $(PREFIX)/share/man

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MAN)/man1 $(DESTDIR)$(MAN)/man5 $(DESTDIR)$(MAN)/man7 $(DESTDIR)$(MAN)/man8 \
	    $(DESTDIR)$(SYSCONFDIR)
	install -m 755 $(BUILD)/sendmail $(DESTDIR)$(PREFIX)/sbin/sendmail
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/bin/mailq
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/bin/newaliases
	install -m 644 man/*.1 $(DESTDIR)$(MAN)/man1
	install -m 644 man/*.5 $(DESTDIR)$(MAN)/man5
	install -m 644 man/*.7 $(DESTDIR)$(MAN)/man7
	install -m 644 man/*.8 $(DESTDIR)$(MAN)/man8
	install -m 644 sendmail.conf.example $(DESTDIR)$(SYSCONFDIR)/sendmail.conf.example
ifneq ($(SENDMAIL_LINK),)
	install -d $(DESTDIR)$(dir $(SENDMAIL_LINK))
	ln -sf $(PREFIX)/sbin/sendmail $(DESTDIR)$(SENDMAIL_LINK)
endif

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/sendmail $(DESTDIR)$(PREFIX)/bin/mailq $(DESTDIR)$(PREFIX)/bin/newaliases
	rm -f $(addprefix $(DESTDIR)$(MAN)/,man1/mailq.1 man1/newaliases.1 man5/sendmail.conf.5 man5/sendmail-queue.5 man7/smtp-reply-codes.7 man8/sendmail.8)
	rm -f $(DESTDIR)$(SYSCONFDIR)/sendmail.conf.example $(if $(SENDMAIL_LINK),$(DESTDIR)$(SENDMAIL_LINK))

clean:
	rm -rf build

-include $(OBJECTS:.o=.d) $(SMARTHOST_OBJECTS:.o=.d) $(FUZZ_ROOMS:.o=.d) $(wildcard $(BUILD)/man/*.d $(BUILD)/tests/unit/*.d $(BUILD)/fuzz/tests/fuzz/*.d)
