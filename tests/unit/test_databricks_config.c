/* databricks/: hosts in every form, ~/.databrickscfg rules, and which place a setting comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "databricks/config.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_hosts(void **state)
{
	static const struct {
		const char *given, *url; /* url NULL: refused */
		enum cloud cloud;
		const char *workspace_id, *region;
	} rows[] = {
	    {"dbc-a1b2345c-d6e7.cloud.databricks.com", "https://dbc-a1b2345c-d6e7.cloud.databricks.com", CLOUD_AWS, "", ""},
	    {"https://dbc-a1b2345c-d6e7.cloud.databricks.com/", "https://dbc-a1b2345c-d6e7.cloud.databricks.com", CLOUD_AWS, "",
		""},
	    {"https://dbc-a1b2345c-d6e7.cloud.databricks.com/browse?o=1234567890123456#x",
		"https://dbc-a1b2345c-d6e7.cloud.databricks.com", CLOUD_AWS, "1234567890123456", ""},
	    {"https://DBC-A1.cloud.databricks.com/sql/warehouses?a=b&o=1234567890", "https://dbc-a1.cloud.databricks.com",
		CLOUD_AWS, "1234567890", ""},
	    {"https://adb-1234567890123456.7.azuredatabricks.net", "https://adb-1234567890123456.7.azuredatabricks.net",
		CLOUD_AZURE, "1234567890123456", ""},
	    {"https://westeurope.azuredatabricks.net/?o=1234567890123456", "https://westeurope.azuredatabricks.net", CLOUD_AZURE,
		"1234567890123456", "westeurope"},
	    {"1234567890123456.7.gcp.databricks.com", "https://1234567890123456.7.gcp.databricks.com", CLOUD_GCP,
		"1234567890123456", ""},
	    {"adb-1234567890123456.7.databricks.azure.us", "https://adb-1234567890123456.7.databricks.azure.us", CLOUD_AZURE_US,
		"1234567890123456", ""},
	    {"x.cloud.databricks.us", "https://x.cloud.databricks.us", CLOUD_AWS_GOV, "", ""},
	    {"  https://x.cloud.databricks.com \n", "https://x.cloud.databricks.com", CLOUD_AWS, "", ""},
	    {"\"https://x.cloud.databricks.com\"", "https://x.cloud.databricks.com", CLOUD_AWS, "", ""},
	    {"https://localhost:8443", "https://localhost:8443", CLOUD_UNKNOWN, "", ""},
	    {"localhost:8443", "https://localhost:8443", CLOUD_UNKNOWN, "", ""},
	    {"http://127.0.0.1:8080/", "http://127.0.0.1:8080", CLOUD_UNKNOWN, "", ""},
	    {"https://[::1]:8443/x", "https://[::1]:8443", CLOUD_UNKNOWN, "", ""},
	    {"http://x.cloud.databricks.com", NULL, CLOUD_UNKNOWN, "", ""},
	    {"https://accounts.cloud.databricks.com", NULL, CLOUD_UNKNOWN, "", ""},
	    {"1234567890123456.zerobus.us-west-2.cloud.databricks.com", NULL, CLOUD_UNKNOWN, "", ""},
	    {"", NULL, CLOUD_UNKNOWN, "", ""},
	    {"https://", NULL, CLOUD_UNKNOWN, "", ""},
	    {"not a host", "https://not", CLOUD_UNKNOWN, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct databricks_host h;
		struct error e = ERROR_INIT;
		int rc = databricks_host_parse(&h, rows[i].given, &e);

		if ((rc == 0) != (rows[i].url != NULL) || (rc < 0 && e.code != ERR_CONFIG))
			fail_msg("\"%s\": %d %s", rows[i].given, rc, e.text);
		if (rc == 0 && (strcmp(h.url, rows[i].url) != 0 || h.cloud != rows[i].cloud ||
				   strcmp(h.workspace_id, rows[i].workspace_id) != 0 || strcmp(h.region, rows[i].region) != 0))
			fail_msg("\"%s\": %s %s id \"%s\" region \"%s\"", rows[i].given, h.url, cloud_name(h.cloud),
			    h.workspace_id, h.region);
	}
}

static void
test_endpoints(void **state)
{
	static const struct {
		const char *given, *target, *workspace_id, *region;
	} rows[] = {
	    {"1234567890123456.zerobus.us-west-2.cloud.databricks.com",
		"1234567890123456.zerobus.us-west-2.cloud.databricks.com:443", "1234567890123456", "us-west-2"},
	    {"https://1234567890123456.zerobus.westeurope.azuredatabricks.net/",
		"1234567890123456.zerobus.westeurope.azuredatabricks.net:443", "1234567890123456", "westeurope"},
	    {"1234567890123456.ingest.us-west-2.cloud.databricks.com:8443",
		"1234567890123456.ingest.us-west-2.cloud.databricks.com:8443", "1234567890123456", "us-west-2"},
	    {"1234567890123456.zerobus.us-central1.gcp.databricks.com",
		"1234567890123456.zerobus.us-central1.gcp.databricks.com:443", "1234567890123456", "us-central1"},
	    {"https://1234567890123456.zerobus.us-gov-west-1.cloud.databricks.us:443",
		"1234567890123456.zerobus.us-gov-west-1.cloud.databricks.us:443", "1234567890123456", "us-gov-west-1"},
	    {"1234567890123456.zerobus.usgovvirginia.databricks.azure.us", "1234567890123456.zerobus.usgovvirginia.databricks.azure.us:443",
		"1234567890123456", "usgovvirginia"},
	    {"1234567890123456.zerobus.chinanorth2.databricks.azure.cn", "1234567890123456.zerobus.chinanorth2.databricks.azure.cn:443",
		"1234567890123456", "chinanorth2"},
	    {" \"https://1234567890123456.zerobus.us-west-2.cloud.databricks.com/\" ",
		"1234567890123456.zerobus.us-west-2.cloud.databricks.com:443", "1234567890123456", "us-west-2"},
	    {"adb-1234567890123456.7.azuredatabricks.net", NULL, "", ""},
	    {"https://x.cloud.databricks.com/sql/1.0/warehouses/abc", NULL, "", ""},
	    {"localhost:9000", "localhost:9000", "", ""},
	    {"http://127.0.0.1:9000", "http://127.0.0.1:9000", "", ""},
	    {"dbc-a1b2345c-d6e7.cloud.databricks.com", NULL, "", ""},
	    {"http://1234567890123456.zerobus.us-west-2.cloud.databricks.com", NULL, "", ""},
	    {"", NULL, "", ""},
	};
	/* from a workspace's URL and, where it does not tell the region, the region of its catalog */
	static const struct {
		const char *host, *region, *target;
	} built[] = {
	    {"https://dbc-a1b2345c-d6e7.cloud.databricks.com/?o=1234567890", "eu-central-1",
		"1234567890.zerobus.eu-central-1.cloud.databricks.com:443"},
	    {"adb-1234567890123456.7.azuredatabricks.net", "westeurope",
		"1234567890123456.zerobus.westeurope.azuredatabricks.net:443"},
	    {"https://westeurope.azuredatabricks.net/?o=1234567890123456#job/1", NULL,
		"1234567890123456.zerobus.westeurope.azuredatabricks.net:443"},
	    {"1234567890123456.7.gcp.databricks.com", "us-central1", "1234567890123456.zerobus.us-central1.gcp.databricks.com:443"},
	    {"x.cloud.databricks.us/login.html?o=1234567890", "us-gov-west-1",
		"1234567890.zerobus.us-gov-west-1.cloud.databricks.us:443"},
	    {"adb-1234567890123456.7.databricks.azure.us", "usgovvirginia",
		"1234567890123456.zerobus.usgovvirginia.databricks.azure.us:443"},
	    {"adb-1234567890123456.7.databricks.azure.cn", "chinanorth2",
		"1234567890123456.zerobus.chinanorth2.databricks.azure.cn:443"},
	};
	struct databricks_endpoint x;
	struct databricks_host host;
	struct error e = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int rc = databricks_endpoint_parse(&x, rows[i].given, &e);

		if ((rc == 0) != (rows[i].target != NULL))
			fail_msg("\"%s\": %d %s", rows[i].given, rc, e.text);
		if (rc == 0 && (strcmp(x.target, rows[i].target) != 0 || strcmp(x.workspace_id, rows[i].workspace_id) != 0 ||
				   strcmp(x.region, rows[i].region) != 0))
			fail_msg("\"%s\": %s id \"%s\" region \"%s\"", rows[i].given, x.target, x.workspace_id, x.region);
	}
	for (size_t i = 0; i < COUNT(built); i++) {
		if (databricks_host_parse(&host, built[i].host, &e) < 0 ||
		    databricks_endpoint_build(&x, host.workspace_id, host.region[0] != '\0' ? host.region : built[i].region, host.cloud,
			&e) < 0)
			fail_msg("\"%s\": %s", built[i].host, e.text);
		if (strcmp(x.target, built[i].target) != 0)
			fail_msg("\"%s\": %s", built[i].host, x.target);
	}
	assert_int_equal(databricks_endpoint_build(&x, "", "eu-central-1", CLOUD_AWS, &e), -1);
	assert_non_null(strstr(e.text, "no workspace id"));
	assert_int_equal(databricks_endpoint_build(&x, "1234567890", NULL, CLOUD_AWS, &e), -1);
	assert_non_null(strstr(e.text, "no region"));
	assert_int_equal(databricks_endpoint_build(&x, "1234567890", "x", CLOUD_UNKNOWN, &e), -1);
	assert_non_null(strstr(e.hint, "DATABRICKS_INGEST_ENDPOINT"));
}

static void
test_warehouses(void **state)
{
	static const struct {
		const char *given, *id;
	} rows[] = {
	    {"abc123def", "abc123def"},
	    {"/sql/1.0/warehouses/abc123", "abc123"},
	    {"/sql/1.0/endpoints/abc123", "abc123"},
	    {"https://x.cloud.databricks.com/sql/1.0/warehouses/abc123", "abc123"},
	    {"https://x.cloud.databricks.com/sql/warehouses/abc123?o=123456", "abc123"},
	    {"jdbc:databricks://x:443/default;transportMode=http;httpPath=/sql/1.0/warehouses/abc123;ssl=1", "abc123"},
	    {" abc123\n", NULL},
	    {"abc-123", NULL},
	    {"", NULL},
	    {"/sql/1.0/warehouses/", NULL},
	    {"'abc123'", "abc123"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char id[WAREHOUSE_ID_SIZE];
		struct error e = ERROR_INIT;
		int rc = databricks_warehouse_parse(id, rows[i].given, &e);

		if ((rc == 0) != (rows[i].id != NULL) || (rc == 0 && strcmp(id, rows[i].id) != 0))
			fail_msg("\"%s\": %d \"%s\" %s", rows[i].given, rc, rc == 0 ? id : "", e.text);
	}
}

static void
test_cfg_rules(void **state)
{
	static const struct {
		const char *name, *file, *profile;
		const char *used; /* NULL: nothing is found */
		const char *host, *token;
		bool fails;
	} rows[] = {
	    {"DEFAULT", "[DEFAULT]\nhost = https://a\ntoken=t\n", NULL, "DEFAULT", "https://a", "t", false},
	    {"named", "[DEFAULT]\nhost=https://a\n[x]\nhost=https://b\n", "x", "x", "https://b", NULL, false},
	    {"not inherited", "[DEFAULT]\nhost=https://a\ntoken=t\n[x]\nhost=https://b\n", "x", "x", "https://b", NULL, false},
	    {"default_profile", "[__settings__]\ndefault_profile = x\n[DEFAULT]\nhost=https://a\n[x]\nhost=https://b\n", NULL, "x",
		"https://b", NULL, false},
	    {"default_profile that is missing", "[__settings__]\ndefault_profile=y\n[DEFAULT]\nhost=https://a\n", NULL, NULL, NULL,
		NULL, true},
	    {"settings are no profile", "[__settings__]\nhost=https://a\n", "__settings__", NULL, NULL, NULL, true},
	    {"no DEFAULT", "[x]\nhost=https://a\n", NULL, NULL, NULL, NULL, false},
	    {"empty DEFAULT", "[DEFAULT]\n\n[x]\nhost=https://a\n", NULL, NULL, NULL, NULL, false},
	    {"named, missing", "[DEFAULT]\nhost=https://a\n", "nope", NULL, NULL, NULL, true},
	    {"named, empty", "[nope]\n[DEFAULT]\nhost=https://a\n", "nope", NULL, NULL, NULL, true},
	    {"comments", "; c\n# c\n[DEFAULT] ; c\nhost = https://a#b ; c\ntoken = t;x # c\n", NULL, "DEFAULT", "https://a#b", "t;x",
		false},
	    {"tab before a comment", "[DEFAULT]\nhost = https://a\t# c\n", NULL, "DEFAULT", "https://a", NULL, false},
	    {"quotes", "[DEFAULT]\nhost = \"https://a\"\ntoken = 't'\n", NULL, "DEFAULT", "https://a", "t", false},
	    {"colon", "[DEFAULT]\nhost: https://a\n", NULL, "DEFAULT", "https://a", NULL, false},
	    {"carriage returns", "[DEFAULT]\r\nhost = https://a\r\n", NULL, "DEFAULT", "https://a", NULL, false},
	    {"upper case key", "[DEFAULT]\nHOST = https://a\n", NULL, "DEFAULT", "https://a", NULL, false},
	    {"equals in the value", "[DEFAULT]\nhost=https://a\ntoken = a=b==\n", NULL, "DEFAULT", "https://a", "a=b==", false},
	    {"no newline at the end", "[DEFAULT]\nhost=https://a", NULL, "DEFAULT", "https://a", NULL, false},
	    {"only a comment as value", "[DEFAULT]\nhost=https://a\ntoken = # none\n", NULL, "DEFAULT", "https://a", NULL, false},
	    {"a section in two parts", "[x]\nhost=https://a\n[y]\nhost=q\n[x]\ntoken=t\n", "x", "x", "https://a", "t", false},
	    {"rubbish", "hello\n[DEFAULT\n]]\n=\n", NULL, NULL, NULL, NULL, false},
	    {"empty", "", NULL, NULL, NULL, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct json *out;
		char *used;
		struct error e = ERROR_INIT;
		int rc = databricks_cfg_parse(text_of(rows[i].file), rows[i].profile, &out, &used, &e);
		const char *host = json_find_string(out, "host"), *token = json_find_string(out, "token");

		if ((rc < 0) != rows[i].fails || (out != NULL) != (rows[i].used != NULL) ||
		    (out != NULL && (strcmp(used, rows[i].used) != 0 || strcmp(host, rows[i].host) != 0 ||
					(token != NULL) != (rows[i].token != NULL) ||
					(token != NULL && strcmp(token, rows[i].token) != 0))))
			fail_msg("%s: %d used %s host %s token %s: %s", rows[i].name, rc, used ? used : "-", host ? host : "-",
			    token ? token : "-", e.text);
		json_free(out);
		free(used);
	}
}

/* A home of its own, with a profile and a .databrickscfg as a row wants them. */
static char home[64];

static void
put_file(const char *name, const char *content)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	if (content == NULL) {
		unlink(path);
		return;
	}
	f = fopen(path, "w");
	fputs(content, f);
	fclose(f);
	chmod(path, 0600);
}

static const char *const variables[] = {"DATABRICKS_HOST", "DATABRICKS_WORKSPACE_URL", "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_AUTH_TYPE", "DATABRICKS_WAREHOUSE_ID",
    "DATABRICKS_SQL_ENDPOINT", "DATABRICKS_INGEST_ENDPOINT", "DATABRICKS_WORKSPACE_ID", "DATABRICKS_ACCOUNT_ID",
    "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_CONFIG_FILE", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_TENANT_ID",
    "DATABRICKS_AZURE_RESOURCE_ID", "DATABRICKS_CLI_PATH"};

static void
test_precedence(void **state)
{
	static const char own[] = "{\"host\":\"https://own.cloud.databricks.com\",\"client_id\":\"own-id\",\"client_secret\":"
				  "\"own-secret\",\"warehouse_id\":\"own1\",\"ca_file\":\"/own/ca\"}";
	static const char cfg[] = "[DEFAULT]\nhost=https://cfg.cloud.databricks.com\ntoken=cfg-token\nwarehouse_id=cfg1\n"
				  "[p]\nhost=https://p.cloud.databricks.com\nclient_id=p-id\nclient_secret=p-secret\n"
				  "zerobus_endpoint=123456.zerobus.eu-west-1.cloud.databricks.com\n";
	static const struct {
		const char *name;
		const char *environment[4]; /* NAME=value */
		const char *own, *cfg;
		struct databricks_given given;
		enum error_code code;
		const char *host, *source, *warehouse;
		enum databricks_method method;
		const char *client_id, *workspace_id;
	} rows[] = {
	    {"nothing at all", {NULL}, NULL, NULL, {.host = NULL}, ERR_NOT_LOGGED_IN, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"environment alone",
		{"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_CLIENT_ID=i", "DATABRICKS_CLIENT_SECRET=s",
		    "DATABRICKS_SQL_ENDPOINT=/sql/1.0/warehouses/w9"},
		NULL, NULL, {.host = NULL}, ERR_OK, "https://x.cloud.databricks.com", "environment", "w9", DATABRICKS_M2M, "i", ""},
	    {"the other name of the host", {"DATABRICKS_WORKSPACE_URL=https://x.cloud.databricks.com", "DATABRICKS_TOKEN=t"}, NULL,
		NULL, {.host = NULL}, ERR_OK, "https://x.cloud.databricks.com", "environment", "", DATABRICKS_TOKEN, NULL, ""},
	    {"profile", {NULL}, own, cfg, {.host = NULL}, ERR_OK, "https://own.cloud.databricks.com", "profile default", "own1",
		DATABRICKS_M2M, "own-id", ""},
	    {"environment before profile", {"DATABRICKS_TOKEN=t", "DATABRICKS_WAREHOUSE_ID=e1"}, own, NULL, {.host = NULL}, ERR_OK,
		"https://own.cloud.databricks.com", "environment", "e1", DATABRICKS_TOKEN, NULL, ""},
	    {"command line before environment", {"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_TOKEN=t"}, NULL, NULL,
		{.host = "y.cloud.databricks.com", .warehouse = "g1"}, ERR_OK, "https://y.cloud.databricks.com", "environment",
		"g1", DATABRICKS_TOKEN, NULL, ""},
	    {"the profile's host, spelt otherwise", {"DATABRICKS_HOST=OWN.cloud.databricks.com/?o=1"}, own, NULL, {.host = NULL}, ERR_OK,
		"https://own.cloud.databricks.com", "profile default", "own1", DATABRICKS_M2M, "own-id", ""},
	    {"no secret for another host", {"DATABRICKS_HOST=x.cloud.databricks.com"}, own, NULL, {.host = NULL}, ERR_NOT_LOGGED_IN, "",
		"", "", DATABRICKS_NONE, NULL, ""},
	    {"another host, no warehouse of the profile", {"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_TOKEN=t"}, own, NULL,
		{.host = NULL}, ERR_OK, "https://x.cloud.databricks.com", "environment", "", DATABRICKS_TOKEN, NULL, ""},
	    {"vendor's file named, before the profile", {"DATABRICKS_CONFIG_PROFILE=p"}, own, cfg, {.host = NULL}, ERR_OK,
		"https://p.cloud.databricks.com", "[p]", "", DATABRICKS_M2M, "p-id", "123456"},
	    {"its default is not, beside the profile", {NULL}, own, cfg, {.host = NULL}, ERR_OK, "https://own.cloud.databricks.com",
		"profile default", "own1", DATABRICKS_M2M, "own-id", ""},
	    {"vendor's file: the CLI's tokens", {"DATABRICKS_CONFIG_PROFILE=c"}, NULL, "[c]\nhost=x.cloud.databricks.com\n"
		"auth_type=databricks-cli\n", {.host = NULL}, ERR_OK, "https://x.cloud.databricks.com", "Databricks CLI", "",
		DATABRICKS_CLI, NULL, ""},
	    {"vendor's file: a host alone, as its older CLI wrote it", {NULL}, NULL, "[DEFAULT]\nhost=x.cloud.databricks.com\n",
		{.host = NULL}, ERR_OK, "https://x.cloud.databricks.com", "Databricks CLI", "", DATABRICKS_CLI, NULL, ""},
	    {"vendor's file: Azure", {"DATABRICKS_CONFIG_PROFILE=a"}, NULL, "[a]\nhost=adb-1234567.1.azuredatabricks.net\n"
		"azure_client_id=ai\nazure_client_secret=as\nazure_tenant_id=at\n", {.host = NULL}, ERR_OK,
		"https://adb-1234567.1.azuredatabricks.net", "settings", "", DATABRICKS_AZURE, "ai", "1234567"},
	    {"Azure by the environment", {"DATABRICKS_HOST=adb-1234567.1.azuredatabricks.net", "ARM_CLIENT_ID=ai",
		"ARM_CLIENT_SECRET=as"}, NULL, NULL, {.host = NULL}, ERR_OK, "https://adb-1234567.1.azuredatabricks.net",
		"environment", "", DATABRICKS_AZURE, "ai", "1234567"},
	    {"Azure's variables mean nothing elsewhere", {"DATABRICKS_HOST=x.cloud.databricks.com", "ARM_CLIENT_ID=ai",
		"ARM_CLIENT_SECRET=as"}, NULL, NULL, {.host = NULL}, ERR_NOT_LOGGED_IN, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"Azure without a secret", {"DATABRICKS_HOST=x", "ARM_CLIENT_ID=ai", "DATABRICKS_AUTH_TYPE=azure-client-secret"}, NULL,
		NULL, {.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"a login in the browser", {NULL}, "{\"host\":\"https://x.cloud.databricks.com\",\"auth_type\":\"external-browser\","
		"\"refresh_token\":\"r\"}", cfg, {.host = NULL}, ERR_OK, "https://x.cloud.databricks.com", "profile default", "",
		DATABRICKS_U2M, NULL, ""},
	    {"a login in the browser that is not there", {"DATABRICKS_HOST=x", "DATABRICKS_AUTH_TYPE=external-browser"}, NULL, NULL,
		{.host = NULL}, ERR_NOT_LOGGED_IN, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"an unknown kind in the vendor's file", {"DATABRICKS_CONFIG_PROFILE=m"}, NULL, "[m]\nhost=x.cloud.databricks.com\n"
		"auth_type=metadata-service\n", {.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"vendor's file when nothing else", {NULL}, NULL, cfg, {.host = NULL}, ERR_OK, "https://cfg.cloud.databricks.com",
		"[DEFAULT]", "cfg1", DATABRICKS_TOKEN, NULL, ""},
	    {"vendor's file skipped", {"DATABRICKS_HOST=x.cloud.databricks.com"}, NULL, cfg, {.host = NULL}, ERR_NOT_LOGGED_IN, "",
		"", "", DATABRICKS_NONE, NULL, ""},
	    {"vendor's file named", {"DATABRICKS_CONFIG_PROFILE=p"}, NULL, cfg, {.host = NULL}, ERR_OK,
		"https://p.cloud.databricks.com", "[p]", "", DATABRICKS_M2M, "p-id", "123456"},
	    {"named by the profile", {NULL}, "{\"config_profile\":\"p\",\"warehouse_id\":\"own1\"}", cfg, {.host = NULL}, ERR_OK,
		"https://p.cloud.databricks.com", "[p]", "own1", DATABRICKS_M2M, "p-id", "123456"},
	    {"named but not there", {"DATABRICKS_CONFIG_PROFILE=nope"}, NULL, cfg, {.host = NULL}, ERR_CONFIG, "", "", "",
		DATABRICKS_NONE, NULL, ""},
	    {"named, no file", {"DATABRICKS_CONFIG_PROFILE=p"}, NULL, NULL, {.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE,
		NULL, ""},
	    {"two kinds",
		{"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_TOKEN=t", "DATABRICKS_CLIENT_ID=i",
		    "DATABRICKS_CLIENT_SECRET=s"},
		NULL, NULL, {.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"two kinds, chosen",
		{"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_TOKEN=t", "DATABRICKS_CLIENT_ID=i",
		    "DATABRICKS_CLIENT_SECRET=s"},
		NULL, NULL, {.auth_type = "oauth-m2m"}, ERR_OK, "https://x.cloud.databricks.com", "environment", "",
		DATABRICKS_M2M, "i", ""},
	    {"unsupported", {"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_AUTH_TYPE=azure-cli"}, NULL, NULL,
		{.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"no secret", {"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_CLIENT_ID=i"}, NULL, NULL, {.host = NULL},
		ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"no host", {"DATABRICKS_TOKEN=t"}, NULL, NULL, {.host = NULL}, ERR_NOT_LOGGED_IN, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"endpoint tells the workspace",
		{"DATABRICKS_HOST=adb-1111111.7.azuredatabricks.net", "DATABRICKS_TOKEN=t",
		    "DATABRICKS_INGEST_ENDPOINT=2222222.zerobus.westeurope.azuredatabricks.net", "DATABRICKS_WORKSPACE_ID=3333333"},
		NULL, NULL, {.host = NULL}, ERR_OK, "https://adb-1111111.7.azuredatabricks.net", "environment", "",
		DATABRICKS_TOKEN, NULL, "2222222"},
	    {"bad workspace id", {"DATABRICKS_HOST=x.cloud.databricks.com", "DATABRICKS_TOKEN=t", "DATABRICKS_WORKSPACE_ID=abc"},
		NULL, NULL, {.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	    {"damaged profile", {NULL}, "{\"host\":", NULL, {.host = NULL}, ERR_CONFIG, "", "", "", DATABRICKS_NONE, NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct profile *p = profile_open("default", &e);
		struct databricks_config c;
		int rc;

		for (size_t j = 0; j < COUNT(variables); j++)
			unsetenv(variables[j]);
		for (size_t j = 0; j < 4 && rows[i].environment[j] != NULL; j++) {
			char *pair = strdup(rows[i].environment[j]), *equals = strchr(pair, '=');

			*equals = '\0';
			setenv(pair, equals + 1, 1);
			free(pair);
		}
		put_file("profiles/default/databricks.json", rows[i].own);
		put_file(".databrickscfg", rows[i].cfg);
		rc = databricks_config_load(&c, &rows[i].given, p, &e);
		if (e.code != rows[i].code || rc != (rows[i].code == ERR_OK ? 0 : -1))
			fail_msg("%s: %s \"%s\"", rows[i].name, error_name(e.code), e.text);
		if (rc == 0 &&
		    (strcmp(c.host.url, rows[i].host) != 0 || strstr(c.source, rows[i].source) == NULL ||
			strcmp(c.warehouse_id, rows[i].warehouse) != 0 || c.method != rows[i].method ||
			(rows[i].client_id != NULL && strcmp(c.client_id, rows[i].client_id) != 0) ||
			strcmp(c.workspace_id, rows[i].workspace_id) != 0))
			fail_msg("%s: host %s source %s warehouse %s method %s id %s", rows[i].name, c.host.url, c.source,
			    c.warehouse_id, databricks_method_name(c.method), c.workspace_id);
		databricks_config_release(&c);
		profile_free(p);
	}
}

static void
test_store_and_load(void **state)
{
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("stored", &e);
	struct databricks_config c, back;

	(void)state;
	for (size_t j = 0; j < COUNT(variables); j++)
		unsetenv(variables[j]);
	put_file(".databrickscfg", NULL);
	databricks_config_init(&c);
	assert_int_equal(databricks_host_parse(&c.host, "localhost:8443", &e), 0);
	assert_int_equal(databricks_endpoint_parse(&c.ingest, "localhost:9000", &e), 0);
	c.method = DATABRICKS_M2M;
	c.client_id = strdup("id");
	c.ca_file = strdup("/ca.pem");
	strcpy(c.workspace_id, "1234567");
	strcpy(c.warehouse_id, "w1");
	secret_set(&c.client_secret, text_of("s"));
	assert_int_equal(databricks_config_store(&c, p, &e), 0);
	if (databricks_config_load(&back, NULL, p, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(back.host.url, "https://localhost:8443");
	assert_string_equal(back.ingest.target, "localhost:9000");
	assert_string_equal(back.workspace_id, "1234567");
	assert_string_equal(back.ca_file, "/ca.pem");
	assert_true(secret_equal(&back.client_secret, &c.client_secret));
	databricks_config_release(&back);
	assert_int_equal(databricks_config_forget(p, &e), 0);
	assert_int_equal(databricks_config_load(&back, NULL, p, &e), -1);
	assert_int_equal(e.code, ERR_NOT_LOGGED_IN);
	databricks_config_release(&c);
	profile_free(p);
}

static int
group_setup(void **state)
{
	char path[160];

	(void)state;
	strcpy(home, "/tmp/sfzb-test-home-XXXXXX");
	if (mkdtemp(home) == NULL)
		return -1;
	setenv("HOME", home, 1);
	setenv("SFZB_HOME", home, 1);
	snprintf(path, sizeof(path), "%s/profiles", home);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/profiles/default", home);
	return mkdir(path, 0700);
}

static int
group_teardown(void **state)
{
	static const char *const left[] = {"profiles/default/databricks.json", ".databrickscfg", "profiles/default",
	    "profiles/stored", "profiles"};
	char path[160];

	(void)state;
	for (size_t i = 0; i < COUNT(left); i++) {
		snprintf(path, sizeof(path), "%s/%s", home, left[i]);
		remove(path);
	}
	return rmdir(home);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hosts),
	    cmocka_unit_test(test_endpoints),
	    cmocka_unit_test(test_warehouses),
	    cmocka_unit_test(test_cfg_rules),
	    cmocka_unit_test(test_precedence),
	    cmocka_unit_test(test_store_and_load),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
