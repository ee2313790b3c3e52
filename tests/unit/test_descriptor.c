/* databricks/: tables as the catalog describes them, their descriptors, DDL and whether they fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/memory.h"
#include "databricks/descriptor.h"
#include "databricks/table.h"
#include "databricks/table_layout.h"
#include "google/protobuf/descriptor.pb-c.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A catalog's answer for main.crm.t with these columns (JSON, quotes as ' for reading). */
static struct delta_table *
table_of(const char *columns, struct error *e)
{
	char *text = memory_format("{'catalog_name':'main','schema_name':'crm','name':'t','table_type':'MANAGED',"
				   "'data_source_format':'DELTA','columns':[%s]}", columns);
	struct delta_table *t;
	struct json *j;

	for (char *p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	j = json_parse(text_of(text), e);
	if (j == NULL)
		fail_msg("the test's own JSON: %s: %s", e->text, text);
	t = delta_table_parse(j, e);
	json_free(j);
	free(text);
	return t;
}

/* Columns from "name:type text[!]", '!' for NOT NULL, separated by ';'. */
static struct delta_table *
table_of_types(const char *list, struct error *e)
{
	struct buffer b = BUFFER_INIT;
	char *copy = memory_strdup(list), *save = NULL;
	struct delta_table *t;
	int position = 0;

	for (char *one = strtok_r(copy, ";", &save); one != NULL; one = strtok_r(NULL, ";", &save)) {
		char *type = strchr(one, ':');
		size_t len = strlen(one);
		int nullable = one[len - 1] != '!';

		*type++ = '\0';
		if (!nullable)
			one[len - 1] = '\0';
		buffer_append_format(&b, "%s{'name':'%s','type_text':'%s','position':%d,'nullable':%s}",
		    position > 0 ? "," : "", one, type, position, nullable ? "true" : "false");
		position++;
	}
	t = table_of(buffer_text(&b), e);
	buffer_release(&b);
	free(copy);
	return t;
}

static void
test_vector(void **state)
{
	static const char vector[] =
	    "0a0154120e0a02696418012002280352026964120c0a017318022001280952017312120a047461677318032003280952047461677312170a016d18042003280b3209"
	    "2e542e4d456e74727952016d121b0a046164647218052001280b32072e542e416464725204616464721a340a064d456e74727912100a036b6579180120012809"
	    "52036b657912140a0576616c7565180220012805520576616c75653a0238011a1e0a044164647212160a067374726565741801200128095206737472656574";
	struct error e = ERROR_INIT;
	struct delta_table *t = table_of_types(
	    "id:bigint!;s:string;tags:array<string>;m:map<string,int>;addr:struct<street:string>", &e);
	struct buffer out = BUFFER_INIT, hex = BUFFER_INIT;

	(void)state;
	assert_non_null(t);
	assert_int_equal(descriptor_write(&out, t, NULL, "T", &e), 0);
	buffer_append_hex(&hex, out.data, out.len);
	assert_string_equal(buffer_text(&hex), vector);
	buffer_release(&out);
	buffer_release(&hex);
	delta_table_free(t);
}

/* "name number label type [type_name]" of each field, nested messages in brackets. */
static void
show(struct buffer *b, const Google__Protobuf__DescriptorProto *d)
{
	buffer_append_format(b, "%s{", d->name);
	for (size_t i = 0; i < d->n_field; i++)
		buffer_append_format(b, "%s%s %d %d %d%s%s", i > 0 ? ", " : "", d->field[i]->name,
		    d->field[i]->number, (int)d->field[i]->label, (int)d->field[i]->type,
		    d->field[i]->type_name ? " " : "", d->field[i]->type_name ? d->field[i]->type_name : "");
	for (size_t i = 0; i < d->n_nested_type; i++) {
		buffer_append_text(b, " ");
		show(b, d->nested_type[i]);
	}
	buffer_append_text(b, d->options != NULL && d->options->map_entry ? "}map" : "}");
}

static void
test_shapes(void **state)
{
	static const struct {
		const char *name, *columns, *shape, *error;
	} rows[] = {
	    {"every scalar", "a:tinyint;b:smallint;c:int;d:bigint;e:float;f:double;g:boolean;h:string;i:binary;j:date;"
			     "k:timestamp;l:timestamp_ntz;m:variant;n:decimal(10,2);o:varchar(5)",
		"CrmT{a 1 1 5, b 2 1 5, c 3 1 5, d 4 1 3, e 5 1 2, f 6 1 1, g 7 1 8, h 8 1 9, i 9 1 12, j 10 1 5, "
		"k 11 1 3, l 12 1 3, m 13 1 9, n 14 1 9, o 15 1 9}", NULL},
	    {"struct in struct, with a required field", "addr:struct<geo:struct<lat:double not null>,n:int>",
		"CrmT{addr 1 1 11 .CrmT.Addr Addr{geo 1 1 11 .CrmT.Addr.AddrGeo, n 2 1 5 AddrGeo{lat 1 2 1}}}", NULL},
	    {"array of struct, map to struct", "items:array<struct<a:int>>;m:map<bigint,struct<b:binary>>!",
		"CrmT{items 1 3 11 .CrmT.ItemsElement, m 2 3 11 .CrmT.MEntry ItemsElement{a 1 1 5} MValue{b 1 1 12} "
		"MEntry{key 1 1 3, value 2 1 11 .CrmT.MValue}map}", NULL},
	    {"map in struct keeps its entry's own name", "s:struct<attr_map:map<string,boolean>>",
		"CrmT{s 1 1 11 .CrmT.S S{attr_map 1 3 11 .CrmT.S.AttrMapEntry AttrMapEntry{key 1 1 9, value 2 1 8}map}}", NULL},
	    {"names that clash", "a_b:struct<x:int>;aB:struct<y:int>;Ab:struct<z:int>",
		"CrmT{a_b 1 1 11 .CrmT.AB, aB 2 1 11 .CrmT.AB2, Ab 3 1 11 .CrmT.Ab2 AB{x 1 1 5} AB2{y 1 1 5} Ab2{z 1 1 5}}", NULL},
	    {"a struct steps aside for a map's entry", "m_entry:struct<x:int>;m:map<int,int>",
		"CrmT{m_entry 1 1 11 .CrmT.MEntry2, m 2 3 11 .CrmT.MEntry MEntry2{x 1 1 5} MEntry{key 1 1 5, value 2 1 5}map}", NULL},
	    {"array of array", "x:array<array<int>>", NULL, "column 'x' (ARRAY<ARRAY<INT>>): Zerobus does not take this type in an ARRAY"},
	    {"array of map", "x:array<map<int,int>>", NULL, "column 'x' (ARRAY<MAP<INT, INT>>): Zerobus does not take this type in an ARRAY"},
	    {"map to array, deep", "s:struct<t:struct<m:map<int,array<int>>>>", NULL,
		"column 's.t.m' (MAP<INT, ARRAY<INT>>): Zerobus does not take this type as the value of a MAP"},
	    {"map with a double key", "m:map<double,int>", NULL,
		"column 'm' (MAP<DOUBLE, INT>): Zerobus takes only integers, BOOLEAN and STRING as keys of a MAP"},
	    {"char", "c:char(3)", NULL, "column 'c' (CHAR(3)): Zerobus does not take this type"},
	    {"interval", "c:interval year to month", NULL, "column 'c' (INTERVAL YEAR TO MONTH): Zerobus does not take this type"},
	    {"geometry", "c:geometry(4326)", NULL, "column 'c' (GEOMETRY(4326)): Zerobus does not take this type"},
	    {"a name with a space", "a b:int", NULL, "column 'a b' (INT): Zerobus takes only names of ASCII letters, digits and '_'"},
	    {"a name starting with a digit", "1a:int", NULL, "column '1a' (INT): Zerobus takes only names of ASCII letters, digits and '_'"},
	};

	FILE *python = popen("/usr/bin/python3 tests/tables/descriptor_check.py", "w");

	(void)state;
	assert_non_null(python);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct delta_table *t = table_of_types(rows[i].columns, &e);
		struct buffer out = BUFFER_INIT, shape = BUFFER_INIT, hex = BUFFER_INIT;
		Google__Protobuf__DescriptorProto *d;
		int rc;

		if (t == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
		rc = descriptor_write(&out, t, NULL, NULL, &e);
		if ((rc == 0) != (rows[i].shape != NULL))
			fail_msg("%s: %d %s", rows[i].name, rc, e.text);
		if (rc == 0) {
			d = google__protobuf__descriptor_proto__unpack(NULL, out.len, out.data);
			if (d == NULL)
				fail_msg("%s: does not unpack", rows[i].name);
			show(&shape, d);
			google__protobuf__descriptor_proto__free_unpacked(d, NULL);
			buffer_append_hex(&hex, out.data, out.len);
			fprintf(python, "%s\n", buffer_text(&hex));
			buffer_release(&hex);
			if (strcmp(buffer_text(&shape), rows[i].shape) != 0)
				fail_msg("%s:\n  is  %s\n  not %s", rows[i].name, buffer_text(&shape), rows[i].shape);
		} else {
			if (strcmp(e.text, rows[i].error) != 0)
				fail_msg("%s:\n  is  %s\n  not %s", rows[i].name, e.text, rows[i].error);
			assert_int_equal(e.code, ERR_MISFIT);
			assert_int_equal(out.len, 0);
		}
		buffer_release(&out);
		buffer_release(&shape);
		delta_table_free(t);
	}
	/* and protobuf's own library takes each of them, on its own */
	assert_int_equal(pclose(python), 0);
}

static void
test_numbers(void **state)
{
	static const struct {
		int position;
		uint32_t number;
	} rows[] = {{0, 1}, {18998, 18999}, {18999, 20000}, {19000, 20001}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(descriptor_number(rows[i].position), rows[i].number);
}

/* One column in each form that catalogs write; the type as SQL. */
static void
test_catalog_forms(void **state)
{
	static const struct {
		const char *name, *column, *sql;
		bool nullable, generated;
	} rows[] = {
	    {"field object", "{'name':'c','type_json':'{\\'name\\':\\'c\\',\\'type\\':\\'long\\',\\'nullable\\':true,\\'metadata\\':{}}'}",
		"BIGINT", true, false},
	    {"bare word in quotes", "{'name':'c','type_json':'\\'timestamp_ntz\\'','nullable':false}", "TIMESTAMP_NTZ", false, false},
	    {"bare word", "{'name':'c','type_json':'decimal(38,18)'}", "DECIMAL(38,18)", true, false},
	    {"bare object", "{'name':'c','type_json':'{\\'type\\':\\'array\\',\\'elementType\\':\\'string\\',\\'containsNull\\':true}'}",
		"ARRAY<STRING>", true, false},
	    {"varchar in the metadata", "{'name':'c','type_text':'string','type_json':'{\\'name\\':\\'c\\',\\'type\\':\\'string\\',"
		"\\'metadata\\':{\\'__CHAR_VARCHAR_TYPE_STRING\\':\\'varchar(10)\\'}}'}", "VARCHAR(10)", true, false},
	    {"char in the text", "{'name':'c','type_text':'char(4)','type_json':'\\'string\\''}", "CHAR(4)", true, false},
	    {"generated", "{'name':'c','type_json':'{\\'name\\':\\'c\\',\\'type\\':\\'date\\',\\'metadata\\':"
		"{\\'delta.generationExpression\\':\\'CAST(x AS DATE)\\'}}'}", "DATE", true, true},
	    {"nested objects", "{'name':'c','type_json':'{\\'name\\':\\'c\\',\\'type\\':{\\'type\\':\\'struct\\',\\'fields\\':["
		"{\\'name\\':\\'a b\\',\\'type\\':{\\'type\\':\\'map\\',\\'keyType\\':\\'string\\',\\'valueType\\':\\'integer\\'},"
		"\\'nullable\\':false}]}}'}", "STRUCT<`a b`: MAP<STRING, INT> NOT NULL>", true, false},
	    {"type_text alone", "{'name':'c','type_text':'struct<`a``b`:array<bigint>,timestamp:decimal(4,1)>','type_json':null}",
		"STRUCT<`a``b`: ARRAY<BIGINT>, `timestamp`: DECIMAL(4,1)>", true, false},
	    {"type_name alone", "{'name':'c','type_name':'DECIMAL','type_precision':7,'type_scale':3}", "DECIMAL(7,3)", true, false},
	    {"unknown word", "{'name':'c','type_json':'\\'geography(4326)\\''}", "GEOGRAPHY(4326)", true, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct delta_table *t = table_of(rows[i].column, &e);
		struct buffer sql = BUFFER_INIT;

		if (t == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
		delta_type_write_sql(&sql, &t->columns[0].type);
		if (strcmp(buffer_text(&sql), rows[i].sql) != 0 || t->columns[0].nullable != rows[i].nullable ||
		    t->columns[0].generated != rows[i].generated)
			fail_msg("%s: %s, nullable %d, generated %d", rows[i].name, buffer_text(&sql),
			    t->columns[0].nullable, t->columns[0].generated);
		buffer_release(&sql);
		delta_table_free(t);
	}
}

static void
test_bad_answers(void **state)
{
	static const struct {
		const char *name, *columns, *error;
	} rows[] = {{"no name", "{'type_text':'int'}", "table 'main.crm.t': column 0 has no name"},
	    {"no type", "{'name':'c'}", "table 'main.crm.t': column 'c': no type"},
	    {"type is a number", "{'name':'c','type_json':'7'}",
		"table 'main.crm.t': column 'c': a type that is neither a name nor an object"},
	    {"unclosed", "{'name':'c','type_text':'array<int'}", "table 'main.crm.t': column 'c': a type text with '>' missing"},
	    {"more text", "{'name':'c','type_text':'array<int>>'}", "table 'main.crm.t': column 'c': more text after the type"}};
	struct buffer deep = BUFFER_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct delta_table *t = table_of(rows[i].columns, &e);

		if (t != NULL || strcmp(e.text, rows[i].error) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
	}
	buffer_append_text(&deep, "{'name':'c','type_text':'");
	for (int i = 0; i < 2000; i++)
		buffer_append_text(&deep, "array<");
	buffer_append_text(&deep, "'}");
	assert_null(table_of(buffer_text(&deep), &e));
	assert_int_equal(e.code, ERR_MISFIT);
	buffer_release(&deep);
}

static void
test_names(void **state)
{
	static const struct {
		const char *full, *a, *b, *c;
	} rows[] = {{"main.crm.events", "main", "crm", "events"}, {"`ma.in`.`c``rm`.x", "ma.in", "c`rm", "x"},
	    {"main.crm", NULL, NULL, NULL}, {"a.b.c.d", NULL, NULL, NULL}, {"a..c", NULL, NULL, NULL},
	    {"", NULL, NULL, NULL}, {"`a.b.c", NULL, NULL, NULL}, {"a.`b`x.c", NULL, NULL, NULL}, {"a.b.", NULL, NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char parts[3][DELTA_PART_SIZE];
		struct error e = ERROR_INIT;
		int rc = delta_split_name(rows[i].full, parts, &e);

		if ((rc == 0) != (rows[i].a != NULL))
			fail_msg("'%s': %d", rows[i].full, rc);
		if (rc != 0)
			continue;
		assert_string_equal(parts[0], rows[i].a);
		assert_string_equal(parts[1], rows[i].b);
		assert_string_equal(parts[2], rows[i].c);
	}
}

static void
test_shell_names(void **state)
{
	static const struct {
		const char *full, *pasted;
	} rows[] = {{"main.crm.events", "main.crm.events"}, {"`main`.crm.`events`", "main.crm.events"},
	    {"main.crm-eu.t", "'main.`crm-eu`.t'"}, {"main.`a.b`.t", "'main.`a.b`.t'"}, {"main.`a``b`.t", "'main.`a``b`.t'"},
	    {"main.it's.t", "'main.`it'\\''s`.t'"}, {"main.$(x).t", "'main.`$(x)`.t'"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *pasted = delta_shell_full_name(rows[i].full);

		if (strcmp(pasted, rows[i].pasted) != 0)
			fail_msg("'%s': %s", rows[i].full, pasted);
		free(pasted);
	}
}

static void
test_grants(void **state)
{
	struct buffer out = BUFFER_INIT;

	(void)state;
	delta_write_grants(&out, "main.`a``b`.t", NULL);
	assert_string_equal(buffer_text(&out), "GRANT USE CATALOG ON CATALOG `main` TO `<application-id>`;\n"
					       "GRANT USE SCHEMA ON SCHEMA `main`.`a``b` TO `<application-id>`;\n"
					       "GRANT SELECT, MODIFY ON TABLE `main`.`a``b`.`t` TO `<application-id>`;\n");
	buffer_clear(&out);
	delta_write_grants(&out, "main", "x");
	assert_int_equal(out.len, 0);
	buffer_release(&out);
}

static void
test_create(void **state)
{
	static const char full[] =
	    "CREATE TABLE IF NOT EXISTS `main`.`crm`.`events` (\n"
	    "  event_id STRING, schema_id STRING, replay_id STRING, `timestamp` BIGINT, change_type STRING, entity_name STRING,\n"
	    "  change_origin STRING, record_ids ARRAY<STRING>, changed_fields ARRAY<STRING>, nulled_fields ARRAY<STRING>,\n"
	    "  diff_fields ARRAY<STRING>, record_data_json STRING, payload_binary BINARY, schema_json STRING, org_id STRING,\n"
	    "  processed_timestamp BIGINT,\n"
	    "  topic STRING, commit_timestamp TIMESTAMP, commit_number BIGINT, commit_user STRING, transaction_key STRING,\n"
	    "  sequence_number INT, changed_json STRING\n"
	    ") USING DELTA\n"
	    "COMMENT 'Salesforce change events written by sfzb'\n"
	    "TBLPROPERTIES ('delta.autoOptimize.optimizeWrite'='true','delta.autoOptimize.autoCompact'='true','delta.enableRowTracking'='false')";
	static const struct delta_property more[] = {{"delta.autoOptimize.autoCompact", "false"}, {"team", "o'neil"}};
	struct delta_plan plan = {.table = "main.crm.events", .layout = LAYOUT_FULL};
	struct buffer sql = BUFFER_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(delta_create_sql(&sql, &plan, &e), 0);
	assert_string_equal(buffer_text(&sql), full);
	buffer_clear(&sql);
	plan = (struct delta_plan){.table = "main.`c-r`.events", .layout = LAYOUT_CLASSIC, .column_comments = true,
	    .comment = "", .properties = more, .property_count = 2};
	assert_int_equal(delta_create_sql(&sql, &plan, &e), 0);
	assert_non_null(strstr(buffer_text(&sql), "`main`.`c-r`.`events` (\n  event_id STRING COMMENT 'id of the event, unique',\n"));
	assert_non_null(strstr(buffer_text(&sql), "'delta.autoOptimize.autoCompact'='false','delta.enableRowTracking'='false','team'='o\\'neil')"));
	assert_null(strstr(buffer_text(&sql), "topic STRING"));
	plan.table = "main.crm.`bad name`";
	assert_int_equal(delta_create_sql(&sql, &plan, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	buffer_release(&sql);
}

/* A table of a whole layout, as columns for table_of_types; more is appended. */
static char *
layout_columns(enum layout layout, const char *more)
{
	struct buffer b = BUFFER_INIT;

	for (int i = 0; i < EVENT_COLUMN_COUNT; i++)
		if (event_columns[i].layout <= layout)
			buffer_append_format(&b, "%s%s:%s", i > 0 ? ";" : "", event_columns[i].name, event_columns[i].type);
	buffer_append_text(&b, more);
	return buffer_detach(&b);
}

static void
test_check(void **state)
{
	static const struct {
		const char *name, *columns; /* columns: NULL: the layout's */
		enum layout has, wants;
		size_t misfits, lacking, count;
		const char *first, *alter;
	} rows[] = {
	    {"classic as classic", "", LAYOUT_CLASSIC, LAYOUT_CLASSIC, 0, 0, 0, NULL, ""},
	    {"full as full", "", LAYOUT_FULL, LAYOUT_FULL, 0, 0, 0, NULL, ""},
	    {"classic as full", "", LAYOUT_CLASSIC, LAYOUT_FULL, 0, 7, 7, "column 'topic' (STRING) is missing: its value is left out",
		"ALTER TABLE `main`.`crm`.`t` ADD COLUMNS (topic STRING, commit_timestamp TIMESTAMP, commit_number BIGINT, "
		"commit_user STRING, transaction_key STRING, sequence_number INT, changed_json STRING);\n"},
	    {"an unknown nullable column", ";note:string", LAYOUT_FULL, LAYOUT_FULL, 0, 0, 1,
		"column 'note' (STRING) stays NULL: sfzb does not know it", ""},
	    {"an unknown column of a type Zerobus does not take", ";place:geometry(0)", LAYOUT_FULL, LAYOUT_FULL, 0, 0, 1,
		"column 'place' (GEOMETRY(0)) stays NULL: Zerobus does not take its type", ""},
	    {"an unknown NOT NULL column", ";tenant:int!", LAYOUT_FULL, LAYOUT_FULL, 1, 0, 1,
		"column 'tenant' (INT) is NOT NULL and sfzb has no value for it", ""},
	    {"another type", ";commit_number:double", LAYOUT_CLASSIC, LAYOUT_CLASSIC, 1, 0, 1,
		"column 'commit_number' has type DOUBLE but its value needs BIGINT, INT, DECIMAL(p,0) or STRING", ""},
	    {"other types that hold the values", ";commit_timestamp:bigint;sequence_number:bigint;changed_json:variant",
		LAYOUT_CLASSIC, LAYOUT_CLASSIC, 0, 0, 0, NULL, ""},
	    {"a NOT NULL column that some events leave empty", ";commit_user:string!", LAYOUT_CLASSIC, LAYOUT_CLASSIC, 0, 1, 1,
		"column 'commit_user' is NOT NULL: events without a value for it are set aside", ""},
	    {"capitals", ";TOPIC:string", LAYOUT_CLASSIC, LAYOUT_CLASSIC, 0, 0, 0, NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		char *columns = layout_columns(rows[i].has, rows[i].columns);
		struct delta_table *t = table_of_types(columns, &e);
		struct buffer alter = BUFFER_INIT;
		struct fit fit;

		assert_non_null(t);
		delta_check(t, rows[i].wants, &fit);
		if (fit.misfits != rows[i].misfits || fit.lacking != rows[i].lacking || fit.count != rows[i].count ||
		    (rows[i].first != NULL && strcmp(fit.findings[0].text, rows[i].first) != 0))
			fail_msg("%s: %zu misfits, %zu lacking, %zu in all: %s", rows[i].name, fit.misfits, fit.lacking,
			    fit.count, fit.count > 0 ? fit.findings[0].text : "");
		assert_int_equal(fit_error(&fit, t, &e), rows[i].misfits > 0 ? -1 : 0);
		delta_alter_sql(&alter, t, rows[i].wants);
		if (strcmp(buffer_text(&alter), rows[i].alter) != 0)
			fail_msg("%s: %s", rows[i].name, buffer_text(&alter));
		buffer_release(&alter);
		fit_release(&fit);
		delta_table_free(t);
		free(columns);
	}
}

static void
test_check_table(void **state)
{
	static const struct {
		const char *name, *json, *first;
		size_t misfits;
	} rows[] = {
	    {"a view", "'table_type':'VIEW'", "it is a VIEW table; Zerobus writes to MANAGED ones only", 1},
	    {"iceberg", "'table_type':'MANAGED','data_source_format':'ICEBERG'", "its format is ICEBERG; Zerobus writes to DELTA only", 1},
	    {"row tracking", "'properties':{'delta.enableRowTracking':'true'}",
		"row tracking is on (delta.enableRowTracking): Zerobus cannot open it for writing, error 1022", 1}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		char *text = memory_format("{'catalog_name':'main','schema_name':'crm','name':'t',%s,'columns':"
					   "[{'name':'event_id','type_text':'string'}]}", rows[i].json);
		struct delta_table *t;
		struct json *j;
		struct fit fit;

		for (char *p = text; *p != '\0'; p++)
			if (*p == '\'')
				*p = '"';
		j = json_parse(text_of(text), &e);
		t = delta_table_parse(j, &e);
		assert_non_null(t);
		delta_check(t, LAYOUT_CLASSIC, &fit);
		if (fit.misfits != rows[i].misfits || strcmp(fit.findings[0].text, rows[i].first) != 0)
			fail_msg("%s: %zu misfits: %s", rows[i].name, fit.misfits, fit.findings[0].text);
		fit_release(&fit);
		delta_table_free(t);
		json_free(j);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vector), cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_numbers), cmocka_unit_test(test_catalog_forms), cmocka_unit_test(test_bad_answers),
	    cmocka_unit_test(test_names), cmocka_unit_test(test_shell_names), cmocka_unit_test(test_grants), cmocka_unit_test(test_create), cmocka_unit_test(test_check),
	    cmocka_unit_test(test_check_table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
