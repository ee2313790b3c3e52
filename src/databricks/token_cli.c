/* Tokens of the vendor's CLI: asked for with "databricks auth token", which keeps and renews them. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/process.h"
#include "databricks/token.h"

#define TIMEOUT_MS 60000
#define OUTPUT_BYTES (4 * LIMIT_TOKEN_BYTES)
#define LIFE_UNTOLD_MS (3600 * 1000)

static bool
is_cancelled(void *context)
{
	return http_pool_is_interrupted(context);
}

/* forces: not the one it keeps (CLI 0.296 and later). */
static int
ask(const struct databricks_config *c, bool forces, struct http_pool *pool, struct buffer *answer, struct error *e)
{
	const char *program = profile_environment("DATABRICKS_CLI_PATH");
	const char *argv[8] = {program != NULL ? program : "databricks", "auth", "token"};
	char *file = c->config_file != NULL ? memory_format("DATABRICKS_CONFIG_FILE=%s", c->config_file) : NULL;
	/* what is in the environment is for sfzb to settle, not for the CLI a second time */
	const char *environment[] = {"DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET",
	    "DATABRICKS_AUTH_TYPE", "DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE", file, NULL};
	struct process_request q = {.argv = argv, .environment = environment, .shows_errors = true,
	    .timeout_ms = TIMEOUT_MS, .output_limit_bytes = OUTPUT_BYTES, .is_cancelled = is_cancelled, .context = pool};
	int status, rc = -1;

	argv[3] = c->config_profile != NULL ? "--profile" : "--host";
	argv[4] = c->config_profile != NULL ? c->config_profile : c->host.url;
	argv[5] = forces ? "--force-refresh" : NULL;
	if (process_run(&q, answer, &status, e) < 0) {
		if (e->code == ERR_CONFIG)
			error_hint(e, "install the Databricks CLI, or log in without it: sfzb login databricks --method browser");
		else if (e->code == ERR_TIMEOUT)
			e->code = ERR_UNAVAILABLE;
	} else if (status != 0) {
		error_set(e, ERR_CREDENTIALS, "\"%s auth token\" ended with status %d", argv[0], status);
		error_hint(e, "log in there again: databricks auth login %s %s", argv[3], argv[4]);
	} else {
		rc = 0;
	}
	free(file);
	return rc;
}

static int
read_answer(struct text answer, int64_t now_ms, struct secret *out, int64_t *life_ms, struct error *e)
{
	struct error ignored = ERROR_INIT;
	struct json *j = json_parse(answer, &ignored);
	const char *token = json_find_string(j, "access_token"), *expiry = json_find_string(j, "expiry");
	int64_t end_ms;
	int rc = -1;

	if (token == NULL || token[0] == '\0' || strlen(token) > LIMIT_TOKEN_BYTES) {
		error_set(e, ERR_REFUSED, "\"databricks auth token\" printed no access_token");
		error_hint(e, "is that program the Databricks CLI, version 0.200 or later?");
	} else {
		secret_set(out, text_of(token));
		*life_ms = LIFE_UNTOLD_MS;
		if (expiry != NULL && clock_parse_time(expiry, now_ms, &end_ms, &ignored) == 0)
			*life_ms = end_ms > now_ms ? end_ms - now_ms : 0;
		rc = 0;
	}
	json_free(j);
	return rc;
}

static int
ask_and_read(const struct databricks_config *c, bool forces, int64_t now_ms, struct http_pool *pool, struct secret *out,
    int64_t *life_ms, struct error *e)
{
	struct buffer answer = BUFFER_INIT;
	int rc = ask(c, forces, pool, &answer, e);

	if (rc == 0)
		rc = read_answer(buffer_span(&answer), now_ms, out, life_ms, e);
	buffer_release_wiped(&answer);
	return rc;
}

int
databricks_token_of_cli(const struct databricks_config *c, const struct secret *refused, int64_t now_ms,
    struct http_pool *pool, struct secret *out, int64_t *life_ms, struct error *e)
{
	struct error ignored = ERROR_INIT;
	bool was_refused;

	if (ask_and_read(c, false, now_ms, pool, out, life_ms, e) < 0)
		return -1;
	was_refused = refused != NULL && secret_equal(out, refused);
	if (*life_ms > DATABRICKS_FRESH_MS && !was_refused)
		return 0;
	if (ask_and_read(c, true, now_ms, pool, out, life_ms, was_refused ? e : &ignored) == 0)
		return 0;
	/* an old CLI cannot be forced: the token is good to its end */
	return was_refused ? -1 : 0;
}
