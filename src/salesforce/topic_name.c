#include "salesforce/topic_name.h"

#include <stdio.h>
#include <string.h>

static bool
ends(const char *s, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && memcmp(s + len - n, suffix, n) == 0;
}

static bool
is_name(const char *s, size_t len)
{
	if (len == 0 || !((s[0] >= 'A' && s[0] <= 'Z') || (s[0] >= 'a' && s[0] <= 'z')))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') ||
			(s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
			return false;
	return true;
}

static int
refuse(const char *name, struct error *e)
{
	error_set(e, ERR_USAGE, "'%.120s' is not the name of a topic", name);
	return error_hint(e, "write an object (Account, Invoice__c), a platform event (Order__e), "
			     "a channel (Mine__chn), "
			     "ChangeEvents, or a whole name (/data/AccountChangeEvent)");
}

static int
keep_whole(char out[TOPIC_NAME_SIZE], const char *name, size_t len, struct error *e)
{
	size_t prefix = strncmp(name, "/data/", 6) == 0	   ? 6
			: strncmp(name, "/event/", 7) == 0 ? 7
							   : 0;

	if (prefix == 0 && (strncmp(name, "/topic/", 7) == 0 || strncmp(name, "/u/", 3) == 0 ||
			       strncmp(name, "/systemTopic/", 13) == 0)) {
		error_set(e, ERR_USAGE, "'%.120s' is not served by the Pub/Sub API", name);
		return error_hint(e, "PushTopic, generic and system topics exist in the Streaming "
				     "API only; use /data/… or /event/…");
	}
	if (prefix == 0 || !is_name(name + prefix, len - prefix))
		return refuse(name, e);
	if (prefix == 6 && ends(name, len, "__c")) {
		refuse(name, e);
		return error_hint(e, "the change event of %s is /data/%.*s__ChangeEvent", name + 6,
		    (int)(len - 6 - 3), name + 6);
	}
	memcpy(out, name, len + 1);
	return 0;
}

/* What stands behind the last "__", NULL when there is none. */
static const char *
custom_suffix(const char *name, size_t len)
{
	for (size_t i = len; i >= 2; i--)
		if (name[i - 1] == '_' && name[i - 2] == '_')
			return name + i;
	return NULL;
}

int
topic_name_expand(char out[TOPIC_NAME_SIZE], const char *name, struct error *e)
{
	size_t len = strlen(name);
	const char *suffix;

	/* "/event/" or "/data/" and "ChangeEvent" may have to fit around it */
	if (len + 20 > TOPIC_NAME_SIZE)
		return refuse(name, e);
	if (name[0] == '/')
		return keep_whole(out, name, len, e);
	if (!is_name(name, len))
		return refuse(name, e);
	suffix = custom_suffix(name, len);
	if (strcmp(name, "ChangeEvents") == 0 || ends(name, len, "ChangeEvent") ||
	    ends(name, len, "__chn")) {
		snprintf(out, TOPIC_NAME_SIZE, "/data/%s", name);
	} else if (suffix != NULL && ends(name, len, "__c")) {
		snprintf(out, TOPIC_NAME_SIZE, "/data/%.*sChangeEvent", (int)(len - 1), name);
	} else if (ends(name, len, "__e") || (suffix == NULL && (ends(name, len, "EventStream") ||
								    ends(name, len, "Event")))) {
		snprintf(out, TOPIC_NAME_SIZE, "/event/%s", name);
	} else if (suffix == NULL) {
		snprintf(out, TOPIC_NAME_SIZE, "/data/%sChangeEvent", name);
	} else {
		refuse(name, e);
		return error_hint(
		    e, "names ending in __%s have no events; __c, __e and __chn have", suffix);
	}
	return 0;
}

const char *
topic_name_short(char out[TOPIC_NAME_SIZE], const char *whole)
{
	static const char change[] = "ChangeEvent";
	const char *slash = strrchr(whole, '/');
	char again[TOPIC_NAME_SIZE];
	struct error ignored = ERROR_INIT;
	size_t n;

	snprintf(out, TOPIC_NAME_SIZE, "%s", slash != NULL ? slash + 1 : whole);
	n = strlen(out);
	if (topic_name_is_change(whole) && ends(out, n, change) && n >= strlen(change)) {
		n -= strlen(change);
		snprintf(out + n, TOPIC_NAME_SIZE - n, "%s", n >= 2 && ends(out, n, "__") ? "c" : "");
	}
	if (topic_name_expand(again, out, &ignored) != 0 || strcmp(again, whole) != 0)
		snprintf(out, TOPIC_NAME_SIZE, "%s", whole);
	return out;
}

bool
topic_name_is_channel(const char *whole)
{
	return strcmp(whole, "/data/ChangeEvents") == 0 || ends(whole, strlen(whole), "__chn");
}

bool
topic_name_is_change(const char *whole)
{
	return strncmp(whole, "/data/", 6) == 0;
}
