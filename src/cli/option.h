/*
 * Options as tables. One table is what the parser reads, what -h and the man page print, what the shells
 * complete and where environment variables are named; nothing about an option is written twice.
 *
 * A row names a field of the command's own struct; a field of the wrong type does not compile. Defaults
 * are text and go through the parser that reads the user's values. A value is looked for on the command
 * line, then in the environment, then in the default.
 *
 * Understood: --name=VALUE, --name VALUE, -nVALUE, -n VALUE, -abc for flags, --no-name for flags, "--".
 */
#ifndef SFZB_CLI_OPTION_H
#define SFZB_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum option_kind {
	OPTION_KIND_END,
	OPTION_KIND_FLAG,     /* bool; --name and --no-name */
	OPTION_KIND_COUNT,    /* int; how often it was given */
	OPTION_KIND_STRING,   /* const char *, borrowed from argv, the environment or the table */
	OPTION_KIND_INTEGER,  /* int64_t */
	OPTION_KIND_DURATION, /* int64_t, ms: "10s", "5m" */
	OPTION_KIND_BYTES,    /* int64_t: "4096", "64k", "8M" (powers of 1024) */
	OPTION_KIND_CHOICE,   /* int, the index into choices */
	OPTION_KIND_LIST,     /* struct option_list; each time it is given adds to it */
};

#define OPTION_LIST_MAX 256
/* Values as OPTION_KIND_STRING's. */
struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t count;
};

/* What a shell offers in a value's place. */
enum complete {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_TOPIC,	  /* from the profile's topics.json */
	COMPLETE_PROFILE, /* names of stored profiles */
	COMPLETE_COMMAND,
	COMPLETE_WORDS,	  /* the words of `choices` */
	COMPLETE_SUGGEST, /* the same, but other values are taken, too */
};

struct option {
	enum option_kind kind;
	char letter;	  /* 0: none */
	const char *name; /* without dashes */
	size_t offset;	  /* of the field */
	const char *argument;	 /* "<glob>"; NULL for flags and counts */
	const char *default_text; /* NULL: the field stays zero */
	const char *help;
	const char *environment; /* variable that is read when the option is not given */
	const char *choices;	 /* "auto|always|never"; of a string: what it may be, or COMPLETE_SUGGEST */
	int64_t min, max;	 /* bounds of numbers; both 0: none */
	enum complete complete;
	bool secret; /* the value is never shown; for environment variables only */
};

/* Fails to compile when the field has another type. */
#define OPTION_FIELD(type, field, wanted)                                                          \
	(offsetof(type, field) + 0 * sizeof(char[_Generic(((type *)0)->field, wanted: 1)]))

#define OPTION_FLAG(l, n, type, field, text, ...)                                                  \
	{                                                                                          \
		.kind = OPTION_KIND_FLAG, .letter = l, .name = n,                                  \
		.offset = OPTION_FIELD(type, field, bool), .help = text, __VA_ARGS__               \
	}
#define OPTION_COUNT(l, n, type, field, text, ...)                                                 \
	{                                                                                          \
		.kind = OPTION_KIND_COUNT, .letter = l, .name = n,                                 \
		.offset = OPTION_FIELD(type, field, int), .help = text, __VA_ARGS__                \
	}
#define OPTION_VALUE(k, wanted, l, n, type, field, arg, def, text, ...)                            \
	{                                                                                          \
		.kind = k, .letter = l, .name = n, .offset = OPTION_FIELD(type, field, wanted),    \
		.argument = arg, .default_text = def, .help = text, __VA_ARGS__                    \
	}
#define OPTION_STRING(l, n, type, field, arg, def, ...)                                            \
	OPTION_VALUE(OPTION_KIND_STRING, const char *, l, n, type, field, arg, def, __VA_ARGS__)
#define OPTION_INTEGER(l, n, type, field, arg, def, ...)                                           \
	OPTION_VALUE(OPTION_KIND_INTEGER, int64_t, l, n, type, field, arg, def, __VA_ARGS__)
#define OPTION_DURATION(l, n, type, field, arg, def, ...)                                          \
	OPTION_VALUE(OPTION_KIND_DURATION, int64_t, l, n, type, field, arg, def, __VA_ARGS__)
#define OPTION_BYTES(l, n, type, field, arg, def, ...)                                             \
	OPTION_VALUE(OPTION_KIND_BYTES, int64_t, l, n, type, field, arg, def, __VA_ARGS__)
#define OPTION_LIST(l, n, type, field, arg, ...)                                                   \
	OPTION_VALUE(OPTION_KIND_LIST, struct option_list, l, n, type, field, arg, NULL, __VA_ARGS__)
/* words: "auto|always|never"; the field gets the index of the word. */
#define OPTION_CHOICE(l, n, type, field, words, def, ...)                                          \
	OPTION_VALUE(OPTION_KIND_CHOICE, int, l, n, type, field, words, def, __VA_ARGS__,          \
	    .choices = words, .complete = COMPLETE_WORDS)
#define OPTION_END                                                                                 \
	{                                                                                          \
		.kind = OPTION_KIND_END                                                            \
	}

/* A table and the struct that it fills. */
struct option_group {
	const struct option *table;
	void *into;
};

/* Sets every field from the environment or the default. ERR_CONFIG names the variable. */
int options_set_defaults(const struct option_group *group, struct error *e);

enum option_order {
	OPTIONS_ANYWHERE,	/* options and operands in any order */
	OPTIONS_BEFORE_OPERANDS, /* stop at the first operand */
};

/*
 * Reads argv[0 … argc-1] (no program name). Operands are moved, in their order, to the front of argv; their
 * number is *operands. With OPTIONS_BEFORE_OPERANDS, *operands counts everything from the first operand on
 * and argv[0] is that operand. ERR_USAGE names the option and, where one is near, the name that was meant.
 */
int options_parse(const struct option_group *groups, size_t group_count, enum option_order order,
    int argc, char **argv, int *operands, struct error *e);

bool option_takes_value(const struct option *o);
/* A flag that is on by default is spoken of as --no-name. */
bool option_is_negative(const struct option *o);
/* Reads one of "a|b|c": its index, or -1. */
int option_choice_index(const char *choices, const char *word);
/* "a, b or c". Returns out. */
char *option_choice_words(char *out, size_t size, const char *choices);

#endif
