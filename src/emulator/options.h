/* The command line of sfzb-emulator. */
#ifndef SFZB_EMULATOR_OPTIONS_H
#define SFZB_EMULATOR_OPTIONS_H

#include "base/buffer.h"
#include "emulator/emulator.h"

struct command_line {
	struct emulator_options options;
	char **command; /* behind "--"; NULL: none */
	const char *compare; /* a table: only compare it with what was published */
	bool help, help_faults, man, version;
};

/* Fills defaults first. ERR_USAGE. Values are borrowed from argv. */
int options_parse(struct command_line *c, int argc, char **argv, struct error *e);
extern const char options_help[];
/* The manual page, made of the texts above and of what stands in manual.c. */
void manual_write(struct buffer *out);

#endif
