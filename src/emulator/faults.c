#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "emulator/faults_internal.h"

struct faults {
	pthread_mutex_t lock;
	struct random random;
	struct fault_rules rules;
	_Atomic size_t active; /* rules.count, read without the lock: most runs have none */
	uint64_t strikes[FAULT_KINDS];
};

static const char *const kind_names[FAULT_KINDS] = { "none", "status", "cut", "stall", "delay", "http",
	"drop", "ack-delay", "lose-ack", "close-signal", "expire", "duplicate" };

const char *
fault_kind_name(enum fault_kind kind)
{
	return kind < FAULT_KINDS ? kind_names[kind] : "none";
}

struct faults *
faults_new(uint64_t seed)
{
	struct faults *f = memory_zero(1, sizeof *f);

	pthread_mutex_init(&f->lock, NULL);
	random_seed(&f->random, seed);
	return f;
}

void
faults_free(struct faults *f)
{
	if (!f)
		return;
	fault_rules_release(&f->rules);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int
faults_load(struct faults *f, struct text script, bool add, struct error *e)
{
	struct fault_rules fresh = { 0 };

	if (fault_rules_parse(&fresh, script, e) != 0) {
		fault_rules_release(&fresh);
		return -1;
	}
	pthread_mutex_lock(&f->lock);
	if (add) {
		f->rules.items = memory_reserve(f->rules.items, &f->rules.capacity,
		    f->rules.count + fresh.count, sizeof *f->rules.items);
		for (size_t i = 0; i < fresh.count; i++)
			f->rules.items[f->rules.count++] = fresh.items[i];
		fresh.count = 0;
	} else {
		struct fault_rules old = f->rules;

		f->rules = fresh;
		fresh = old;
	}
	f->active = f->rules.count;
	pthread_mutex_unlock(&f->lock);
	fault_rules_release(&fresh);
	return 0;
}

int
faults_load_file(struct faults *f, const char *path, struct error *e)
{
	struct buffer script = BUFFER_INIT;
	char chunk[4096];
	size_t n;
	FILE *file = fopen(path, "re");
	int rc = -1;

	if (!file)
		return error_set(e, ERR_CONFIG, "cannot read the error script \"%s\": %m", path);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && script.len <= LIMIT_SETTINGS_BYTES)
		buffer_append(&script, chunk, n);
	if (ferror(file))
		error_set(e, ERR_CONFIG, "cannot read the error script \"%s\": %m", path);
	else if (script.len > LIMIT_SETTINGS_BYTES)
		error_set(e, ERR_CONFIG, "the error script \"%s\" is larger than %d bytes", path,
		    LIMIT_SETTINGS_BYTES);
	else if (faults_load(f, buffer_span(&script), false, e) != 0)
		error_wrap(e, "error script \"%s\"", path);
	else
		rc = 0;
	fclose(file);
	buffer_release(&script);
	return rc;
}

void
faults_clear(struct faults *f)
{
	struct error ignored = ERROR_INIT;

	faults_load(f, text_of(""), false, &ignored);
}

void
faults_write(struct faults *f, struct buffer *out)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->rules.count; i++)
		buffer_append_format(out, "%s  # struck %llu\n", f->rules.items[i].text,
		    (unsigned long long)f->rules.items[i].strikes);
	pthread_mutex_unlock(&f->lock);
}

void
faults_report(struct faults *f, struct json *into)
{
	struct json *kinds = json_object(), *rules = json_array();
	uint64_t total = 0;

	pthread_mutex_lock(&f->lock);
	for (int k = FAULT_NONE + 1; k < FAULT_KINDS; k++) {
		total += f->strikes[k];
		if (f->strikes[k])
			json_set_int64(kinds, kind_names[k], (int64_t)f->strikes[k]);
	}
	for (size_t i = 0; i < f->rules.count; i++) {
		struct json *rule = json_object();

		json_set_string(rule, "rule", f->rules.items[i].text);
		json_set_int64(rule, "struck", (int64_t)f->rules.items[i].strikes);
		json_add(rules, rule);
	}
	pthread_mutex_unlock(&f->lock);
	json_set_int64(into, "total", (int64_t)total);
	json_set(into, "by_kind", kinds);
	json_set(into, "rules", rules);
}

/* --- asking ------------------------------------------------------------------------------------- */

static bool
is_left(const struct fault_rule *r)
{
	return r->limit == 0 || r->strikes < r->limit;
}

static bool
draw(struct faults *f, const struct fault_rule *r)
{
	return r->probability >= 1 || random_unit(&f->random) < r->probability;
}

static bool
strike(struct faults *f, struct fault_rule *r, struct fault *out)
{
	r->strikes++;
	f->strikes[r->fault.kind]++;
	if (out)
		*out = r->fault;
	return true;
}

/* Whether the seen-th asking (from 1) is one of the rule's, chance aside. */
static bool
is_turn(const struct fault_rule *r, uint64_t seen)
{
	if (seen <= r->after)
		return false;
	return r->every == 0 || (seen - r->after) % r->every == 0;
}

/*
 * The rules of one moment, asked once. A delay gives way to any other rule that strikes too, so that "* delay"
 * on top of a script does not hide the rest of it.
 */
static bool
ask(struct faults *f, const char *method, enum fault_moment moment, struct fault *out)
{
	struct fault_rule *chosen = NULL;

	if (f->active == 0)
		return false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->rules.count; i++) {
		struct fault_rule *r = &f->rules.items[i];

		if (!fault_rule_applies(r, method, moment))
			continue;
		r->seen++;
		if (!is_left(r) || (chosen && chosen->fault.kind != FAULT_DELAY))
			continue;
		if (chosen && r->fault.kind == FAULT_DELAY)
			continue;
		if (is_turn(r, r->seen) && draw(f, r))
			chosen = r;
	}
	if (chosen)
		strike(f, chosen, out);
	pthread_mutex_unlock(&f->lock);
	return chosen != NULL;
}

bool
faults_call(struct faults *f, const char *method, struct fault *out)
{
	return ask(f, method, MOMENT_CALL, out);
}

bool
faults_start(struct faults *f, const char *method, struct fault *out)
{
	return ask(f, method, MOMENT_START, out);
}

bool
faults_tokens(struct faults *f, const char *method)
{
	return ask(f, method, MOMENT_TOKENS, NULL);
}

/* The first message in n + 1 … n + count behind which the rule strikes; 0: none. */
static uint64_t
find_turn(struct faults *f, const struct fault_rule *r, uint64_t n, uint64_t count)
{
	uint64_t turn = n + 1;

	if (r->every == 0 && r->after == 0) { /* chance alone: how many draws until the first hit */
		double skipped;

		if (r->probability >= 1)
			return turn;
		skipped = floor(log1p(-random_unit(&f->random)) / log1p(-r->probability));
		return skipped < (double)count ? turn + (uint64_t)skipped : 0;
	}
	if (r->every == 0)
		turn = r->after;
	else if (n < r->after)
		turn = r->after + r->every;
	else
		turn = r->after + ((n - r->after) / r->every + 1) * r->every;
	for (; turn <= n + count; turn += r->every) {
		if (turn > n && draw(f, r))
			return turn;
		if (r->every == 0)
			break;
	}
	return 0;
}

bool
faults_messages(struct faults *f, const char *method, uint64_t n, uint64_t count, uint64_t *before,
    struct fault *out)
{
	struct fault_rule *chosen = NULL;
	uint64_t first = 0;

	if (f->active == 0)
		return false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->rules.count; i++) {
		struct fault_rule *r = &f->rules.items[i];
		uint64_t turn;

		if (!fault_rule_applies(r, method, MOMENT_MESSAGE) || !is_left(r))
			continue;
		turn = find_turn(f, r, n, count);
		if (turn != 0 && (!chosen || turn < first)) {
			chosen = r;
			first = turn;
		}
	}
	if (chosen) {
		*before = first - n;
		strike(f, chosen, out);
	}
	pthread_mutex_unlock(&f->lock);
	return chosen != NULL;
}

bool
faults_reply(struct faults *f, const char *method, uint64_t n, struct fault *out)
{
	struct fault_rule *chosen = NULL;

	if (f->active == 0)
		return false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->rules.count && !chosen; i++) {
		struct fault_rule *r = &f->rules.items[i];

		if (!fault_rule_applies(r, method, MOMENT_REPLY) || !is_left(r) || n < r->after)
			continue;
		if ((r->every == 0 || (n - r->after) % r->every == 0) && draw(f, r))
			chosen = r;
	}
	if (chosen)
		strike(f, chosen, out);
	pthread_mutex_unlock(&f->lock);
	return chosen != NULL;
}
