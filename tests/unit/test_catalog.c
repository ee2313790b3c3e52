/* databricks/: tables, catalogs and warehouses as the catalog of a scripted workspace has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "databricks/catalog.h"
#include "databricks_web.h"

#define UC "/api/2.1/unity-catalog"

static void
test_catalog(void **state)
{
	/* the sample of wire/databricks-http.md §5 */
	static const struct fake_row script[] = {
	    {"GET " UC "/tables/main.crm.events", 200,
		"{\"name\":\"events\",\"catalog_name\":\"main\",\"schema_name\":\"crm\",\"full_name\":\"main.crm.events\","
		"\"table_type\":\"MANAGED\",\"data_source_format\":\"DELTA\",\"owner\":\"ada@example.com\","
		"\"properties\":{\"delta.enableRowTracking\":\"false\"},\"columns\":[{\"name\":\"event_id\",\"type_text\":\"string\","
		"\"type_json\":\"{\\\"name\\\":\\\"event_id\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}\","
		"\"type_name\":\"STRING\",\"type_precision\":0,\"type_scale\":0,\"type_interval_type\":null,\"position\":0,"
		"\"comment\":null,\"nullable\":true,\"partition_index\":null},{\"name\":\"timestamp\",\"type_text\":\"bigint\","
		"\"type_json\":\"{\\\"name\\\":\\\"timestamp\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}\","
		"\"type_name\":\"LONG\",\"position\":3,\"nullable\":true},{\"name\":\"record_ids\",\"type_text\":\"array<string>\","
		"\"type_json\":\"{\\\"name\\\":\\\"record_ids\\\",\\\"type\\\":{\\\"type\\\":\\\"array\\\",\\\"elementType\\\":\\\"string\\\","
		"\\\"containsNull\\\":true},\\\"nullable\\\":true,\\\"metadata\\\":{}}\",\"type_name\":\"ARRAY\",\"position\":7,"
		"\"nullable\":true}],\"created_at\":1760000000000,\"updated_at\":1760000000000,\"table_id\":\"t\"}",
		NULL, 0, NULL},
	    {"GET " UC "/catalogs/main", 200, "{}", NULL, 0, NULL},
	    {"GET " UC "/catalogs/shut", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}", NULL, 0, NULL},
	    {"GET " UC "/schemas/main.crm", 200, "{}", NULL, 0, NULL},
	    {"GET " UC "/tables/shut.", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}", NULL, 0, NULL},
	    {"GET " UC, 404, "{\"error_code\":\"TABLE_DOES_NOT_EXIST\",\"message\":\"no\"}", NULL, 0, NULL},
	};
	static const struct {
		const char *table;
		enum error_code code;
		const char *text, *asked;
	} missing[] = {
	    {"main.crm.none", ERR_NOT_FOUND, "no table \"main.crm.none\"", "tables/main.crm.none"},
	    {"main.none.events", ERR_NOT_FOUND, "no schema \"main.none\"", "schemas/main.none"},
	    {"none.crm.events", ERR_NOT_FOUND, "no catalog \"none\"", "catalogs/none"},
	    {"shut.crm.events", ERR_PERMISSION, "PERMISSION_DENIED", "tables/shut.crm.events"},
	    {"`a.b`.`c d`.`e/f`", ERR_NOT_FOUND, "no catalog \"a.b\"", "tables/a.b.c d.e/f"},
	    {"main.events", ERR_USAGE, "main.events", "tables"},
	};
	struct databricks_session *s = new_session(true);
	struct delta_table *t;
	struct error e = ERROR_INIT;

	(void)state;
	SCRIPT(script);
	t = catalog_get_table(s, "main.crm.events", &e);
	if (t == NULL)
		fail_msg("%s", e.text);
	assert_string_equal(t->full_name, "main.crm.events");
	assert_int_equal(t->column_count, 3);
	assert_string_equal(t->columns[2].name, "record_ids");
	delta_table_free(t);
	for (size_t i = 0; i < COUNT(missing); i++) {
		error_clear(&e);
		t = catalog_get_table(s, missing[i].table, &e);
		if (t != NULL || e.code != missing[i].code || strstr(e.text, missing[i].text) == NULL ||
		    fake_web_asked(&web, missing[i].asked) == 0)
			fail_msg("%s: %s \"%s\"\n%s", missing[i].table, error_name(e.code), e.text, buffer_text(&web.asked));
	}
	assert_int_equal(catalog_has_catalog(s, "main", &e), 1);
	assert_int_equal(catalog_has_catalog(s, "none", &e), 0);
	assert_int_equal(catalog_has_catalog(s, "shut", &e), -1);
	assert_int_equal(catalog_has_schema(s, "main", "crm", &e), 1);
	databricks_session_free(s);
}

static void
test_pick_warehouse(void **state)
{
	static const struct {
		const char *name, *body, *id;
		enum error_code code;
		const char *second_page;
	} rows[] = {
	    {"the only one", "{\"warehouses\":[{\"id\":\"w1\",\"name\":\"A\",\"state\":\"STOPPED\"}]}", "w1", ERR_OK, NULL},
	    {"the one that runs",
		"{\"warehouses\":[{\"id\":\"w1\",\"state\":\"STOPPED\"},{\"id\":\"w2\",\"state\":\"RUNNING\"}]}", "w2", ERR_OK, NULL},
	    {"two that run", "{\"warehouses\":[{\"id\":\"w1\",\"state\":\"RUNNING\"},{\"id\":\"w2\",\"state\":\"RUNNING\"}]}", "",
		ERR_CONFIG, NULL},
	    {"two that rest", "{\"warehouses\":[{\"id\":\"w1\",\"state\":\"STOPPED\"},{\"id\":\"w2\",\"state\":\"STOPPED\"}]}", "",
		ERR_CONFIG, NULL},
	    {"none", "{}", "", ERR_NOT_FOUND, NULL},
	    {"one on the second page", "{\"warehouses\":[{\"id\":\"w1\",\"state\":\"STOPPED\"}],\"next_page_token\":\"p 2\"}", "w2",
		ERR_OK, "{\"warehouses\":[{\"id\":\"w2\",\"state\":\"RUNNING\"}]}"},
	    {"pages without end", "{\"next_page_token\":\"p 2\"}", "", ERR_REFUSED, "{\"next_page_token\":\"p 2\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct databricks_session *base = new_session(true), *s;
		struct databricks_config c;
		const struct fake_row script[] = {
		    {"GET /api/2.0/sql/warehouses?page_token=p%202", 200, rows[i].second_page, NULL, 0, NULL},
		    {"GET /api/2.0/sql/warehouses", 200, rows[i].body, NULL, 0, NULL},
		};
		struct error e = ERROR_INIT;
		char id[WAREHOUSE_ID_SIZE];
		int rc;

		databricks_config_copy(&c, databricks_session_config(base));
		assert_int_equal(catalog_pick_warehouse(base, id, &e), 0);
		assert_string_equal(id, "abc123");
		c.warehouse_id[0] = '\0';
		s = databricks_session_new(&c, NULL);
		SCRIPT(script);
		rc = catalog_pick_warehouse(s, id, &e);
		if (e.code != rows[i].code || rc != (rows[i].code == ERR_OK ? 0 : -1) || strcmp(id, rows[i].id) != 0)
			fail_msg("%s: %d \"%s\" %s", rows[i].name, rc, id, e.text);
		databricks_config_release(&c);
		databricks_session_free(s);
		databricks_session_free(base);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_catalog),
	    cmocka_unit_test(test_pick_warehouse),
	};

	return cmocka_run_group_tests(tests, databricks_web_setup, databricks_web_teardown);
}
