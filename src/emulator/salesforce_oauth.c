#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/files.h"
#include "emulator/salesforce.h"

#define CODE_LIFETIME_MS (15 * 60 * 1000)
#define ASSERTION_LIFE_S 300
/* Scopes as they are kept: of access tokens that hang on nothing; "refresh <family>" and "code <challenge> <redirect>". */
#define API "api"
#define REFRESH "refresh "
#define CODE "code "

static void
refuse(struct http_answer *a, const char *error, const char *description)
{
	struct json *j = json_object();

	json_set_string(j, "error", error);
	json_set_string(j, "error_description", description);
	web_json(a, 400, j);
}

static bool
equal(const char *given, const char *expected)
{
	return given && strcmp(given, expected) == 0;
}

/* The org's 15 characters and '!' begin every token. scope: API, or the refresh token's, which takes it with it. */
static char *
issue_token(struct salesforce *s, const char *scope)
{
	char prefix[24];

	snprintf(prefix, sizeof prefix, "%.15s!AQEA", ORG_ID);
	return tokens_issue(s->tokens, prefix, scope, s->emulator->options->token_lifetime_ms);
}

static struct json *
token_answer(struct salesforce *s, const char *scope)
{
	struct json *j = json_object();
	char *token = issue_token(s, scope), *id = memory_format("%s/id/" ORG_ID "/" ORG_USER_ID, s->instance_url);

	json_set_string(j, "access_token", token);
	json_set_string(j, "scope", "api");
	json_set_string(j, "instance_url", s->instance_url);
	json_set_string(j, "id", id);
	json_set_string(j, "token_type", "Bearer");
	free(token);
	free(id);
	return j;
}

/* refresh: a refresh token to hand out, or NULL. */
static void
grant(struct salesforce *s, struct http_answer *a, const char *scope, const char *refresh)
{
	struct json *j = token_answer(s, scope);
	char issued[32];

	snprintf(issued, sizeof issued, "%lld", (long long)clock_wall_ms(s->emulator->clock));
	json_set_string(j, "signature", "ZW11bGF0b3I=");
	json_set_string(j, "issued_at", issued);
	if (refresh) {
		json_set_string(j, "scope", "api refresh_token");
		json_set_string(j, "refresh_token", refresh);
	}
	web_json(a, 200, j);
}

/* Id and secret; with optional_secret a public client may leave the secret out. */
static bool
check_client(struct salesforce *s, const struct web_request *r, struct http_answer *a, bool optional_secret)
{
	char *id = web_form_value(r, "client_id"), *secret = web_form_value(r, "client_secret");
	bool ok = false;

	if (!id && !secret)
		web_basic(r, &id, &secret);
	if (!equal(id, s->client_id))
		refuse(a, "invalid_client_id", "client identifier invalid");
	else if (!equal(secret, s->client_secret) && !(optional_secret && !secret))
		refuse(a, "invalid_client", "invalid client credentials");
	else
		ok = true;
	free(id);
	free(secret);
	return ok;
}

static void
by_client_credentials(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	if (check_client(s, r, a, false))
		grant(s, a, API, NULL);
}

static void
by_password(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	char *user = web_form_value(r, "username"), *password = web_form_value(r, "password");

	if (check_client(s, r, a, false)) {
		if (equal(user, ORG_USERNAME) && equal(password, s->password))
			grant(s, a, API, NULL);
		else
			refuse(a, "invalid_grant", "authentication failure");
	}
	free(user);
	free(password);
}

/* With rotation a refresh token is good once; using it again is a sign of theft. */
static void
refresh(struct salesforce *s, struct http_answer *a, const char *used, const char *family)
{
	char *next = NULL;

	if (s->emulator->options->rotates_refresh_tokens) {
		tokens_revoke(s->refresh_tokens, text_of(used));
		next = tokens_issue(s->refresh_tokens, "5Aep861", family, 0);
	}
	grant(s, a, family, next);
	free(next);
}

static void
by_refresh_token(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	char *token = web_form_value(r, "refresh_token"), *scope = NULL;

	if (check_client(s, r, a, true)) {
		if (token && tokens_check(s->refresh_tokens, text_of(token), &scope) == TOKEN_GOOD &&
		    strncmp(scope, REFRESH, strlen(REFRESH)) == 0)
			refresh(s, a, token, scope);
		else
			refuse(a, "invalid_grant", "expired access/refresh token");
	}
	free(token);
	free(scope);
}

/* --- JWT bearer ----------------------------------------------------------------------------------- */

/* The key or certificate that was "uploaded": jwt-public.pem in the emulator's directory. */
static EVP_PKEY *
load_key(struct salesforce *s)
{
	char *path = memory_format("%s/jwt-public.pem", s->emulator->directory);
	struct buffer pem = BUFFER_INIT;
	struct error ignored = ERROR_INIT;
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	BIO *bio;

	if (file_read(path, &pem, &ignored) == 0) {
		bio = BIO_new_mem_buf(pem.data, (int)pem.len);
		key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
		if (!key) {
			(void)BIO_reset(bio);
			certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
			key = certificate ? X509_get_pubkey(certificate) : NULL;
		}
		X509_free(certificate);
		BIO_free(bio);
	}
	buffer_release(&pem);
	free(path);
	return key;
}

static bool
is_signed(EVP_PKEY *key, struct text signed_part, struct text signature_b64)
{
	struct buffer signature = BUFFER_INIT;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = encode_unbase64(signature_b64, &signature) == 0 &&
	    EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(context, signature.data, signature.len, (const unsigned char *)signed_part.data,
		signed_part.len) == 1;

	EVP_MD_CTX_free(context);
	buffer_release(&signature);
	return ok;
}

/* What is wrong with the claims, in the vendor's words; NULL: nothing. */
static const char *
check_claims(struct salesforce *s, const struct json *claims)
{
	int64_t now = clock_wall_ms(s->emulator->clock) / 1000, end = json_find_int64(claims, "exp", 0);
	const char *audience = json_find_string(claims, "aud");

	if (!equal(json_find_string(claims, "iss"), s->client_id))
		return "client identifier invalid";
	if (!equal(audience, "https://login.salesforce.com") && !equal(audience, "https://test.salesforce.com") &&
	    !equal(audience, s->instance_url))
		return "audience is invalid";
	if (!equal(json_find_string(claims, "sub"), ORG_USERNAME))
		return "user hasn't approved this consumer";
	if (end <= now)
		return "expired authorization code";
	if (end > now + ASSERTION_LIFE_S)
		return "invalid assertion";
	return NULL;
}

static void
by_assertion(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	char *assertion = web_form_value(r, "assertion");
	char *first = assertion ? strchr(assertion, '.') : NULL, *second = first ? strchr(first + 1, '.') : NULL;
	struct buffer plain = BUFFER_INIT;
	struct error ignored = ERROR_INIT;
	struct json *claims = NULL;
	EVP_PKEY *key = load_key(s);
	const char *wrong = "invalid assertion";

	if (!key)
		wrong = "user hasn't approved this consumer";
	else if (second &&
	    is_signed(key, text_span(assertion, (size_t)(second - assertion)), text_of(second + 1)) &&
	    encode_unbase64(text_span(first + 1, (size_t)(second - first - 1)), &plain) == 0 &&
	    (claims = json_parse(buffer_span(&plain), &ignored)) != NULL)
		wrong = check_claims(s, claims);
	if (!wrong)
		web_json(a, 200, token_answer(s, API)); /* no issued_at, no signature */
	else
		refuse(a, equal(wrong, "client identifier invalid") ? "invalid_client_id" : "invalid_grant",
		    wrong);
	EVP_PKEY_free(key);
	json_free(claims);
	buffer_release(&plain);
	free(assertion);
}

/* --- browser login -------------------------------------------------------------------------------- */

/*
 * The consent page of a user who always agrees: back to the application at once. The code remembers the
 * challenge and the address that the exchange must repeat.
 */
void
salesforce_browser_consent(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	char *client = web_query_value(r, "client_id"), *redirect = web_query_value(r, "redirect_uri");
	char *state = web_query_value(r, "state"), *challenge = web_query_value(r, "code_challenge");
	char *kind = web_query_value(r, "response_type"), *scope, *code;
	struct buffer location = BUFFER_INIT;

	if (!equal(client, s->client_id)) {
		web_text(a, 400, NULL, "error=invalid_client_id&error_description=client identifier invalid");
	} else if (!redirect || strncmp(redirect, "http", 4) != 0 || strpbrk(redirect, "\r\n")) {
		web_text(a, 400, NULL,
		    "error=redirect_uri_mismatch&error_description=redirect_uri must match configuration");
	} else if (!equal(kind, "code")) {
		web_text(a, 400, NULL, "error=unsupported_response_type");
	} else {
		scope = memory_format(CODE "%s %s", challenge ? challenge : "", redirect);
		code = tokens_issue(s->refresh_tokens, "aPrx", scope, CODE_LIFETIME_MS);
		buffer_append_format(&location, "%s%ccode=", redirect, strchr(redirect, '?') ? '&' : '?');
		encode_percent(&location, text_of(code));
		if (state) {
			buffer_append_text(&location, "&state=");
			encode_percent(&location, text_of(state));
		}
		web_text(a, 302, NULL, "");
		web_header(a, "Location", buffer_text(&location));
		free(code);
		free(scope);
	}
	buffer_release(&location);
	free(client);
	free(redirect);
	free(state);
	free(challenge);
	free(kind);
}

static bool
fits_challenge(const char *verifier, struct text challenge)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	struct buffer text = BUFFER_INIT;
	bool ok;

	if (challenge.len == 0)
		return true;
	if (!verifier)
		return false;
	EVP_Digest(verifier, strlen(verifier), digest, &len, EVP_sha256(), NULL);
	encode_base64url(&text, digest, len);
	ok = text_equal(buffer_span(&text), challenge);
	buffer_release(&text);
	return ok;
}

static void
by_code(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	char *code = web_form_value(r, "code"), *redirect = web_form_value(r, "redirect_uri");
	char *verifier = web_form_value(r, "code_verifier"), *scope = NULL, *family, *refresh, id[UUID_SIZE];
	const char *challenge, *space;

	if (!check_client(s, r, a, true)) {
		;
	} else if (!code || tokens_check(s->refresh_tokens, text_of(code), &scope) != TOKEN_GOOD ||
	    strncmp(scope, CODE, strlen(CODE)) != 0 || !(space = strchr(challenge = scope + strlen(CODE), ' '))) {
		refuse(a, "invalid_grant", "expired authorization code");
	} else if (!equal(redirect, space + 1)) {
		refuse(a, "redirect_uri_mismatch", "redirect_uri must match configuration");
	} else if (!fits_challenge(verifier, text_span(challenge, (size_t)(space - challenge)))) {
		refuse(a, verifier ? "invalid_request" : "invalid_grant", "invalid code verifier");
	} else {
		tokens_revoke(s->refresh_tokens, text_of(code)); /* good for one exchange */
		family = memory_format(REFRESH "%s", random_uuid(id));
		refresh = tokens_issue(s->refresh_tokens, "5Aep861", family, 0);
		grant(s, a, family, refresh);
		free(refresh);
		free(family);
	}
	free(code);
	free(redirect);
	free(verifier);
	free(scope);
}

/* By the emulator's clock, against which a client may measure its own. */
static void
add_date(const struct salesforce *s, struct http_answer *a)
{
	time_t now = (time_t)(clock_wall_ms(s->emulator->clock) / 1000);
	char date[64];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	web_header(a, "Date", date);
}

void
salesforce_token(void *context, const struct web_request *r, struct http_answer *a)
{
	static const struct {
		const char *name;
		void (*grant)(struct salesforce *s, const struct web_request *r, struct http_answer *a);
	} grants[] = {
		{ "client_credentials", by_client_credentials },
		{ "password", by_password },
		{ "refresh_token", by_refresh_token },
		{ "urn:ietf:params:oauth:grant-type:jwt-bearer", by_assertion },
		{ "authorization_code", by_code },
	};
	char *type = web_form_value(r, "grant_type");
	size_t i = 0, count = sizeof grants / sizeof *grants;

	while (i < count && !equal(type, grants[i].name))
		i++;
	if (i < count)
		grants[i].grant(context, r, a);
	else
		refuse(a, "unsupported_grant_type", "grant type not supported");
	web_header(a, "Cache-Control", "no-store");
	add_date(context, a);
	free(type);
}

void
salesforce_revoke(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	char *token = web_form_value(r, "token"), *family = token ? tokens_scope(s->refresh_tokens, text_of(token)) : NULL;

	if (!token) {
		refuse(a, "unsupported_token_type", "this token type is not supported");
	} else if (family) {
		tokens_revoke_scope(s->refresh_tokens, family);
		tokens_revoke_scope(s->tokens, family); /* a refresh token takes its access tokens with it */
		web_text(a, 200, NULL, "");
	} else if (tokens_revoke(s->tokens, text_of(token))) {
		web_text(a, 200, NULL, "");
	} else {
		refuse(a, "invalid_token", "invalid token");
	}
	free(token);
	free(family);
}

/* --- who am I ------------------------------------------------------------------------------------- */

static bool
has_token(struct salesforce *s, const struct web_request *r)
{
	const char *token = web_bearer(r);

	return token && tokens_check(s->tokens, text_of(token), NULL) == TOKEN_GOOD;
}

void
salesforce_userinfo(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct json *j, *urls;
	char *text;

	if (!has_token(s, r)) {
		web_text(a, 403, "text/html; charset=UTF-8", "Bad_OAuth_Token");
		return;
	}
	j = json_object();
	urls = json_object();
	text = memory_format("%s/id/" ORG_ID "/" ORG_USER_ID, s->instance_url);
	json_set_string(j, "sub", text);
	free(text);
	json_set_string(j, "user_id", ORG_USER_ID);
	json_set_string(j, "organization_id", ORG_ID);
	json_set_string(j, "preferred_username", ORG_USERNAME);
	json_set_string(j, "nickname", "integration");
	json_set_string(j, "name", "Integration User");
	json_set_string(j, "email", ORG_USERNAME);
	json_set_string(j, "zoneinfo", "Europe/Berlin");
	json_set_bool(j, "active", true);
	text = memory_format("%s/services/data/v{version}/", s->instance_url);
	json_set_string(urls, "rest", text);
	free(text);
	json_set(j, "urls", urls);
	web_json(a, 200, j);
}

void
salesforce_identity(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct json *j;

	if (!web_bearer(r)) {
		web_text(a, 403, "text/html; charset=UTF-8", "Missing_OAuth_Token");
	} else if (!has_token(s, r)) {
		web_text(a, 403, "text/html; charset=UTF-8", "Bad_OAuth_Token");
	} else if (!equal(r->parameters[0], ORG_ID) || !equal(r->parameters[1], ORG_USER_ID)) {
		web_text(a, 403, "text/html; charset=UTF-8", "Wrong_Org");
	} else {
		j = json_object();
		json_set_string(j, "user_id", ORG_USER_ID);
		json_set_string(j, "organization_id", ORG_ID);
		json_set_string(j, "username", ORG_USERNAME);
		json_set_string(j, "display_name", "Integration User");
		json_set_string(j, "email", ORG_USERNAME);
		json_set_bool(j, "active", true);
		web_json(a, 200, j);
	}
}

/* --- SOAP ----------------------------------------------------------------------------------------- */

/* Text of <name>…</name>, entities resolved; NULL when there is none. Enough for login's two values. */
static char *
element(const char *xml, const char *name)
{
	static const struct {
		const char *entity;
		char letter;
	} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' },
		{ "&apos;", '\'' } };
	char *open = memory_format("<%s>", name);
	const char *at = strstr(xml, open);
	struct buffer out = BUFFER_INIT;

	if (at)
		at += strlen(open);
	free(open);
	if (!at)
		return NULL;
	while (*at && *at != '<') {
		size_t i = 0, count = sizeof entities / sizeof *entities;

		while (i < count && strncmp(at, entities[i].entity, strlen(entities[i].entity)) != 0)
			i++;
		buffer_append_byte(&out, (uint8_t)(i < count ? entities[i].letter : *at));
		at += i < count ? strlen(entities[i].entity) : 1;
	}
	return buffer_detach(&out);
}

#define ENVELOPE_BEGIN                                                                             \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope "                             \
	"xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "                              \
	"xmlns=\"urn:partner.soap.sforce.com\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" "     \
	"xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>"
#define ENVELOPE_END "</soapenv:Body></soapenv:Envelope>"

static void
soap_fault(struct http_answer *a, const char *code, const char *text)
{
	buffer_append_format(&a->body,
	    ENVELOPE_BEGIN "<soapenv:Fault><faultcode>%s</faultcode><faultstring>%s: %s</faultstring>"
			   "</soapenv:Fault>" ENVELOPE_END,
	    code, code, text);
	web_text(a, 500, "text/xml; charset=utf-8", "");
}

void
salesforce_soap_login(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	char *xml = text_dup(r->query->body), *user = element(xml, "username");
	char *password = element(xml, "password"), *token;

	if (strtod(r->parameters[0], NULL) >= 65) {
		soap_fault(a, "UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL");
	} else if (!equal(user, ORG_USERNAME) || !equal(password, s->password)) {
		soap_fault(a, "INVALID_LOGIN",
		    "Invalid username, password, security token; or user locked out.");
	} else {
		token = issue_token(s, API);
		buffer_append_format(&a->body,
		    ENVELOPE_BEGIN
		    "<loginResponse><result><metadataServerUrl>%s/services/Soap/m/%s/%.15s</metadataServerUrl>"
		    "<passwordExpired>false</passwordExpired><sandbox>false</sandbox>"
		    "<serverUrl>%s/services/Soap/u/%s/%.15s</serverUrl><sessionId>%s</sessionId>"
		    "<userId>" ORG_USER_ID "</userId><userInfo><organizationId>" ORG_ID "</organizationId>"
		    "<userId>" ORG_USER_ID "</userId><userName>" ORG_USERNAME "</userName></userInfo></result>"
		    "</loginResponse>" ENVELOPE_END,
		    s->instance_url, r->parameters[0], ORG_ID, s->instance_url, r->parameters[0], ORG_ID,
		    token);
		web_text(a, 200, "text/xml; charset=utf-8", "");
		free(token);
	}
	free(xml);
	free(user);
	free(password);
}
