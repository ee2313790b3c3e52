#include "salesforce/sf_cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"

#define TIMEOUT_MS 60000
#define OUTPUT_BYTES (1024 * 1024)

struct asking {
	const char *alias;
	bool (*is_cancelled)(void *context);
	void *context;
};

struct json *
salesforce_sf_parse(struct text answer)
{
	struct error ignored = ERROR_INIT;
	const char *brace = answer.len > 0 ? memchr(answer.data, '{', answer.len) : NULL;

	if (brace == NULL)
		return NULL;
	return json_parse(text_span(brace, answer.len - (size_t)(brace - answer.data)), &ignored);
}

static int
refused(const struct asking *a, const char *what, const struct json *j, int status, struct error *e)
{
	const char *name = json_find_string(j, "name"), *message = json_find_string(j, "message");
	char clean[300], clean_name[100];

	error_set(e, ERR_NOT_LOGGED_IN, "%s: %s%s%s", what, text_clean(clean_name, sizeof(clean_name), text_of(name)),
	    name != NULL ? ": " : "",
	    message != NULL ? text_clean(clean, sizeof(clean), text_of(message)) : "failed");
	if (name == NULL && message == NULL)
		error_set(e, ERR_NOT_LOGGED_IN, "%s: exit status %d and no answer", what, status);
	return error_hint(e, "'sf org list' shows the orgs it knows; 'sf org login web -a %s' logs in to one", a->alias);
}

/* One command of sf; *out is its whole answer. */
static int
ask(const struct asking *a, const char *const *argv, const char *what, struct json **out, struct error *e)
{
	static const char *const environment[] = {"NO_COLOR=1", "FORCE_COLOR", NULL};
	const struct process_request q = {.argv = argv, .environment = environment, .timeout_ms = TIMEOUT_MS,
	    .output_limit_bytes = OUTPUT_BYTES, .is_cancelled = a->is_cancelled, .context = a->context};
	struct buffer answer = BUFFER_INIT;
	struct json *j = NULL;
	int status, rc = -1;

	if (process_run(&q, &answer, &status, e) < 0) {
		if (e->code == ERR_TIMEOUT)
			e->code = ERR_UNAVAILABLE;
		else if (e->code == ERR_CONFIG)
			error_hint(e, "install the Salesforce CLI, or log in another way");
		goto out;
	}
	j = salesforce_sf_parse(buffer_span(&answer));
	if (j == NULL || status != 0 || json_find_int64(j, "status", 0) != 0) {
		refused(a, what, j, status, e);
		goto out;
	}
	for (const struct json *w = json_first(json_find(j, "warnings")); w != NULL; w = json_next(w))
		if (json_string(w) != NULL && strstr(json_string(w), "Unable to refresh auth") != NULL)
			log_warn("salesforce", "sf: its session may be stale: unable to refresh it");
	*out = j;
	j = NULL;
	rc = 0;
out:
	json_free(j);
	buffer_release_wiped(&answer);
	return rc;
}

static bool
is_token(const char *text)
{
	return text != NULL && text[0] != '\0' && strncmp(text, "[REDACTED", 9) != 0 &&
	    strlen(text) <= LIMIT_TOKEN_BYTES;
}

int
salesforce_sf_take(const struct json *shown, const char *token, struct salesforce_token *out, struct error *e)
{
	const char *instance = json_find_string(shown, "instanceUrl"), *org = json_find_string(shown, "id");

	if (instance == NULL)
		return error_set(e, ERR_CONFIG, "sf org display: the answer holds no instanceUrl");
	out->instance_url = salesforce_host(instance, e);
	if (out->instance_url == NULL)
		return error_wrap(e, "sf org display");
	secret_set(&out->access_token, text_of(token));
	if (org != NULL && (strlen(org) == 15 || strlen(org) == 18))
		strcpy(out->org_id, org);
	out->username = memory_strdup(json_find_string(shown, "username"));
	return 0;
}

int
salesforce_sf_token(const char *alias, bool (*is_cancelled)(void *context), void *context,
    struct salesforce_token *out, struct error *e)
{
	const char *const display[] = {"sf", "org", "display", "--json", "-o", alias, NULL};
	const char *const show[] = {"sf", "org", "auth", "show-access-token", "--no-prompt", "--json", "-o", alias, NULL};
	const struct asking a = {alias, is_cancelled, context};
	struct json *first = NULL, *second = NULL;
	const struct json *shown;
	const char *token;
	int rc = -1;

	if (ask(&a, display, "sf org display", &first, e) < 0)
		return -1;
	shown = json_find(first, "result");
	rc = ask(&a, show, "sf org auth show-access-token", &second, e);
	token = json_find_string(json_find(second, "result"), "accessToken");
	/* versions before that command show the token at once */
	if (rc < 0 && e->code == ERR_NOT_LOGGED_IN && is_token(json_find_string(shown, "accessToken"))) {
		error_clear(e);
		token = json_find_string(shown, "accessToken");
		rc = 0;
	}
	if (rc == 0 && !is_token(token)) {
		error_set(e, ERR_CREDENTIALS, "sf shows no access token of '%s'", alias);
		error_hint(e, "update sf to a version that has 'sf org auth show-access-token'");
		rc = -1;
	}
	if (rc == 0)
		rc = salesforce_sf_take(shown, token, out, e);
	json_free(first);
	json_free(second);
	return rc;
}
