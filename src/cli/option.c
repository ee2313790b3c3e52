#include "cli/option.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/suggest.h"

/* How an option is spoken of in an error: "option '--limit'" or "environment variable 'X'". */
struct origin {
	const char *what, *prefix, *name;
	enum error_code code;
};

bool
option_takes_value(const struct option *o)
{
	return o->kind != OPTION_KIND_FLAG && o->kind != OPTION_KIND_COUNT;
}

bool
option_is_negative(const struct option *o)
{
	return o->kind == OPTION_KIND_FLAG && o->default_text != NULL &&
	    strcmp(o->default_text, "yes") == 0;
}

int
option_choice_index(const char *choices, const char *word)
{
	size_t len = strlen(word);
	int i = 0;

	for (const char *at = choices;; i++) {
		size_t n = strcspn(at, "|");

		if (n == len && memcmp(at, word, n) == 0)
			return i;
		if (at[n] == '\0')
			return -1;
		at += n + 1;
	}
}

char *
option_choice_words(char *out, size_t size, const char *choices)
{
	size_t used = 0;

	out[0] = '\0';
	for (const char *at = choices; used < size;) {
		size_t n = strcspn(at, "|");
		bool last = at[n] == '\0';
		const char *joint = at == choices ? "" : last ? " or " : ", ";
		int wrote = snprintf(out + used, size - used, "%s%.*s", joint, (int)n, at);

		used += (size_t)wrote;
		if (last)
			break;
		at += n + 1;
	}
	return out;
}

/* "option '--limit': 'ten' is not a number" */
static int __attribute__((format(printf, 4, 5)))
refuse(const struct origin *from, const char *value, struct error *e, const char *format, ...)
{
	char shown[TEXT_SHOWN_SIZE], why[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	return error_set(e, from->code, "%s '%s%s': '%s' %s", from->what, from->prefix, from->name, text_shown(shown, value), why);
}

static int
parse_integer(const char *s, int64_t *out)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (end == s || *end != '\0' || errno != 0 || strchr("-0123456789", s[0]) == NULL)
		return -1;
	*out = v;
	return 0;
}

static int
parse_bytes(const char *s, int64_t *out)
{
	static const char units[] = "kMGT";
	size_t digits = strspn(s, "0123456789");
	const char *unit = s + digits;
	int shift = 0;
	char *number;
	int rc;

	if (digits == 0)
		return -1;
	if (*unit != '\0') {
		const char *at = strchr(units, *unit == 'K' ? 'k' : *unit);

		if (at == NULL)
			return -1;
		shift = 10 * (int)(at - units + 1);
		unit++;
		if (strcmp(unit, "iB") == 0 || strcmp(unit, "B") == 0)
			unit += strlen(unit);
		if (*unit != '\0')
			return -1;
	}
	number = memory_strndup(s, digits);
	rc = parse_integer(number, out);
	free(number);
	if (rc != 0 || *out > (INT64_MAX >> shift))
		return -1;
	*out <<= shift;
	return 0;
}

static int
check_bounds(const struct option *o, const struct origin *from, int64_t v, const char *text,
    struct error *e)
{
	if ((o->min == 0 && o->max == 0) || (v >= o->min && (o->max == 0 || v <= o->max)))
		return 0;
	if (o->kind == OPTION_KIND_DURATION) {
		char low[32], high[32];

		clock_format_duration(low, sizeof(low), o->min);
		clock_format_duration(high, sizeof(high), o->max);
		return o->max == 0 ? refuse(from, text, e, "is less than %s", low)
				   : refuse(from, text, e, "is not between %s and %s", low, high);
	}
	return o->max == 0
	    ? refuse(from, text, e, "is less than %lld", (long long)o->min)
	    : refuse(from, text, e, "is not between %lld and %lld", (long long)o->min, (long long)o->max);
}

static int
set_choice(const struct option *o, const struct origin *from, int *field, const char *value,
    struct error *e)
{
	char words[256];
	struct suggestion s;
	char *copy, *save = NULL;

	*field = option_choice_index(o->choices, value);
	if (*field >= 0)
		return 0;
	refuse(from, value, e, "is none of its values");
	error_hint(e, "it takes %s", option_choice_words(words, sizeof(words), o->choices));
	suggest_init(&s, value);
	copy = memory_strdup(o->choices);
	for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save))
		suggest_consider(&s, w);
	if (s.best != NULL)
		error_hint(e, "did you mean '%s'? It takes %s", s.best,
		    option_choice_words(words, sizeof(words), o->choices));
	free(copy);
	return -1;
}

/* The one way by which text becomes a field: the user's, the environment's and the table's own. */
static int
set_value(const struct option *o, void *into, const struct origin *from, const char *value,
    struct error *e)
{
	void *field = (char *)into + o->offset;
	int64_t number = 0;
	int index;

	switch (o->kind) {
	case OPTION_KIND_FLAG:
		if (strcmp(value, "yes") == 0 || strcmp(value, "1") == 0 || strcmp(value, "true") == 0)
			*(bool *)field = true;
		else if (strcmp(value, "no") == 0 || strcmp(value, "0") == 0 ||
		    strcmp(value, "false") == 0)
			*(bool *)field = false;
		else
			return refuse(from, value, e, "is neither yes nor no");
		return 0;
	case OPTION_KIND_STRING:
		*(const char **)field = value;
		return o->choices != NULL && o->complete != COMPLETE_SUGGEST ? set_choice(o, from, &index, value, e) : 0;
	case OPTION_KIND_LIST: {
		struct option_list *list = field;

		if (list->count == OPTION_LIST_MAX)
			return error_set(e, from->code, "%s '%s%s' is given more than %d times", from->what, from->prefix,
			    from->name, OPTION_LIST_MAX);
		list->items[list->count++] = value;
		return 0;
	}
	case OPTION_KIND_CHOICE:
		return set_choice(o, from, field, value, e);
	case OPTION_KIND_DURATION:
		if (clock_parse_duration(value, &number, NULL) != 0) {
			refuse(from, value, e, "is not a duration");
			return error_hint(e, "write it as 500ms, 10s, 5m, 2h or 3d");
		}
		break;
	case OPTION_KIND_BYTES:
		if (parse_bytes(value, &number) != 0) {
			refuse(from, value, e, "is not a number of bytes");
			return error_hint(e, "write it as 4096, 64k, 8M or 1G");
		}
		break;
	case OPTION_KIND_INTEGER:
		if (parse_integer(value, &number) != 0)
			return refuse(from, value, e, "is not a number");
		break;
	case OPTION_KIND_COUNT:
		if (parse_integer(value, &number) != 0 || number < 0 || number > 100)
			return refuse(from, value, e, "is not a count");
		*(int *)field = (int)number;
		return 0;
	case OPTION_KIND_END:
		return 0;
	}
	if (check_bounds(o, from, number, value, e) != 0)
		return -1;
	*(int64_t *)field = number;
	return 0;
}

int
options_set_defaults(const struct option_group *group, struct error *e)
{
	for (const struct option *o = group->table; o != NULL && o->kind != OPTION_KIND_END; o++) {
		const char *value = o->environment != NULL ? getenv(o->environment) : NULL;
		struct origin from = {"environment variable", "", o->environment, ERR_CONFIG};

		if (value == NULL || value[0] == '\0') {
			value = o->default_text;
			from = (struct origin){"default of option", "--", o->name, ERR_CONFIG};
		}
		if (value != NULL && set_value(o, group->into, &from, value, e) != 0)
			return -1;
	}
	return 0;
}

static int
unknown_option(const struct option_group *groups, size_t group_count, const char *wrong,
    struct error *e)
{
	char name[64], shown[TEXT_SHOWN_SIZE];
	size_t len = strcspn(wrong, "=");
	struct suggestion s;

	error_set(e, ERR_USAGE, "unknown option '%s'", text_clean(shown, sizeof(shown), text_span(wrong, len)));
	if (len < 4 || len - 2 >= sizeof(name) || wrong[1] != '-')
		return error_hint(e, "--help lists the options");
	memcpy(name, wrong + 2, len - 2);
	name[len - 2] = '\0';
	suggest_init(&s, name);
	for (size_t g = 0; g < group_count; g++)
		for (const struct option *o = groups[g].table; o != NULL && o->kind != OPTION_KIND_END; o++)
			suggest_consider(&s, o->name);
	return s.best != NULL ? error_hint(e, "did you mean '--%s'?", s.best)
			      : error_hint(e, "--help lists the options");
}

struct match {
	const struct option *option;
	void *into;
	bool negated;
};

static bool
find_long(const struct option_group *groups, size_t group_count, const char *name, size_t len,
    struct match *m)
{
	for (int negated = 0; negated < 2; negated++) {
		if (negated && (len <= 3 || strncmp(name, "no-", 3) != 0))
			return false;
		for (size_t g = 0; g < group_count; g++)
			for (const struct option *o = groups[g].table;
			     o != NULL && o->kind != OPTION_KIND_END; o++) {
				const char *at = negated ? name + 3 : name;
				size_t n = negated ? len - 3 : len;

				if (strlen(o->name) != n || memcmp(o->name, at, n) != 0 ||
				    (negated && o->kind != OPTION_KIND_FLAG))
					continue;
				*m = (struct match){o, groups[g].into, negated};
				return true;
			}
	}
	return false;
}

static bool
find_letter(const struct option_group *groups, size_t group_count, char letter, struct match *m)
{
	for (size_t g = 0; g < group_count; g++)
		for (const struct option *o = groups[g].table; o != NULL && o->kind != OPTION_KIND_END; o++)
			if (o->letter == letter) {
				*m = (struct match){o, groups[g].into, false};
				return true;
			}
	return false;
}

static void
apply_flag(const struct match *m)
{
	char *field = (char *)m->into + m->option->offset;

	if (m->option->kind == OPTION_KIND_COUNT)
		++*(int *)field;
	else
		*(bool *)field = !m->negated;
}

static int
needs_value(const struct option *o, const char *prefix, const char *name, struct error *e)
{
	return error_set(e, ERR_USAGE, "option '%s%s' needs a value: %s", prefix, name, o->argument);
}

static int
parse_long(const struct option_group *groups, size_t group_count, int argc, char **argv, int *i,
    struct error *e)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	struct match m;
	struct origin from = {"option", "--", NULL, ERR_USAGE};

	if (!find_long(groups, group_count, name, len, &m))
		return unknown_option(groups, group_count, argv[*i], e);
	if (!option_takes_value(m.option)) {
		if (value != NULL)
			return error_set(e, ERR_USAGE, "option '--%.*s' takes no value", (int)len, name);
		apply_flag(&m);
		return 0;
	}
	if (value == NULL) {
		if (*i + 1 >= argc)
			return needs_value(m.option, "--", m.option->name, e);
		value = argv[++*i];
	}
	from.name = m.option->name;
	return set_value(m.option, m.into, &from, value, e);
}

static int
parse_letters(const struct option_group *groups, size_t group_count, int argc, char **argv, int *i,
    struct error *e)
{
	for (const char *at = argv[*i] + 1; *at != '\0'; at++) {
		char shown[2] = {*at, '\0'};
		struct origin from = {"option", "-", shown, ERR_USAGE};
		struct match m;
		const char *value;

		if (!find_letter(groups, group_count, *at, &m)) {
			char wrong[6] = {'-', *at};

			/* a character that is no ASCII has several bytes */
			for (size_t k = 1; k < 4 && (at[k] & 0xC0) == 0x80; k++)
				wrong[1 + k] = at[k];
			return unknown_option(groups, group_count, wrong, e);
		}
		if (!option_takes_value(m.option)) {
			apply_flag(&m);
			continue;
		}
		if (at[1] != '\0')
			value = at + 1;
		else if (*i + 1 < argc)
			value = argv[++*i];
		else
			return needs_value(m.option, "-", shown, e);
		return set_value(m.option, m.into, &from, value, e);
	}
	return 0;
}

int
options_parse(const struct option_group *groups, size_t group_count, enum option_order order,
    int argc, char **argv, int *operands, struct error *e)
{
	int kept = 0, i;

	for (i = 0; i < argc; i++) {
		char *word = argv[i];
		int rc;

		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		if (word[0] != '-' || word[1] == '\0') {
			if (order == OPTIONS_BEFORE_OPERANDS)
				break;
			argv[kept++] = word;
			continue;
		}
		rc = word[1] == '-' ? parse_long(groups, group_count, argc, argv, &i, e)
				    : parse_letters(groups, group_count, argc, argv, &i, e);
		if (rc != 0)
			return -1;
	}
	while (i < argc)
		argv[kept++] = argv[i++];
	*operands = kept;
	return 0;
}
