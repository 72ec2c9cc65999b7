/*
 * The configuration in force, for --print-config: every option with its value and where that came from, as text that is a configuration file itself.
 */
#ifndef CONFIG_PRINT_H
#define CONFIG_PRINT_H

#include "config.h"
#include "mem.h"

/* Appends it to out. Passwords that the file holds themselves are hidden; all else is escaped so that a terminal does not obey it. */
void config_print(const struct config *c, struct buf *out);

#endif
