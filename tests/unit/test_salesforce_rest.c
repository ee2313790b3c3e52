/* salesforce/: REST calls, what they answer and how they fail, and the channels, against a scripted organisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "salesforce/channels.h"
#include "salesforce/rest.h"
#include "salesforce_web.h"

static void
test_rest_errors(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum error_code code;
		const char *text;
	} rows[] = {
	    {401, "[{\"message\":\"Session expired or invalid\",\"errorCode\":\"INVALID_SESSION_ID\"}]", ERR_SESSION,
		"401 INVALID_SESSION_ID: Session expired"},
	    {401, "[{\"message\":\"INVALID_JWT_FORMAT\",\"errorCode\":\"INVALID_AUTH_HEADER\"}]", ERR_SESSION, "INVALID_JWT_FORMAT"},
	    {403, "Bad_OAuth_Token", ERR_SESSION, "403 Forbidden: Bad_OAuth_Token"},
	    {403, "[{\"message\":\"TotalRequests Limit exceeded.\",\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\"}]", ERR_QUOTA, "TotalRequests"},
	    {403, "[{\"message\":\"ConcurrentPerOrgLongTxn Limit exceeded.\",\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\"}]",
		ERR_OVERLOADED, "Concurrent"},
	    {403, "[{\"message\":\"x\",\"errorCode\":\"API_DISABLED_FOR_ORG\"}]", ERR_CREDENTIALS, "API_DISABLED"},
	    {403, "[{\"message\":\"x\",\"errorCode\":\"INSUFFICIENT_ACCESS\"}]", ERR_PERMISSION, "INSUFFICIENT_ACCESS"},
	    {403, "[{\"message\":\"x\",\"errorCode\":\"FUNCTIONALITY_NOT_ENABLED\"}]", ERR_PERMISSION, "FUNCTIONALITY"},
	    {400, "[{\"message\":\"x\",\"errorCode\":\"MALFORMED_QUERY\"}]", ERR_NOT_FOUND, "MALFORMED_QUERY"},
	    {400, "[{\"message\":\"sObject type 'X' is not supported.\",\"errorCode\":\"INVALID_TYPE\"}]", ERR_NOT_FOUND, "'X'"},
	    {400, "[{\"message\":\"x\",\"errorCode\":\"QUERY_TIMEOUT\"}]", ERR_FAILED, "QUERY_TIMEOUT"},
	    {404, "[{\"message\":\"The requested resource does not exist\",\"errorCode\":\"NOT_FOUND\"}]", ERR_NOT_FOUND, "404 NOT_FOUND"},
	    {500, "[{\"message\":\"x\",\"errorCode\":\"UNKNOWN_EXCEPTION\"}]", ERR_UNAVAILABLE, "UNKNOWN_EXCEPTION"},
	    {503, "<html>maintenance</html>", ERR_UNAVAILABLE, "503 Service Unavailable"},
	    {400, "{\"message\":\"bare object\",\"errorCode\":\"INVALID_FIELD\"}", ERR_NOT_FOUND, "bare object"},
	    {400, "<xml/>", ERR_FAILED, "<xml/>"},
	    {410, "", ERR_NOT_FOUND, "410 Gone"},
	    {302, "", ERR_FAILED, "302 Found"},
	    {400, "[{\"message\":\"a\\u001b[31mb\",\"errorCode\":\"X\\nY\"}]", ERR_FAILED, "X Y: a?[31mb"},
	    {400, "[]", ERR_FAILED, "400 Bad Request"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;

		salesforce_rest_error(rows[i].status, text_of(rows[i].body), "GET https://h/x", &e);
		if (e.code != rows[i].code || strstr(e.text, rows[i].text) == NULL)
			fail_msg("%d %s: %s \"%s\"", rows[i].status, rows[i].body, error_name(e.code), e.text);
	}
}

static void
test_rest_calls(void **state)
{
	static const struct fake_row login = {"POST /services/oauth2/token", 200, TOKEN("t1"), NULL, 1, NULL};
	static const struct fake_row again = {"POST /services/oauth2/token", 200, TOKEN("t2"), NULL, 0, NULL};
	static const struct {
		const char *name;
		struct fake_row rows[2];
		enum login_method method;
		enum error_code code;
		int requests; /* of the call */
	} rows[] = {
	    {"works", {{"GET /x", 200, "{}", NULL, 0, "t1"}}, LOGIN_CLIENT_CREDENTIALS, ERR_OK, 1},
	    {"expired in between", {{"GET /x", 200, "{}", NULL, 0, "t2"}, {"GET /x", 401, "[]", NULL, 0, "t1"}},
		LOGIN_CLIENT_CREDENTIALS, ERR_OK, 2},
	    {"refused for good", {{"GET /x", 401, "[]", NULL, 0, NULL}}, LOGIN_CLIENT_CREDENTIALS, ERR_CREDENTIALS, 2},
	    {"in trouble once", {{"GET /x", 503, "", "Retry-After: 3\n", 1, NULL}, {"GET /x", 200, "{}", NULL, 0, NULL}},
		LOGIN_CLIENT_CREDENTIALS, ERR_OK, 2},
	    {"in trouble for good", {{"GET /x", 502, "", NULL, 0, NULL}}, LOGIN_CLIENT_CREDENTIALS, ERR_UNAVAILABLE, 5},
	    {"quota", {{"GET /x", 403, "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"TotalRequests\"}]", NULL, 0, NULL}},
		LOGIN_CLIENT_CREDENTIALS, ERR_QUOTA, 1},
	    {"no JSON", {{"GET /x", 200, "<html>", NULL, 0, NULL}}, LOGIN_CLIENT_CREDENTIALS, ERR_CONFIG, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fake_row script[4] = {login, again, rows[i].rows[0], rows[i].rows[1]};
		struct salesforce_session *s;
		struct json *j = NULL;
		struct error e = ERROR_INIT;

		fake_web_script(&web, script, rows[i].rows[1].request != NULL ? 4 : 3);
		s = open_session(rows[i].method, NULL, &e);
		assert_non_null(s);
		if (salesforce_rest_get(s, "/x?q=1", &j, &e) == 0)
			error_clear(&e);
		if (e.code != rows[i].code || fake_web_asked(&web, "GET /x?q=1 Bearer t") != rows[i].requests)
			fail_msg("%s: %s \"%s\" after %d", rows[i].name, error_name(e.code), e.text,
			    fake_web_asked(&web, "GET /x?q=1 "));
		json_free(j);
		salesforce_session_free(s);
	}
}

static bool
take_id(void *context, const struct json *row)
{
	buffer_append_format(context, "%s ", json_find_string(row, "Id"));
	return true;
}

static void
test_rest_data(void **state)
{
	static const struct fake_row rows[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("t1"), NULL, 0, NULL},
	    {"GET /services/data/v67.0/query?q=SELECT%20Id%20FROM%20A", 200,
		"{\"totalSize\":3,\"done\":false,\"nextRecordsUrl\":\"/services/data/v67.0/query/01g-2\",\"records\":[{\"Id\":\"1\"},{\"Id\":\"2\"}]}",
		NULL, 0, NULL},
	    {"GET /services/data/v67.0/query/01g-2", 200, "{\"done\":true,\"records\":[{\"Id\":\"3\"}]}", NULL, 0, NULL},
	    {"GET /services/data/v67.0/tooling/query?q=BAD", 200,
		"{\"done\":false,\"nextRecordsUrl\":\"https://evil.example/\",\"records\":[]}", NULL, 0, NULL},
	    {"GET /services/data/v67.0/sobjects", 200,
		"{\"sobjects\":[{\"name\":\"Account\",\"label\":\"Account\"},{\"name\":\"AccountChangeEvent\",\"label\":\"Account Change Event\"},"
		"{\"name\":\"Invoice__ChangeEvent\",\"label\":\"I\"},{\"name\":\"Order__e\",\"label\":\"Order\"},{\"label\":\"nameless\"}]}",
		NULL, 0, NULL},
	    {"GET /services/data/v67.0/limits", 200,
		"{\"DailyApiRequests\":{\"Max\":15000,\"Remaining\":14998,\"Ant\":{\"Max\":0,\"Remaining\":0}},"
		"\"DailyDeliveredPlatformEvents\":{\"Max\":50000,\"Remaining\":40000},\"Other\":{\"Max\":1,\"Remaining\":1}}",
		NULL, 0, NULL},
	    {"GET /services/data", 200, "[{\"version\":\"66.0\"},{\"version\":\"67.0\"},{\"version\":\"68.0\"},{}]", NULL, 0, NULL},
	};
	static const struct fake_row old[] = {{"POST", 200, TOKEN("t1"), NULL, 0, NULL},
	    {"GET /services/data", 200, "[{\"version\":\"59.0\"}]", NULL, 0, NULL}};
	struct salesforce_limit limits[SALESFORCE_LIMITS_MAX];
	struct salesforce_objects objects;
	struct salesforce_session *s;
	struct buffer ids = BUFFER_INIT;
	struct error e = ERROR_INIT;
	size_t count;
	int version;

	(void)state;
	SCRIPT(rows);
	s = open_session(LOGIN_CLIENT_CREDENTIALS, NULL, &e);
	assert_non_null(s);
	assert_int_equal(salesforce_rest_version(s, &version, &e), 0);
	assert_int_equal(version, 67);
	assert_int_equal(salesforce_rest_query(s, "SELECT Id FROM A", false, take_id, &ids, &e), 0);
	assert_string_equal(buffer_text(&ids), "1 2 3 ");
	assert_int_equal(salesforce_rest_query(s, "BAD", true, take_id, &ids, &e), -1);
	assert_int_equal(e.code, ERR_FAILED);
	assert_int_equal(salesforce_rest_event_objects(s, &objects, &e), 0);
	assert_int_equal(objects.count, 3);
	assert_string_equal(objects.items[0].name, "AccountChangeEvent");
	assert_true(objects.items[0].is_change_event && !objects.items[0].is_custom);
	assert_true(objects.items[1].is_change_event && objects.items[1].is_custom);
	assert_false(objects.items[2].is_change_event);
	salesforce_objects_release(&objects);
	assert_int_equal(salesforce_rest_limits(s, true, limits, &count, &e), 0);
	assert_int_equal(count, 2);
	assert_string_equal(limits[0].key, "DailyDeliveredPlatformEvents");
	assert_int_equal(limits[0].remaining, 40000);
	assert_int_equal(limits[1].max, 15000);
	salesforce_session_free(s);

	SCRIPT(old);
	s = open_session(LOGIN_CLIENT_CREDENTIALS, NULL, &e);
	assert_int_equal(salesforce_rest_version(s, &version, &e), -1);
	assert_int_equal(e.code, ERR_MISFIT);
	salesforce_session_free(s);
	buffer_release(&ids);
}

#define TOOLING "GET /services/data/v67.0/tooling/query?q=SELECT%20"

static void
test_channels(void **state)
{
	/* the sample of wire/salesforce-http.md §8 */
	static const struct fake_row rows[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("t1"), NULL, 0, NULL},
	    {TOOLING "Id%2CDeveloperName%2CChannelType", 200,
		"{\"done\":true,\"records\":[{\"Id\":\"0YLRM0000004CEI4A2\",\"DeveloperName\":\"Order_Channel\",\"ChannelType\":\"event\","
		"\"MasterLabel\":\"Orders\"},{\"Id\":\"0YLRM0000004CEJ4A2\",\"DeveloperName\":\"Mine\",\"ChannelType\":\"data\"}]}",
		NULL, 0, NULL},
	    {TOOLING "Id%2CDeveloperName%2CEventChannel", 200,
		"{\"done\":true,\"records\":[{\"Id\":\"0v8RM0000000N6uYAE\",\"DeveloperName\":\"ChangeEvents_AccountChangeEvent\","
		"\"EventChannel\":\"ChangeEvents\",\"SelectedEntity\":\"AccountChangeEvent\",\"FilterExpression\":null},"
		"{\"Id\":\"0v8RM0000004VPJYA2\",\"DeveloperName\":\"Order_Channel_chn_Order_EMEA_e\",\"EventChannel\":"
		"\"0YLRM0000004CEI4A2\",\"SelectedEntity\":\"01IRM0000006w572AA\",\"FilterExpression\":\"a__c > 1\"},"
		"{\"Id\":\"0v8RM0000004VPKYA2\",\"DeveloperName\":\"Mine_chn_Invoice_ChangeEvent\",\"EventChannel\":"
		"\"0YLRM0000004CEJ4A2\",\"SelectedEntity\":\"01IRM0000006w582AA\",\"FilterExpression\":null}]}",
		NULL, 0, NULL},
	    {TOOLING "DurableId%2CQualifiedApiName%20FROM%20EntityDefinition%20WHERE%20DurableId%20IN%20%28%2701IRM0000006w57%27%2C%27"
		     "01IRM0000006w572AA%27%2C",
		200, "{\"done\":true,\"records\":[{\"DurableId\":\"01IRM0000006w58\",\"QualifiedApiName\":\"Bill__ChangeEvent\"}]}", NULL, 0,
		NULL},
	    {TOOLING "Field%2CChannelMemberId", 200,
		"{\"done\":true,\"records\":[{\"Field\":\"Name\",\"ChannelMemberId\":\"0v8RM0000000N6uYAE\"},{\"Field\":\"00Nxx\","
		"\"ChannelMemberId\":\"0v8RM0000000N6u\"}]}",
		NULL, 0, NULL},
	    {"GET /services/data", 200, "[{\"version\":\"67.0\"}]", NULL, 0, NULL},
	};
	static const struct fake_row forbidden[] = {{"POST", 200, TOKEN("t1"), NULL, 0, NULL},
	    {"GET /services/data/v67.0/tooling", 400,
		"[{\"message\":\"sObject type 'PlatformEventChannel' is not supported.\",\"errorCode\":\"INVALID_TYPE\"}]", NULL, 0, NULL},
	    {"GET /services/data", 200, "[{\"version\":\"67.0\"}]", NULL, 0, NULL}};
	struct salesforce_channels c;
	struct salesforce_session *s;
	struct error e = ERROR_INIT;

	(void)state;
	SCRIPT(rows);
	s = open_session(LOGIN_CLIENT_CREDENTIALS, NULL, &e);
	assert_non_null(s);
	if (salesforce_channels_get(s, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(c.channel_count, 2);
	assert_string_equal(c.channels[0].topic, "/event/Order_Channel__chn");
	assert_string_equal(c.channels[1].topic, "/data/Mine__chn");
	assert_int_equal(c.member_count, 3);
	assert_string_equal(c.members[0].channel, "ChangeEvents");
	assert_string_equal(c.members[0].event, "AccountChangeEvent");
	assert_int_equal(c.members[0].enriched_count, 2);
	assert_null(c.members[0].filter);
	/* nobody knows this entity: its name comes from the member's own */
	assert_string_equal(c.members[1].channel, "Order_Channel__chn");
	assert_string_equal(c.members[1].event, "Order_EMEA__e");
	assert_string_equal(c.members[1].filter, "a__c > 1");
	assert_string_equal(c.members[2].event, "Bill__ChangeEvent");
	salesforce_channels_release(&c);

	SCRIPT(forbidden);
	assert_int_equal(salesforce_channels_get(s, &c, &e), -1);
	assert_int_equal(e.code, ERR_PERMISSION);
	assert_non_null(strstr(e.hint, "View Setup"));
	salesforce_session_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rest_errors),
	    cmocka_unit_test(test_rest_calls),
	    cmocka_unit_test(test_rest_data),
	    cmocka_unit_test(test_channels),
	};

	return cmocka_run_group_tests(tests, salesforce_web_setup, salesforce_web_teardown);
}
