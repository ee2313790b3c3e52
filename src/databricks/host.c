#include "databricks/host.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/client.h"

static const struct {
	const char *name, *suffix;
} clouds[] = {
#define X(name, text, suffix) {text, suffix},
    CLOUDS(X)
#undef X
};

const char *
cloud_name(enum cloud c)
{
	return clouds[c].name;
}

enum cloud
cloud_parse(const char *name)
{
	for (int i = 1; name != NULL && i < CLOUD_COUNT; i++)
		if (strcasecmp(clouds[i].name, name) == 0)
			return (enum cloud)i;
	return CLOUD_UNKNOWN;
}

/* The cloud of a host, and the bytes in front of ".<suffix>". */
static enum cloud
split_suffix(struct text host, struct text *front)
{
	for (int i = 1; i < CLOUD_COUNT; i++) {
		size_t n = strlen(clouds[i].suffix);

		if (host.len > n + 1 && text_ends(host, clouds[i].suffix) &&
		    host.data[host.len - n - 1] == '.') {
			*front = text_span(host.data, host.len - n - 1);
			/* "1.2.gcp.databricks.com" also ends like nothing else here; first match is the one */
			return (enum cloud)i;
		}
	}
	*front = host;
	return CLOUD_UNKNOWN;
}

static bool
is_number(struct text t)
{
	if (t.len < 6 || t.len >= WORKSPACE_ID_SIZE)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (!isdigit((unsigned char)t.data[i]))
			return false;
	return true;
}

static struct text
first_label(struct text t)
{
	const char *dot = t.len > 0 ? memchr(t.data, '.', t.len) : NULL;

	return dot != NULL ? text_span(t.data, (size_t)(dot - t.data)) : t;
}

static struct text
behind_label(struct text t)
{
	size_t n = first_label(t).len;

	return n < t.len ? text_span(t.data + n + 1, t.len - n - 1) : text_of("");
}

static void
put(char *out, size_t size, struct text t)
{
	snprintf(out, size, TEXT_FORMAT, TEXT_ARGS(t));
}

/* "https://host:port" → its host. */
static struct text
host_of(const char *origin)
{
	const char *host = strstr(origin, "://") + 3;

	return text_span(host, host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":"));
}

/* The workspace id that a browser's URL carries as ?o=. */
static void
take_query_id(struct databricks_host *h, const char *given)
{
	const char *p = strpbrk(given, "?&");

	for (; p != NULL; p = strpbrk(p + 1, "?&")) {
		struct text value = text_span(p + 3, strncmp(p + 1, "o=", 2) == 0 ? strspn(p + 3, "0123456789") : 0);

		if (is_number(value)) {
			put(h->workspace_id, sizeof(h->workspace_id), value);
			return;
		}
	}
}

static bool
is_ingest_label(struct text t)
{
	return text_is(t, "zerobus") || text_is(t, "ingest");
}

/* Regional hosts without a workspace in them: "westeurope.azuredatabricks.net"; AWS has nicknames, not regions. */
static bool
is_azure(enum cloud c)
{
	return c == CLOUD_AZURE || c == CLOUD_AZURE_US || c == CLOUD_AZURE_CN;
}

int
databricks_host_parse(struct databricks_host *h, const char *given, struct error *e)
{
	char *origin = http_origin(given, e);
	struct text host, front, label;
	int rc = -1;

	memset(h, 0, sizeof(*h));
	if (origin == NULL)
		return error_wrap(e, "Databricks host");
	if (strlen(origin) >= sizeof(h->url)) {
		error_set(e, ERR_CONFIG, "Databricks host: longer than %zu bytes", sizeof(h->url) - 1);
		goto out;
	}
	host = host_of(origin);
	h->cloud = split_suffix(host, &front);
	label = first_label(front);
	if (h->cloud != CLOUD_UNKNOWN && is_ingest_label(first_label(behind_label(front)))) {
		error_set(e, ERR_CONFIG, "\"" TEXT_FORMAT "\" is a Zerobus endpoint, not a workspace", TEXT_ARGS(host));
		error_hint(e, "set DATABRICKS_INGEST_ENDPOINT to it, and DATABRICKS_HOST to the URL the browser shows for the workspace");
		goto out;
	}
	if (h->cloud != CLOUD_UNKNOWN && (text_is(label, "accounts") || text_is(label, "accounts-dod"))) {
		error_set(e, ERR_CONFIG, "\"" TEXT_FORMAT "\" is the account console, not a workspace", TEXT_ARGS(host));
		error_hint(e, "give the URL that the browser shows inside the workspace");
		goto out;
	}
	strcpy(h->url, origin);
	if (is_azure(h->cloud) && text_starts(label, "adb-"))
		label = text_span(label.data + 4, label.len - 4);
	else if (is_azure(h->cloud) && front.len == label.len && front.len < REGION_SIZE)
		put(h->region, sizeof(h->region), label);
	if (is_number(label))
		put(h->workspace_id, sizeof(h->workspace_id), label);
	take_query_id(h, given);
	rc = 0;
out:
	free(origin);
	return rc;
}

int
databricks_endpoint_parse(struct databricks_endpoint *x, const char *given, struct error *e)
{
	char *origin = http_origin(given, e);
	struct text host, front, label, rest;
	const char *port;
	int n;

	memset(x, 0, sizeof(*x));
	if (origin == NULL)
		return error_wrap(e, "Zerobus endpoint");
	host = host_of(origin);
	port = host.data + host.len;
	x->cloud = split_suffix(host, &front);
	label = first_label(front);
	rest = behind_label(front);
	if (x->cloud != CLOUD_UNKNOWN && !is_ingest_label(first_label(rest))) {
		error_set(e, ERR_CONFIG, "\"" TEXT_FORMAT "\" is not a Zerobus endpoint", TEXT_ARGS(host));
		error_hint(e, "it looks like <workspace-id>.zerobus.<region>.%s", clouds[x->cloud].suffix);
		free(origin);
		return -1;
	}
	if (is_number(label))
		put(x->workspace_id, sizeof(x->workspace_id), label);
	if (x->cloud != CLOUD_UNKNOWN)
		put(x->region, sizeof(x->region), behind_label(rest));
	if (text_starts(text_of(origin), "http:"))
		n = snprintf(x->target, sizeof(x->target), "%s", origin);
	else
		n = snprintf(x->target, sizeof(x->target), TEXT_FORMAT "%s", TEXT_ARGS(host),
		    port[0] == ':' ? port : ":443");
	free(origin);
	if (n >= (int)sizeof(x->target))
		return error_set(e, ERR_CONFIG, "Zerobus endpoint: longer than %zu bytes", sizeof(x->target) - 1);
	return 0;
}

int
databricks_endpoint_build(struct databricks_endpoint *x, const char *workspace_id, const char *region,
    enum cloud cloud, struct error *e)
{
	const char *lacks = workspace_id == NULL || workspace_id[0] == '\0' ? "workspace id" :
	    region == NULL || region[0] == '\0'				    ? "region" :
	    cloud == CLOUD_UNKNOWN					    ? "cloud" :
									      NULL;
	char *given;
	int rc;

	if (lacks != NULL) {
		error_set(e, ERR_CONFIG, "the Zerobus endpoint is not known: no %s", lacks);
		return error_hint(e,
		    "set DATABRICKS_INGEST_ENDPOINT=<workspace-id>.zerobus.<region>.%s, or name it at 'sfzb login databricks'",
		    cloud == CLOUD_UNKNOWN ? "cloud.databricks.com" : clouds[cloud].suffix);
	}
	given = memory_format("%s.zerobus.%s.%s", workspace_id, region, clouds[cloud].suffix);
	rc = databricks_endpoint_parse(x, given, e);
	free(given);
	return rc;
}

int
databricks_warehouse_parse(char *out, const char *given, struct error *e)
{
	static const char *const markers[] = {"/warehouses/", "/endpoints/"};
	const char *id = given + strspn(given, " \t\"'");
	char clean[200];
	size_t len;

	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		const char *p = strstr(given, markers[i]);

		if (p != NULL)
			id = p + strlen(markers[i]);
	}
	for (len = 0; isalnum((unsigned char)id[len]); len++)
		;
	/* behind it only what ends a path: a query, another parameter, nothing */
	if (len == 0 || len >= WAREHOUSE_ID_SIZE || strchr("?;/&# \t\"'", id[len]) == NULL) {
		error_set(e, ERR_CONFIG, "\"%s\" names no SQL warehouse",
		    text_clean(clean, sizeof(clean), text_of(given)));
		return error_hint(e, "give its id, or its HTTP path /sql/1.0/warehouses/<id> (warehouse, connection details)");
	}
	put(out, WAREHOUSE_ID_SIZE, text_span(id, len));
	return 0;
}
