/*
 * The values of options as libconfuse reads them, each checked where it stands, with its line. For config.c alone.
 */
#ifndef CONFIG_TAKE_H
#define CONFIG_TAKE_H

#include <confuse.h>
#include <stdarg.h>
#include <stdbool.h>
#include "config.h"

/*
 * Begins and ends the reading of one file: where errors and notes of origin go. quiet: messages tell file and line, nothing of the text. libconfuse gives its callbacks no argument of ours,
 * so that is kept in config_take.c meanwhile.
 */
void take_begin(struct config *c, const char *path, bool quiet, struct outcome *o);
void take_end(void);

/* What libconfuse calls for an error, and for a smarthost that was read. */
void take_error(cfg_t *cfg, const char *fmt, va_list ap);
int take_number(cfg_t *cfg, cfg_opt_t *opt);

/* An error that is seen when the section of a smarthost is complete. Always -1. */
int take_wrong(const struct smarthost *s, const char *text, struct outcome *o);

/* The options of a section within the smarthost's of that title are noted as its own, "oauth client-id". */
void take_inner(const cfg_t *section, const char *title);

/* One kind of value each; the result is as libconfuse wants it. */
int take_text(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_path(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_secret_file(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_secret(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_host(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_ehlo(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_address(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_port(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_bool(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_version(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_mechanism(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_fingerprint(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_duration(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_log(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_log_format(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_delivery(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_provider(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_grant(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_tenant(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_url(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_proxy(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_bound(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int take_connections(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);

#endif
