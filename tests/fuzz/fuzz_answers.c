/*
 * What Salesforce answers over HTTP. The first byte says which: a token, a refusal of the token endpoint, SOAP, an error of a data
 * call, a host, who we are (userinfo), what the sf CLI printed. Whatever is taken must hold together: a token has an instance URL of its own making, a message no control
 * bytes, a host is its own clean form.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "salesforce/login_token.h"
#include "salesforce/rest.h"
#include "salesforce/session.h"
#include "salesforce/sf_cli.h"
#include "salesforce/soap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_message(const struct error *e)
{
	for (const char *p = e->text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			abort();
	if (e->code == ERR_OK || e->text[0] == '\0')
		abort();
}

static void
try_token(struct text s)
{
	struct salesforce_token t;
	struct error e = ERROR_INIT;

	salesforce_token_init(&t);
	if (salesforce_token_parse(s, &t, &e) != 0)
		check_message(&e);
	else if (!secret_is_set(&t.access_token) || t.instance_url == NULL || strlen(t.org_id) >= SALESFORCE_ID_SIZE)
		abort();
	salesforce_token_release(&t);
}

static void
try_refusal(struct text s)
{
	struct error e = ERROR_INIT;
	struct json *j = json_parse(s, &e);
	const char *error = json_find_string(j, "error");

	if (error != NULL) {
		salesforce_token_error(error, json_find_string(j, "error_description"), -600000, &e);
		check_message(&e);
	}
	json_free(j);
}

static void
try_soap(struct text s)
{
	static const char *const names[] = {"serverUrl", "sessionId", "userId", "organizationId", "passwordExpired",
	    "faultcode", "faultstring"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buffer value = BUFFER_INIT;

		/* entities only ever become shorter */
		if (soap_element(s, names[i], &value) && value.len > s.len)
			abort();
		buffer_release(&value);
	}
}

static void
try_host(struct text s)
{
	char *given = text_dup(s), *host, *again;
	struct error e = ERROR_INIT;

	host = salesforce_host(given, &e);
	if (host == NULL) {
		check_message(&e);
	} else {
		again = salesforce_host(host, &e);
		if (again == NULL || strcmp(host, again) != 0)
			abort();
		free(again);
	}
	free(host);
	free(given);
}

static void
try_user(struct text s)
{
	struct salesforce_user user;
	struct error e = ERROR_INIT;
	struct json *j = json_parse(s, &e);

	if (j != NULL && salesforce_user_take(j, "https://acme.my.salesforce.com", &user, &e) == 0) {
		if (strlen(user.org_id) >= SALESFORCE_ID_SIZE || strlen(user.user_id) >= SALESFORCE_ID_SIZE || user.username == NULL)
			abort();
		salesforce_user_release(&user);
	} else {
		check_message(&e);
	}
	json_free(j);
}

static void
try_sf(struct text s)
{
	struct json *j = salesforce_sf_parse(s);
	const struct json *result = json_find(j, "result");
	const char *token = json_find_string(result, "accessToken");
	struct salesforce_token t;
	struct error e = ERROR_INIT;

	salesforce_token_init(&t);
	if (token != NULL && salesforce_sf_take(result, token, &t, &e) != 0)
		check_message(&e);
	else if (token != NULL && (t.instance_url == NULL || strlen(t.org_id) >= SALESFORCE_ID_SIZE))
		abort();
	salesforce_token_release(&t);
	json_free(j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 400, 401, 403, 404, 409, 410, 429, 500, 503};
	struct error e = ERROR_INIT;
	struct text s;

	if (size == 0)
		return 0;
	s = text_span(data + 1, size - 1);
	switch (data[0]) {
	case 't':
		try_token(s);
		break;
	case 'r':
		try_refusal(s);
		break;
	case 's':
		try_soap(s);
		break;
	case 'h':
		try_host(s);
		break;
	case 'u':
		try_user(s);
		break;
	case 'f':
		try_sf(s);
		break;
	default:
		salesforce_rest_error(statuses[data[0] % 10], s, "GET https://acme.my.salesforce.com/x", &e);
		check_message(&e);
	}
	return 0;
}
