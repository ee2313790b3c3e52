/* cli/: the option parser, suggestions, widths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/option.h"
#include "cli/suggest.h"
#include "cli/width.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct sample {
	bool flag, create;
	int count, color;
	const char *name, *kind;
	int64_t number, wait, size;
};

static const struct option sample_options[] = {
	OPTION_FLAG('f', "flag", struct sample, flag, "a flag"),
	OPTION_FLAG(0, "create", struct sample, create, "do not create", .default_text = "yes"),
	OPTION_COUNT('v', "verbose", struct sample, count, "say more"),
	OPTION_STRING('m', "match", struct sample, name, "<glob>", "*", "a name"),
	OPTION_STRING(0, "kind", struct sample, kind, "<kind>", NULL, "a word", .choices = "one|two"),
	OPTION_INTEGER('n', "number", struct sample, number, "<n>", "7", "a number", .min = 1, .max = 100,
	    .environment = "SAMPLE_NUMBER"),
	OPTION_DURATION('t', "wait", struct sample, wait, "<time>", "10s", "a time", .min = 100),
	OPTION_BYTES(0, "size", struct sample, size, "<bytes>", "64k", "a size"),
	OPTION_CHOICE(0, "color", struct sample, color, "auto|always|never", "always", "a choice"),
	OPTION_END,
};

/* Splits at spaces; returns the number of words. */
static int
split(char *line, char **words)
{
	int n = 0;

	for (char *w = strtok(line, " "); w != NULL; w = strtok(NULL, " "))
		words[n++] = w;
	return n;
}

static void
describe(char *out, size_t size, const struct sample *s, int operands, char **words)
{
	int n = snprintf(out, size, "%d%d v%d %s %s %lld %lld %lld c%d |", s->flag, s->create, s->count,
	    s->name, s->kind ? s->kind : "-", (long long)s->number, (long long)s->wait,
	    (long long)s->size, s->color);

	for (int i = 0; i < operands; i++)
		n += snprintf(out + n, size - (size_t)n, " %s", words[i]);
}

static void
test_parse(void **state)
{
	static const struct {
		const char *line, *number; /* $SAMPLE_NUMBER */
		const char *result;	   /* or, after '!', a part of the error, and after '?' one of the hint */
	} rows[] = {
	    {"", NULL, "01 v0 * - 7 10000 65536 c1 |"},
	    {"", "9", "01 v0 * - 9 10000 65536 c1 |"},
	    {"", "x", "!environment variable 'SAMPLE_NUMBER': 'x' is not a number"},
	    {"-n 5", "9", "01 v0 * - 5 10000 65536 c1 |"},
	    {"-n5 -f", NULL, "11 v0 * - 5 10000 65536 c1 |"},
	    {"-fn5", NULL, "11 v0 * - 5 10000 65536 c1 |"},
	    {"-vvf -v", NULL, "11 v3 * - 7 10000 65536 c1 |"},
	    {"--number=5 --match a*", NULL, "01 v0 a* - 5 10000 65536 c1 |"},
	    {"--match=", NULL, "01 v0  - 7 10000 65536 c1 |"},
	    {"--match --flag", NULL, "01 v0 --flag - 7 10000 65536 c1 |"},
	    {"--no-create --flag --no-flag", NULL, "00 v0 * - 7 10000 65536 c1 |"},
	    {"--no-create --create", NULL, "01 v0 * - 7 10000 65536 c1 |"},
	    {"a -f b --wait 2m c", NULL, "11 v0 * - 7 120000 65536 c1 | a b c"},
	    {"a -- -f --flag", NULL, "01 v0 * - 7 10000 65536 c1 | a -f --flag"},
	    {"a - b", NULL, "01 v0 * - 7 10000 65536 c1 | a - b"},
	    {"-- --", NULL, "01 v0 * - 7 10000 65536 c1 | --"},
	    {"--size 2M", NULL, "01 v0 * - 7 10000 2097152 c1 |"},
	    {"--size 1GiB", NULL, "01 v0 * - 7 10000 1073741824 c1 |"},
	    {"--size 10", NULL, "01 v0 * - 7 10000 10 c1 |"},
	    {"--size 9999999999G", NULL, "!option '--size': '9999999999G' is not a number of bytes?64k"},
	    {"--size -1", NULL, "!'-1' is not a number of bytes"},
	    {"--size 5x", NULL, "!'5x' is not a number of bytes"},
	    {"--color=never", NULL, "01 v0 * - 7 10000 65536 c2 |"},
	    {"--color=nevre", NULL, "!option '--color': 'nevre' is none of its values?did you mean 'never'?"},
	    {"--color=alwaysx", NULL, "!'alwaysx' is none"},
	    {"--color=", NULL, "!'' is none"},
	    {"--kind two", NULL, "01 v0 * two 7 10000 65536 c1 |"},
	    {"--kind three", NULL, "!option '--kind': 'three' is none of its values?one or two"},
	    {"-n 0", NULL, "!option '-n': '0' is not between 1 and 100"},
	    {"--number 101", NULL, "!option '--number': '101' is not between 1 and 100"},
	    {"--number 1e2", NULL, "!'1e2' is not a number"},
	    {"--number 99999999999999999999", NULL, "!is not a number"},
	    {"-t 1ms", NULL, "!option '-t': '1ms' is less than 100ms"},
	    {"-t soon", NULL, "!option '-t': 'soon' is not a duration?2h"},
	    {"-n", NULL, "!option '-n' needs a value: <n>"},
	    {"--number", NULL, "!option '--number' needs a value: <n>"},
	    {"--flag=1", NULL, "!option '--flag' takes no value"},
	    {"--no-match", NULL, "!unknown option '--no-match'"},
	    {"--numbr 5", NULL, "!unknown option '--numbr'?did you mean '--number'?"},
	    {"--mathc=x", NULL, "!unknown option '--mathc'?did you mean '--match'?"},
	    {"--num 5", NULL, "!unknown option '--num'?did you mean '--number'?"},
	    {"--zzz", NULL, "!unknown option '--zzz'?--help lists"},
	    {"-fz", NULL, "!unknown option '-z'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sample s = {.flag = false};
		struct option_group group = {sample_options, &s};
		struct error e = ERROR_INIT;
		char line[128], *words[16], got[512];
		int operands = 0, n;

		strcpy(line, rows[i].line);
		n = split(line, words);
		if (rows[i].number != NULL)
			setenv("SAMPLE_NUMBER", rows[i].number, 1);
		else
			unsetenv("SAMPLE_NUMBER");
		if (options_set_defaults(&group, &e) == 0 &&
		    options_parse(&group, 1, OPTIONS_ANYWHERE, n, words, &operands, &e) == 0) {
			describe(got, sizeof(got), &s, operands, words);
			if (strcmp(got, rows[i].result) != 0)
				fail_msg("'%s': '%s'", rows[i].line, got);
		} else {
			char wanted[256], *hint;

			strcpy(wanted, rows[i].result);
			hint = strchr(wanted, '?');
			if (hint != NULL)
				*hint++ = '\0';
			if (wanted[0] != '!' || strstr(e.text, wanted + 1) == NULL ||
			    (hint != NULL && strstr(e.hint, hint) == NULL))
				fail_msg("'%s': '%s', hint '%s'", rows[i].line, e.text, e.hint);
			assert_int_equal(error_exit_status(e.code), 2);
		}
	}
}

static void
test_leading_options(void **state)
{
	struct sample s = {.flag = false};
	struct option_group group = {sample_options, &s};
	struct error e = ERROR_INIT;
	char line[] = "-n 5 command -f --unknown", *words[8];
	int operands, n = split(line, words);

	(void)state;
	assert_int_equal(options_parse(&group, 1, OPTIONS_BEFORE_OPERANDS, n, words, &operands, &e), 0);
	assert_int_equal(operands, 3);
	assert_string_equal(words[0], "command");
	assert_string_equal(words[2], "--unknown");
	assert_false(s.flag);
	assert_int_equal(s.number, 5);
}

static void
test_suggest(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {{"", "", 0}, {"tail", "tail", 0}, {"tial", "tail", 1}, {"tai", "tail", 1}, {"", "abc", 3},
	    {"kitten", "sitting", 3}, {"stream", "steram", 1}, {"abcd", "badc", 2}};
	static const struct {
		const char *wrong, *best;
	} words[] = {{"steam", "stream"}, {"tpoics", "topics"}, {"pub", "publish"}, {"x", NULL}, {"create", "create-table"},
	    {"xyzzy", NULL}, {"tal", "tail"}};
	static const char *const names[] = {"stream", "tail", "topics", "publish", "create-table", "replay"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (suggest_distance(rows[i].a, rows[i].b) != rows[i].distance)
			fail_msg("'%s' '%s'", rows[i].a, rows[i].b);
	for (size_t i = 0; i < COUNT(words); i++) {
		struct suggestion s;

		suggest_init(&s, words[i].wrong);
		for (size_t n = 0; n < COUNT(names); n++)
			suggest_consider(&s, names[n]);
		if (words[i].best == NULL ? s.best != NULL : s.best == NULL || strcmp(s.best, words[i].best) != 0)
			fail_msg("'%s': '%s'", words[i].wrong, s.best ? s.best : "(none)");
	}
}

static void
test_width(void **state)
{
	static const struct {
		const char *text;
		size_t width, cut_at_3; /* bytes */
	} rows[] = {{"", 0, 0}, {"abcd", 4, 3}, {"äöü!", 4, 6}, {"日本", 4, 3}, {"e\xcc\x81x", 2, 4}, {"\xff\xfe", 2, 2},
	    {"a\xe2\x82", 3, 3}, {"😀😀", 4, 4}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t used;

		if (width_of(text_of(rows[i].text)) != rows[i].width)
			fail_msg("'%s': %zu", rows[i].text, width_of(text_of(rows[i].text)));
		if (width_cut(text_of(rows[i].text), 3, &used) != rows[i].cut_at_3)
			fail_msg("'%s' cut: %zu", rows[i].text, width_cut(text_of(rows[i].text), 3, &used));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_leading_options),
	    cmocka_unit_test(test_suggest),
	    cmocka_unit_test(test_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
