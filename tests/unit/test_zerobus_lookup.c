/* databricks/sink_lookup and sink_tokens: the questions asked of a workspace, and what is made of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "databricks/sink_lookup.h"
#include "databricks/sink_tokens.h"
#include "http/server.h"
#include "rpc/loop.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A workspace that answers statements with what a test gives it. */
static struct {
	char statement[1024], parameters[4096]; /* of the last POST */
	const char *rows;			/* data_array of the answer */
	bool two_columns;
	int pending;				/* polls before the end */
	int statements, polls, tokens;
	int status;
	struct http_server *server;
	struct databricks_session *session;
} workspace;

static void
answer_state(struct http_answer *a, bool done)
{
	if (!done)
		buffer_append_text(&a->body, "{\"statement_id\":\"s1\",\"status\":{\"state\":\"PENDING\"}}");
	else
		buffer_append_format(&a->body,
		    "{\"statement_id\":\"s1\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"format\":\"JSON_ARRAY\","
		    "\"schema\":{\"column_count\":%d,\"columns\":[{\"name\":\"c\",\"type_text\":\"STRING\",\"type_name\":\"STRING\","
		    "\"position\":0}%s]},\"total_chunk_count\":1,\"total_row_count\":1},\"result\":{\"chunk_index\":0,\"row_offset\":0,"
		    "\"row_count\":1,\"data_array\":%s}}", workspace.two_columns ? 2 : 1, workspace.two_columns ?
		    ",{\"name\":\"d\",\"type_text\":\"STRING\",\"type_name\":\"STRING\",\"position\":1}" : "", workspace.rows);
}

static void
handle(void *context, const struct http_query *q, struct http_answer *a)
{
	struct error e = ERROR_INIT;

	(void)context;
	if (workspace.status != 0) {
		a->status = workspace.status;
		buffer_append_text(&a->body, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}");
	} else if (strcmp(q->path, "/oidc/v1/token") == 0) {
		buffer_append_format(&a->body, "{\"access_token\":\"t%d\",\"token_type\":\"Bearer\",\"expires_in\":3600}", ++workspace.tokens);
	} else if (strcmp(q->method, "POST") == 0) {
		struct json *body = json_parse(q->body, &e);
		struct buffer text = BUFFER_INIT;

		workspace.statements++;
		snprintf(workspace.statement, sizeof(workspace.statement), "%s", json_find_string(body, "statement"));
		for (const struct json *p = json_first(json_find(body, "parameters")); p != NULL; p = json_next(p))
			buffer_append_format(&text, "%s%s=%s", text.len > 0 ? " " : "", json_find_string(p, "name"), json_find_string(p, "value"));
		snprintf(workspace.parameters, sizeof(workspace.parameters), "%s", buffer_text(&text));
		buffer_release(&text);
		json_free(body);
		workspace.polls = 0;
		answer_state(a, workspace.pending == 0);
	} else {
		answer_state(a, ++workspace.polls >= workspace.pending);
	}
}

static void
no_sleep(void *context, int64_t ms)
{
	(void)context;
	(void)ms;
}

static int
set_up(void **state)
{
	struct databricks_session_options options = {.clock = &clock_system, .sleep = no_sleep};
	struct databricks_given given = {.client_id = "app", .warehouse = "abc123", .config_file = "/dev/null"};
	struct databricks_config c;
	struct error e = ERROR_INIT;
	char url[64];

	(void)state;
	workspace.server = http_server_new(&(struct http_server_options){.port = 0}, handle, NULL, &e);
	assert_non_null(workspace.server);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(workspace.server));
	setenv("DATABRICKS_CLIENT_SECRET", "hidden", 1);
	given.host = url;
	given.workspace_id = "1234";
	databricks_config_init(&c);
	if (databricks_config_load(&c, &given, NULL, &e) != 0)
		fail_msg("%s", e.text);
	workspace.session = databricks_session_new(&c, &options);
	databricks_config_release(&c);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	databricks_session_free(workspace.session);
	http_server_free(workspace.server);
	return 0;
}

static void
test_find(void **state)
{
	static const struct {
		const char *name, *ids[5], *rows, *parameters, *found;
		int pending;
	} rows[] = {{"some", {"b", "a", "c\"d"}, "[[\"a\"],[\"c\\\"d\"]]", "ids=[\"b\",\"a\",\"c\\\"d\"]", "-++", 0},
	    {"none", {"a"}, "[]", "ids=[\"a\"]", "-", 0},
	    {"twice asked, twice stored", {"a", "b", "a"}, "[[\"a\"],[\"a\"]]", "ids=[\"a\",\"b\",\"a\"]", "+-+", 0},
	    {"others and NULL", {"a"}, "[[\"zz\"],[null],[\"a\"]]", "ids=[\"a\"]", "+", 0},
	    {"a warehouse that starts", {"a"}, "[[\"a\"]]", "ids=[\"a\"]", "+", 3}};
	struct table_lookup l = {.session = workspace.session};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct sought sought[5];
		bool found[5] = {true, true, true, true, true};
		char is[6] = "";
		size_t n;

		for (n = 0; rows[i].ids[n] != NULL; n++)
			sought[n] = (struct sought){.id = text_of(rows[i].ids[n])};
		workspace.rows = rows[i].rows;
		workspace.pending = rows[i].pending;
		if (table_lookup_find(&l, "main.crm.t", false, sought, n, found, &e) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		for (size_t k = 0; k < n; k++)
			is[k] = found[k] ? '+' : '-';
		if (strcmp(is, rows[i].found) != 0 || strcmp(workspace.parameters, rows[i].parameters) != 0)
			fail_msg("%s: %s, %s", rows[i].name, is, workspace.parameters);
		assert_string_equal(workspace.statement,
		    "SELECT event_id FROM `main`.`crm`.`t` WHERE array_contains(from_json(:ids, 'array<string>'), event_id)");
	}
	workspace.pending = 0;
}

/* Whose row it is, where ids may be shared: that of the same replay id. */
static void
test_find_by_replay_id(void **state)
{
	static const struct {
		const char *name, *rows;
		bool unique, has_replay_id, found;
	} rows[] = {{"its own row", "[[\"a\",\"0102\"]]", false, true, true},
	    {"another event's", "[[\"a\",\"0103\"]]", false, true, false},
	    {"both", "[[\"a\",\"0103\"],[\"a\",\"0102\"]]", false, true, true},
	    {"a row that does not say", "[[\"a\",null]]", false, true, true},
	    {"an event without one", "[[\"a\",\"0103\"]]", false, false, true},
	    {"published twice, under an id of its own", "[[\"a\",\"0103\"]]", true, true, true}};
	struct table_lookup l = {.session = workspace.session};

	(void)state;
	workspace.two_columns = true;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sought sought = {.id = text_of("a"), .id_is_unique = rows[i].unique};
		struct error e = ERROR_INIT;
		bool found;

		if (rows[i].has_replay_id)
			sought.replay_id = (struct replay_id){.len = 2, .bytes = {1, 2}};
		workspace.rows = rows[i].rows;
		if (table_lookup_find(&l, "main.crm.t", true, &sought, 1, &found, &e) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		if (found != rows[i].found)
			fail_msg("%s: %sfound", rows[i].name, found ? "" : "not ");
	}
	workspace.two_columns = false;
	assert_string_equal(workspace.statement,
	    "SELECT event_id, replay_id FROM `main`.`crm`.`t` WHERE array_contains(from_json(:ids, 'array<string>'), event_id)");
}

static void
test_find_many(void **state)
{
	struct table_lookup l = {.session = workspace.session};
	struct sought *sought = memory_zero(10001, sizeof(*sought));
	bool *found = memory_zero(10001, sizeof(*found));
	struct error e = ERROR_INIT;
	int before = workspace.statements;

	(void)state;
	for (size_t i = 0; i < 10001; i++)
		sought[i].id = text_of(i % 5000 == 0 ? "x" : "y");
	workspace.rows = "[[\"x\"]]";
	assert_int_equal(table_lookup_find(&l, "main.crm.t", false, sought, 10001, found, &e), 0);
	assert_int_equal(workspace.statements - before, 3);
	assert_true(found[0] && found[5000] && found[10000] && !found[1]);
	workspace.status = 403;
	assert_int_equal(table_lookup_find(&l, "main.crm.t", false, sought, 1, found, &e), -1);
	workspace.status = 0;
	assert_int_equal(e.code, ERR_PERMISSION);
	assert_non_null(strstr(e.text, "cannot look events up in table 'main.crm.t'"));
	free(sought);
	free(found);
}

static struct delta_table *
table_of(const char *const *columns)
{
	struct json *answer = json_object(), *list = json_array();
	struct error e = ERROR_INIT;
	struct delta_table *t;

	json_set_string(answer, "catalog_name", "main");
	json_set_string(answer, "schema_name", "crm");
	json_set_string(answer, "name", "t");
	for (int i = 0; columns[i] != NULL; i++) {
		struct json *c = json_object();

		json_set_string(c, "name", columns[i]);
		json_set_string(c, "type_text", "string");
		json_set_int64(c, "position", i);
		json_add(list, c);
	}
	json_set(answer, "columns", list);
	t = delta_table_parse(answer, &e);
	json_free(answer);
	assert_non_null(t);
	return t;
}

static void
test_position(void **state)
{
#define SELECT "SELECT replay_id FROM `main`.`crm`.`t` WHERE replay_id IS NOT NULL AND "
#define NEWEST " ORDER BY length(replay_id) DESC, replay_id DESC LIMIT 1"
	static const struct {
		const char *name, *columns[5], *topic, *rows;
		const char *statement, *parameters;
		enum table_position result;
		const char *hex;
	} rows[] = {
	    {"full", {"replay_id", "topic", "entity_name", "schema_json"}, "/data/AccountChangeEvent", "[[\"0000000000076f690000\"]]",
		SELECT "(topic = :topic OR (topic IS NULL AND entity_name = :entity))" NEWEST,
		"topic=/data/AccountChangeEvent entity=Account", TABLE_POSITION_FOUND, "0000000000076f690000"},
	    {"classic", {"replay_id", "entity_name", "schema_json"}, "/data/Invoice__ChangeEvent", "[[\"00ff\"]]", SELECT "entity_name = :entity" NEWEST,
		"entity=Invoice__c", TABLE_POSITION_FOUND, "00ff"},
	    {"classic, platform event", {"replay_id", "entity_name", "schema_json"}, "/event/Order__e", "[]",
		SELECT "entity_name = :entity AND schema_json LIKE :schema" NEWEST,
		"entity=UNKNOWN schema=%\"name\":\"Order__e\"%", TABLE_POSITION_NONE, ""},
	    {"full, channel", {"replay_id", "topic", "entity_name"}, "/data/ChangeEvents", "[]", SELECT "topic = :topic" NEWEST,
		"topic=/data/ChangeEvents", TABLE_POSITION_NONE, ""},
	    {"classic, channel", {"replay_id", "entity_name"}, "/data/Mine__chn", "[[\"1\"]]", "SELECT 1 FROM `main`.`crm`.`t` LIMIT 1", "",
		TABLE_POSITION_UNKNOWN, ""},
	    {"classic, channel, empty table", {"replay_id", "entity_name"}, "/data/ChangeEvents", "[]",
		"SELECT 1 FROM `main`.`crm`.`t` LIMIT 1", "", TABLE_POSITION_NONE, ""},
	    {"no replay_id", {"event_id"}, "/data/AccountChangeEvent", "[[\"1\"]]", "SELECT 1 FROM `main`.`crm`.`t` LIMIT 1", "",
		TABLE_POSITION_UNKNOWN, ""},
	};
	struct table_lookup l = {.session = workspace.session};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct delta_table *t = table_of(rows[i].columns);
		struct error e = ERROR_INIT;
		enum table_position result;
		struct replay_id id;
		char hex[REPLAY_ID_TEXT_SIZE];

		workspace.rows = rows[i].rows;
		if (table_lookup_position(&l, t, rows[i].topic, &result, &id, &e) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		if (strcmp(workspace.statement, rows[i].statement) != 0 || strcmp(workspace.parameters, rows[i].parameters) != 0 ||
		    result != rows[i].result || strcmp(replay_id_hex(hex, &id), rows[i].hex) != 0)
			fail_msg("%s: %s\n  %s\n  %d %s", rows[i].name, workspace.statement, workspace.parameters, (int)result, hex);
		delta_table_free(t);
	}
	/* what is no replay id is no position */
	{
		const char *columns[] = {"replay_id", "topic", NULL};
		struct delta_table *t = table_of(columns);
		struct error e = ERROR_INIT;
		enum table_position result;
		struct replay_id id;

		workspace.rows = "[[\"xyz\"]]";
		assert_int_equal(table_lookup_position(&l, t, "/data/AccountChangeEvent", &result, &id, &e), -1);
		assert_int_equal(e.code, ERR_POSITION);
		delta_table_free(t);
	}
}

struct got {
	int count;
	char token[32], extra[32], text[1024];
	enum error_code code;
};

static void
on_token(void *context, const struct secret *token, const struct headers *headers, const struct error *why)
{
	struct got *g = context;
	const struct secret *other = headers != NULL ? headers_find(headers, "authorization") : NULL;
	const struct secret *extra = headers != NULL ? headers_find(headers, "x-extra") : NULL;

	g->count++;
	snprintf(g->token, sizeof(g->token), "%s", other != NULL ? secret_reveal(other) : token != NULL ? secret_reveal(token) : "");
	snprintf(g->extra, sizeof(g->extra), "%s", extra != NULL ? secret_reveal(extra) : "");
	if (why != NULL)
		snprintf(g->text, sizeof(g->text), "%s", why->text);
	g->code = why != NULL ? why->code : ERR_OK;
}

static void
ask_token(struct loop *l, struct zerobus_token_source source, bool fresh, struct got *g)
{
	*g = (struct got){.count = 0};
	source.get(source.context, "main.crm.t", fresh, on_token, g);
	assert_int_equal(g->count, 0);
	for (int i = 0; i < 200 && g->count == 0; i++)
		loop_step(l, 100);
	assert_int_equal(g->count, 1);
}

static void
test_tokens(void **state)
{
	struct loop *l = loop_new(&clock_system);
	struct sink_tokens *t = sink_tokens_new(l, workspace.session, NULL);
	struct zerobus_token_source source = sink_tokens_source(t);
	struct got first, second;
	char kept[32];

	(void)state;
	ask_token(l, source, false, &first);
	assert_int_equal(first.code, ERR_OK);
	strcpy(kept, first.token);
	assert_true(kept[0] == 't');
	ask_token(l, source, false, &first);
	assert_string_equal(first.token, kept);
	ask_token(l, source, true, &first);
	assert_string_not_equal(first.token, kept);
	/* whoever waits when the program ends is told, once */
	first = second = (struct got){.count = 0};
	source.get(source.context, "main.crm.t", false, on_token, &first);
	source.get(source.context, "main.crm.t", false, on_token, &second);
	sink_tokens_free(t);
	assert_int_equal(first.count, 1);
	assert_int_equal(second.count, 1);
	loop_free(l);
}

/* A headers helper: what it is asked, what it may answer, and what its failures are. */
static void
test_headers_helper(void **state)
{
	static const struct {
		const char *name, *command;
		bool fresh;
		enum error_code code;
		const char *token, *extra, *text; /* token "t": one of the session's */
	} rows[] = {
	    {"on top of the token", "echo; echo X-Extra: a b ", false, ERR_OK, "t", "a b", NULL},
	    {"an authorization of its own", "printf 'authorization: Custom x\\r\\nx-extra:1'", false, ERR_OK, "Custom x", "1", NULL},
	    {"it is told the table", "sed -n 's/^table=/x-extra: /p'", false, ERR_OK, "t", "main.crm.t", NULL},
	    {"and that the last one was refused", "sed -n 's/^refused=/x-extra: /p'", true, ERR_OK, "t", "true", NULL},
	    {"nothing at all", "true", false, ERR_OK, "t", "", NULL},
	    {"it fails", "exit 3", false, ERR_CREDENTIALS, NULL, NULL, "'exit 3': it ended with status 3"},
	    {"it is not there", "no-such-command-here", false, ERR_CONFIG, NULL, NULL, "status 127"},
	    {"no header", "echo 'x-extra: 1'; echo sec''ret", false, ERR_CREDENTIALS, NULL, NULL, "line 2"},
	    {"a name with a space", "echo 'x extra: 1'", false, ERR_CREDENTIALS, NULL, NULL, "line 1"},
	    {"no value", "echo 'x-extra:'", false, ERR_CREDENTIALS, NULL, NULL, "no value"},
	    {"a value that is no ASCII", "printf 'x-extra: \\303\\244'", false, ERR_CREDENTIALS, NULL, NULL, "no value"},
	    {"twice", "echo a: 1; echo A: 2", false, ERR_CREDENTIALS, NULL, NULL, "'a' is there twice"},
	    {"the transport's", "echo User-Agent: x", false, ERR_CREDENTIALS, NULL, NULL, "'user-agent' is not one"},
	    {"bytes", "echo x-y-bin: x", false, ERR_CREDENTIALS, NULL, NULL, "'x-y-bin' is not one"},
	    {"too many", "seq 65 | sed 's/.*/x&: 1/'", false, ERR_CREDENTIALS, NULL, NULL, "more than 64 headers"},
	};

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as in the program: a helper need not read */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char command[200];
		struct loop *l = loop_new(&clock_system);
		struct sink_tokens *t;
		struct got g;

		snprintf(command, sizeof(command), "%s", rows[i].command);
		t = sink_tokens_new(l, workspace.session, command);
		memset(command, 'x', sizeof(command) - 1);
		ask_token(l, sink_tokens_source(t), rows[i].fresh, &g);
		if (g.code != rows[i].code || (rows[i].text != NULL && strstr(g.text, rows[i].text) == NULL) ||
		    strstr(g.text, "secret") != NULL)
			fail_msg("%s: %d, '%s'", rows[i].name, g.code, g.text);
		if (rows[i].token != NULL && (strcmp(rows[i].token, "t") == 0 ? g.token[0] != 't' : strcmp(g.token, rows[i].token) != 0))
			fail_msg("%s: token '%s'", rows[i].name, g.token);
		if (rows[i].extra != NULL && strcmp(g.extra, rows[i].extra) != 0)
			fail_msg("%s: header '%s'", rows[i].name, g.extra);
		sink_tokens_free(t);
		loop_free(l);
	}
}

/* Until it has worked a helper that fails ends the run; then it is tried again. */
static void
test_headers_helper_outage(void **state)
{
	char path[] = "/tmp/sfzb-helper-XXXXXX", command[100];
	int file = mkstemp(path);
	struct loop *l = loop_new(&clock_system);
	struct sink_tokens *t;
	struct got g;

	(void)state;
	assert_true(file >= 0);
	close(file);
	snprintf(command, sizeof(command), "rm %s 2>/dev/null && echo a: 1", path);
	t = sink_tokens_new(l, workspace.session, command);
	ask_token(l, sink_tokens_source(t), false, &g);
	assert_int_equal(g.code, ERR_OK);
	ask_token(l, sink_tokens_source(t), false, &g);
	assert_int_equal(g.code, ERR_UNAVAILABLE);
	sink_tokens_free(t);
	loop_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_find_by_replay_id), cmocka_unit_test(test_find_many),
	    cmocka_unit_test(test_position), cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_headers_helper), cmocka_unit_test(test_headers_helper_outage)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
