/* emulator/sql: statements in Databricks' dialect on a small lakehouse, with the rows or the error that they give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "emulator/lakehouse.h"
#include "emulator/sql.h"
#include "lakehouse_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int64_t wall_ms = 1790000000000;

static int64_t
fixed_wall(void *context)
{
	(void)context;
	return wall_ms;
}

static const struct clock fixed_clock = {.wall_ms = fixed_wall, .monotonic_ms = fixed_wall};

static const struct sql_case {
	const char *name, *statement;
	/* "column:type …" for a query whose columns matter, else NULL; then rows as JSON, one after the other; or "!CLASS SQLSTATE" */
	const char *columns, *rows;
} cases[] = {
    /* definitions */
    {"schema", "CREATE SCHEMA main.sales COMMENT 'x'", NULL, ""},
    {"schema again", "CREATE SCHEMA main.sales", NULL, "!SCHEMA_ALREADY_EXISTS 42P06"},
    {"schema again, quietly", "CREATE SCHEMA IF NOT EXISTS main.sales", NULL, ""},
    {"catalog", "CREATE CATALOG IF NOT EXISTS other", NULL, ""},
    {"table of every type",
	"CREATE TABLE IF NOT EXISTS `main`.`crm`.`all` (id BIGINT NOT NULL COMMENT 'key', t TINYINT, s SMALLINT, i INT, f FLOAT, d DOUBLE,"
	" dec DECIMAL(10,2), str STRING, vc VARCHAR(3), b BINARY, bo BOOLEAN, da DATE, ts TIMESTAMP, tn TIMESTAMP_NTZ, v VARIANT,"
	" a ARRAY<STRING>, m MAP<STRING,INT>, st STRUCT<x: INT, y: STRUCT<z: ARRAY<TIMESTAMP>>>) USING DELTA COMMENT 'all' TBLPROPERTIES ('delta.enableRowTracking'='false')",
	NULL, ""},
    {"table again", "CREATE TABLE main.crm.all (a INT)", NULL, "!TABLE_OR_VIEW_ALREADY_EXISTS 42P07"},
    {"table again, quietly", "CREATE TABLE IF NOT EXISTS main.crm.all (a INT)", NULL, ""},
    {"no such schema", "CREATE TABLE main.nope.t (a INT)", NULL, "!SCHEMA_NOT_FOUND 42704"},
    {"no such type", "CREATE TABLE main.crm.t (a WEIRD)", NULL, "!PARSE_SYNTAX_ERROR 42601"},
    {"describe", "DESCRIBE TABLE main.sales.none", NULL, "!TABLE_OR_VIEW_NOT_FOUND 42P01"},
    /* rows */
    {"insert",
	"INSERT INTO main.crm.all VALUES (1, 1, 2, 3, 0.1, 0.1, 1.5, 'it\\'s', 'abc', unbase64('AAH/'), true, '2026-11-01', '2026-11-01T10:00:00.5Z',"
	" '2026-11-01 10:00', parse_json('{\"k\":[1,null]}'), array('x','y'), from_json('{\"a\":1,\"b\":2}','map<string,int>'),"
	" from_json('{\"x\":7,\"y\":{\"z\":[1000000]}}','struct<x:int,y:struct<z:array<timestamp>>>'))",
	"num_affected_rows:bigint num_inserted_rows:bigint", "[\"1\",\"1\"]"},
    {"insert some columns", "INSERT INTO main.crm.all (id, str, i) VALUES (2, 'b', 20), (3, 'a', NULL)", NULL, "[\"2\",\"2\"]"},
    {"insert from a query", "INSERT INTO main.crm.all (id, i) SELECT id + 10, i FROM main.crm.all WHERE id = 2", NULL, "[\"1\",\"1\"]"},
    {"insert without NOT NULL", "INSERT INTO main.crm.all (i) VALUES (1)", NULL, "!DELTA_NOT_NULL_CONSTRAINT_VIOLATED 23502"},
    {"insert null into NOT NULL", "INSERT INTO main.crm.all (id) VALUES (NULL)", NULL, "!DELTA_NOT_NULL_CONSTRAINT_VIOLATED 23502"},
    {"insert too many", "INSERT INTO main.crm.all (id) VALUES (1, 2)", NULL, "!INSERT_COLUMN_ARITY_MISMATCH 21S01"},
    {"insert what is no number", "INSERT INTO main.crm.all (id) VALUES ('x')", NULL, "!CAST_INVALID_INPUT 22018"},
    {"every type comes out", "SELECT * FROM main.crm.all WHERE id = 1",
	"id:bigint t:tinyint s:smallint i:int f:float d:double dec:decimal(10,2) str:string vc:varchar(3) b:binary bo:boolean da:date ts:timestamp"
	" tn:timestamp_ntz v:variant a:array<string> m:map<string,int> st:struct<x:int,y:struct<z:array<timestamp>>>",
	"[\"1\",\"1\",\"2\",\"3\",\"0.1\",\"0.1\",\"1.50\",\"it's\",\"abc\",\"AAH/\",\"true\",\"2026-11-01\",\"2026-11-01T10:00:00.500Z\","
	"\"2026-11-01T10:00:00.000\",\"{\\\"k\\\":[1,null]}\",\"[\\\"x\\\",\\\"y\\\"]\",\"{\\\"a\\\":1,\\\"b\\\":2}\","
	"\"{\\\"x\\\":7,\\\"y\\\":{\\\"z\\\":[\\\"1970-01-01T00:00:01.000Z\\\"]}}\"]"},
    {"default names", "SELECT id FROM all WHERE id = 1", NULL, "!TABLE_OR_VIEW_NOT_FOUND 42P01"},
    /* expressions */
    {"literals", "SELECT 1, 2147483648 AS big, 'a' 'b' AS s, \"q\\n\" AS n, NULL AS z, true AS t, X'0aFF' AS x, r'\\d' AS r",
	"1:int big:bigint s:string n:string z:void t:boolean x:binary r:string",
	"[\"1\",\"2147483648\",\"ab\",\"q\\n\",null,\"true\",\"Cv8=\",\"\\\\d\"]"},
    {"arithmetic", "SELECT 7 / 2, 7 div 2, 7 % 4, -3 + 1, 2 * 2.5, 1 - -1", NULL, "[\"3.5\",\"3\",\"3\",\"-2\",\"5.0\",\"2\"]"},
    {"logic", "SELECT 1 = 1 AND NOT false, NULL <=> NULL, 1 <> 2, 3 BETWEEN 1 AND 2, 'a' IN ('b','a'), NULL IS NULL", NULL,
	"[\"true\",\"true\",\"true\",\"false\",\"true\",\"true\"]"},
    {"like is with case", "SELECT 'Abc' LIKE 'a%', 'Abc' ILIKE 'a%', 'a_c' LIKE 'a\\\\_c', 'abc' LIKE 'a\\\\_c', 'abc' RLIKE '^a.c$'", NULL,
	"[\"false\",\"true\",\"true\",\"false\",\"true\"]"},
    {"strings and numbers compare", "SELECT '10' > 9, '2026-11-02' > DATE '2026-11-01', 1 = '1'", NULL, "[\"true\",\"true\",\"true\"]"},
    {"case", "SELECT CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END, CASE 3 WHEN 3 THEN 'x' END, if(true, 1, 2)", NULL, "[\"b\",\"x\",\"1\"]"},
    {"casts", "SELECT CAST('12' AS BIGINT), '1.5'::double, CAST(1 AS STRING), CAST(1 AS BOOLEAN), CAST('2026-11-01' AS DATE), CAST(1.005 AS DECIMAL(5,2)), try_cast('x' AS INT)",
	NULL, "[\"12\",\"1.5\",\"1\",\"true\",\"2026-11-01\",\"1.01\",null]"},
    {"cast that fails", "SELECT CAST('x' AS INT)", NULL, "!CAST_INVALID_INPUT 22018"},
    {"a byte too large", "SELECT CAST(300 AS TINYINT)", NULL, "!CAST_INVALID_INPUT 22018"},
    {"time", "SELECT unix_micros(ts), unix_millis(ts), timestamp_micros(1500000), timestamp_millis(1500), from_unixtime(0), date_format(ts, 'yyyy/MM/dd HH:mm'), year(ts), date_trunc('HOUR', ts) FROM main.crm.all WHERE id = 1",
	NULL, "[\"1793527200500000\",\"1793527200500\",\"1970-01-01T00:00:01.500Z\",\"1970-01-01T00:00:01.500Z\",\"1970-01-01 00:00:00\",\"2026/11/01 10:00\",\"2026\",\"2026-11-01T10:00:00.000Z\"]"},
    {"before 1970", "SELECT unix_millis(timestamp_micros(-1)), timestamp_micros(-1), CAST(timestamp_micros(-1) AS DATE)", NULL,
	"[\"-1\",\"1969-12-31T23:59:59.999999Z\",\"1969-12-31\"]"},
    {"intervals", "SELECT TIMESTAMP '2026-11-01 00:00:00' - INTERVAL 1 HOUR, DATE '2026-11-01' + INTERVAL '2' DAY, current_timestamp() > TIMESTAMP '2020-01-01'", NULL,
	"[\"2026-10-31T23:00:00.000Z\",\"2026-11-03\",\"true\"]"},
    {"bytes", "SELECT hex(b), base64(b), hex(255), hex('a'), base64('hi') FROM main.crm.all WHERE id = 1", NULL, "[\"0001FF\",\"AAH/\",\"FF\",\"61\",\"aGk=\"]"},
    {"arrays", "SELECT size(a), a[1], array_contains(a, 'x'), array_contains(a, 'z'), array_join(a, '-'), array_distinct(array(1,1,2)), element_at(a, -1), array_contains(from_json('[1,2]','array<int>'), 2) FROM main.crm.all WHERE id = 1",
	NULL, "[\"2\",\"y\",\"true\",\"false\",\"x-y\",\"[1,2]\",\"y\",\"true\"]"},
    {"structs and maps", "SELECT st.x, st.y.z, all.st.y.z[0], m['b'], size(m), map_keys(m), v:k[0] FROM main.crm.all WHERE id = 1", NULL,
	"[\"7\",\"[\\\"1970-01-01T00:00:01.000Z\\\"]\",\"1970-01-01T00:00:01.000Z\",\"2\",\"2\",\"[\\\"a\\\",\\\"b\\\"]\",\"1\"]"},
    {"json", "SELECT to_json(st), to_json(a), get_json_object('{\"a\":{\"b\":[1,{\"c\":\"x\"}]}}', '$.a.b[1].c'), get_json_object('{\"a\":1}', '$.b'), parse_json('{\"q\":\"w\"}'):q FROM main.crm.all WHERE id = 1",
	NULL, "[\"{\\\"x\\\":7,\\\"y\\\":{\\\"z\\\":[\\\"1970-01-01T00:00:01.000Z\\\"]}}\",\"[\\\"x\\\",\\\"y\\\"]\",\"x\",null,\"\\\"w\\\"\"]"},
    {"strings", "SELECT upper('a'), concat('a', 1, 'b'), 'a' || 1, substring('hello', 2, 3), left('abc', 2), trim(' a '), length('äb'), split('a,b', ','), coalesce(NULL, 'z'), concat_ws('-', 'a', NULL, 'b')", NULL,
	"[\"A\",\"a1b\",\"a1\",\"ell\",\"ab\",\"a\",\"2\",\"[\\\"a\\\",\\\"b\\\"]\",\"z\",\"a-b\"]"},
    /* queries */
    {"aggregates", "SELECT count(*), count(i), sum(i), avg(i), min(id), max(id), count_if(i IS NULL), max_by(str, id), any_value(1) FROM main.crm.all WHERE id < 10", NULL,
	"[\"3\",\"2\",\"23\",\"11.5\",\"1\",\"3\",\"1\",\"a\",\"1\"]"},
    {"count_if of nothing", "SELECT count_if(true) FROM main.crm.all WHERE false", NULL, "[\"0\"]"},
    {"group, having, order", "SELECT str IS NULL AS n, count(*) AS c FROM main.crm.all GROUP BY n HAVING c > 0 ORDER BY c DESC", NULL, "[\"false\",\"3\"][\"true\",\"1\"]"},
    {"group by all", "SELECT i, count(*) FROM main.crm.all WHERE i = 20 GROUP BY ALL", NULL, "[\"20\",\"2\"]"},
    {"nulls first and last", "SELECT id FROM main.crm.all ORDER BY i, id", NULL, "[\"3\"][\"1\"][\"2\"][\"12\"]"},
    {"limit and offset", "SELECT id FROM main.crm.all ORDER BY id LIMIT 1 OFFSET 1", NULL, "[\"2\"]"},
    {"join", "SELECT a.id, b.id FROM main.crm.all a JOIN main.crm.all AS b ON a.i = b.i AND a.id < b.id", NULL, "[\"2\",\"12\"]"},
    {"left join using", "SELECT * FROM (SELECT 1 AS k, 'l' AS x) l LEFT JOIN (SELECT 2 AS k, 'r' AS y) r USING (k)", "k:int x:string y:string", "[\"1\",\"l\",null]"},
    {"qualified star", "SELECT b.* FROM (SELECT 1 AS p) a, (SELECT 2 AS q, 3 AS r) b", "q:int r:int", "[\"2\",\"3\"]"},
    {"star except", "SELECT * EXCEPT (q) FROM (SELECT 2 AS q, 3 AS r)", "r:int", "[\"3\"]"},
    {"cte", "WITH x AS (SELECT id, i FROM main.crm.all), y AS (SELECT max(i) AS m FROM x) SELECT x.id FROM x JOIN y ON x.i = y.m ORDER BY 1", NULL, "[\"2\"][\"12\"]"},
    {"union", "SELECT 1 AS a UNION ALL SELECT 2 UNION SELECT 2 ORDER BY a DESC", NULL, "[\"2\"][\"1\"]"},
    {"values", "SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(n, s) WHERE n > 1", NULL, "[\"2\",\"b\"]"},
    {"values in brackets", "SELECT s FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s) WHERE n > 1", NULL, "[\"b\"]"},
    {"subqueries", "SELECT (SELECT count(*) FROM main.crm.all), EXISTS (SELECT 1 FROM main.crm.all WHERE id = 2), 12 IN (SELECT id FROM main.crm.all)", NULL, "[\"4\",\"true\",\"true\"]"},
    {"correlated", "SELECT id FROM main.crm.all o WHERE EXISTS (SELECT 1 FROM main.crm.all n WHERE n.i = o.i AND n.id <> o.id) ORDER BY id", NULL, "[\"2\"][\"12\"]"},
    {"window", "SELECT id, row_number() OVER (PARTITION BY i ORDER BY id DESC) AS rn FROM main.crm.all WHERE i = 20 ORDER BY id", NULL, "[\"2\",\"2\"][\"12\",\"1\"]"},
    {"qualify", "SELECT id, row_number() OVER (PARTITION BY i ORDER BY id DESC) AS rn FROM main.crm.all WHERE i = 20 QUALIFY rn = 1", NULL, "[\"12\",\"1\"]"},
    {"explode", "SELECT id, explode(a) AS x FROM main.crm.all", "id:bigint x:string", "[\"1\",\"x\"][\"1\",\"y\"]"},
    {"lateral view", "SELECT x FROM main.crm.all LATERAL VIEW explode(a) e AS x ORDER BY x DESC", NULL, "[\"y\"][\"x\"]"},
    {"distinct", "SELECT DISTINCT i FROM main.crm.all WHERE i IS NOT NULL ORDER BY i", NULL, "[\"3\"][\"20\"]"},
    {"comments", "SELECT /* a */ 1 -- end", NULL, "[\"1\"]"},
    {"end of statement", "SELECT 1;", NULL, "[\"1\"]"},
    {"parameters", "SELECT :s, :n + 1, :z IS NULL, array_contains(from_json(:ids, 'array<string>'), 'b'), :t", NULL, "[\"it's\",\"42\",\"true\",\"true\",\"2026-11-01T00:00:00.000Z\"]"},
    {"a null byte stays", "SELECT octet_length('a\\0b'), hex('a\\0b')", NULL, "[\"3\",\"610062\"]"},
    /* changes */
    {"update", "UPDATE main.crm.all SET str = 'new', i = i + 1 WHERE id = 2", NULL, "[\"1\"]"},
    {"updated", "SELECT str, i FROM main.crm.all WHERE id = 2", NULL, "[\"new\",\"21\"]"},
    {"delete", "DELETE FROM main.crm.all WHERE id > 10", NULL, "[\"1\"]"},
    {"add columns", "ALTER TABLE main.crm.all ADD COLUMNS (extra STRING COMMENT 'e', n2 BIGINT)", NULL, ""},
    {"add again", "ALTER TABLE main.crm.all ADD COLUMN extra STRING", NULL, "!FIELD_ALREADY_EXISTS 42710"},
    {"rename column", "ALTER TABLE main.crm.all RENAME COLUMN extra TO more", NULL, ""},
    {"widen", "ALTER TABLE main.crm.all ALTER COLUMN i TYPE BIGINT", NULL, ""},
    {"narrow", "ALTER TABLE main.crm.all ALTER COLUMN i TYPE INT", NULL, "!DELTA_OPERATION_NOT_ALLOWED 0AKDC"},
    {"drop columns", "ALTER TABLE main.crm.all DROP COLUMNS (n2, v)", NULL, ""},
    {"not null over nulls", "ALTER TABLE main.crm.all ALTER COLUMN more SET NOT NULL", NULL, "!DELTA_OPERATION_NOT_ALLOWED 0AKDC"},
    {"properties", "ALTER TABLE main.crm.all SET TBLPROPERTIES ('a'='1', 'b'='2')", NULL, ""},
    {"one property less", "ALTER TABLE main.crm.all UNSET TBLPROPERTIES ('a')", NULL, ""},
    {"show properties", "SHOW TBLPROPERTIES main.crm.all", NULL, "[\"delta.enableRowTracking\",\"false\"][\"b\",\"2\"]"},
    {"after the changes", "SELECT more, i FROM main.crm.all WHERE id = 2", "more:string i:bigint", "[null,\"21\"]"},
    {"dropped", "SELECT v FROM main.crm.all", NULL, "!UNRESOLVED_COLUMN.WITH_SUGGESTION 42703"},
    {"create as", "CREATE TABLE main.sales.c AS SELECT id, str FROM main.crm.all WHERE id < 3", NULL, ""},
    {"created as", "SELECT * FROM main.sales.c ORDER BY id", "id:bigint str:string", "[\"1\",\"it's\"][\"2\",\"new\"]"},
    {"describe", "DESCRIBE TABLE main.sales.c", NULL, "[\"id\",\"bigint\",null][\"str\",\"string\",null]"},
    {"show tables", "SHOW TABLES IN main.sales", NULL, "[\"sales\",\"c\",\"false\"]"},
    {"show schemas", "SHOW SCHEMAS IN main LIKE 's*|c*'", NULL, "[\"crm\"][\"sales\"]"},
    {"show catalogs", "SHOW CATALOGS", NULL, "[\"main\"][\"other\"]"},
    {"show columns", "SHOW COLUMNS IN main.sales.c", NULL, "[\"id\"][\"str\"]"},
    {"rename table", "ALTER TABLE main.sales.c RENAME TO main.sales.d", NULL, ""},
    {"renamed", "SELECT count(*) FROM main.sales.d", NULL, "[\"2\"]"},
    {"grant", "GRANT SELECT, MODIFY ON TABLE main.sales.d TO `someone`", NULL, ""},
    {"show grants", "SHOW GRANTS ON TABLE main.sales.d", NULL, "[\"someone\",\"SELECT\",\"TABLE\",\"main.sales.d\"][\"someone\",\"MODIFY\",\"TABLE\",\"main.sales.d\"]"},
    {"revoke", "REVOKE SELECT ON TABLE main.sales.d FROM `someone`", NULL, ""},
    {"revoked", "SELECT * FROM main.sales.d", NULL, "!INSUFFICIENT_PERMISSIONS 42501"},
    {"drop schema that holds something", "DROP SCHEMA main.sales", NULL, "!SCHEMA_NOT_EMPTY 2BP01"},
    {"drop table", "DROP TABLE main.sales.d", NULL, ""},
    {"drop again", "DROP TABLE main.sales.d", NULL, "!TABLE_OR_VIEW_NOT_FOUND 42P01"},
    {"drop again, quietly", "DROP TABLE IF EXISTS main.sales.d", NULL, ""},
    {"drop schema", "DROP SCHEMA main.sales CASCADE", NULL, ""},
    /* errors */
    {"no such column", "SELECT idd FROM main.crm.all", NULL, "!UNRESOLVED_COLUMN.WITH_SUGGESTION 42703"},
    {"no such function", "SELECT frobnicate(1)", NULL, "!UNRESOLVED_ROUTINE 42883"},
    {"ambiguous", "SELECT id FROM main.crm.all a, main.crm.all b", NULL, "!AMBIGUOUS_REFERENCE 42704"},
    {"syntax", "SELECT FROM WHERE", NULL, "!PARSE_SYNTAX_ERROR 42601"},
    {"stray words", "SELECT 1 2", NULL, "!PARSE_SYNTAX_ERROR 42601"},
    {"not closed", "SELECT 'a", NULL, "!PARSE_SYNTAX_ERROR 42601"},
    {"empty", "  -- nothing", NULL, "!PARSE_EMPTY_STATEMENT 42617"},
    {"unbound", "SELECT :nope", NULL, "!UNBOUND_SQL_PARAMETER 42P02"},
    {"an alias is no column in WHERE", "SELECT id AS k FROM main.crm.all WHERE k = 1", NULL, "!UNRESOLVED_COLUMN.WITH_SUGGESTION 42703"},
    {"SQLite's own words are none", "PRAGMA table_info(x)", NULL, "!PARSE_SYNTAX_ERROR 42601"},
};

static const struct spark_parameter parameters[] = {{"s", NULL, "it's"}, {"n", "BIGINT", "41"}, {"z", "STRING", NULL},
    {"ids", "STRING", "[\"a\",\"b\"]"}, {"t", "TIMESTAMP", "2026-11-01"}};

static bool
check(const struct sql_case *c)
{
	struct spark_request q = {
	    .statement = c->statement, .principal = "someone", .parameters = parameters, .parameter_count = COUNT(parameters)};
	struct spark_result r = {.columns = NULL};
	struct error e = ERROR_INIT;
	struct buffer columns = BUFFER_INIT;
	int rc = spark_run(lakehouse, &q, &r, &e);
	bool ok;

	for (size_t i = 0; i < r.column_count; i++) {
		buffer_append_format(&columns, "%s%s:", i ? " " : "", r.columns[i].name);
		lake_type_text(r.columns[i].type, &columns);
	}
	if (rc < 0) {
		char got[200];
		const char *end = strchr(e.text, ']');

		snprintf(got, sizeof(got), "!%.*s %s", end ? (int)(end - e.text - 1) : 0, e.text + 1, r.state);
		ok = c->rows != NULL && strcmp(got, c->rows) == 0;
	} else {
		ok = (c->rows == NULL || (c->rows[0] != '!' && strcmp(buffer_text(&r.data), c->rows) == 0)) &&
		    (c->columns == NULL || strcmp(buffer_text(&columns), c->columns) == 0);
	}
	if (!ok)
		print_message("row \"%s\": %s\n  got %s %s\n  %s\n", c->name, c->statement, buffer_text(&columns),
		    buffer_text(&r.data), rc < 0 ? e.text : "");
	buffer_release(&columns);
	spark_result_release(&r);
	return ok;
}

static void
test_statements(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		bad += !check(&cases[i]);
	assert_int_equal(bad, 0);
}

/* Rows that are stored are seen by SQL only after the delay. */
struct waiter {
	struct lake_append append;
	int done;
};

static void
note_done(struct lake_append *a, const struct error *e)
{
	struct waiter *w = (struct waiter *)a;

	__atomic_store_n(&w->done, e == NULL ? 1 : -1, __ATOMIC_RELEASE);
}

static void
append_one(struct lakehouse *l, struct lake_layout *y, int64_t value, int expected)
{
	struct lake_cell cell = {.kind = LAKE_CELL_INTEGER, .integer = value};
	struct waiter w = {.append = {.layout = y, .cells = &cell, .rows = 1, .done = note_done}};

	lakehouse_append(l, &w.append);
	while (__atomic_load_n(&w.done, __ATOMIC_ACQUIRE) == 0)
		usleep(100);
	assert_int_equal(w.done, expected);
}

static void
assert_count(struct lakehouse *l, const char *rows)
{
	struct spark_request q = {.statement = "SELECT count(*) FROM main.crm.v"};
	struct spark_result r = {.columns = NULL};
	struct error e = ERROR_INIT;

	assert_int_equal(spark_run(l, &q, &r, &e), 0);
	assert_string_equal(buffer_text(&r.data), rows);
	spark_result_release(&r);
}

static void
run(struct lakehouse *l, const char *statement)
{
	struct spark_request q = {.statement = statement};
	struct spark_result r = {.columns = NULL};
	struct error e = ERROR_INIT;

	if (spark_run(l, &q, &r, &e) < 0)
		fail_msg("%s: %s", statement, e.text);
	spark_result_release(&r);
}

static void
test_visibility_and_changes(void **state)
{
	char *path = memory_format("%s/delayed.db", directory);
	struct lakehouse_options o = {.path = path, .visibility_delay_ms = 1000, .clock = &fixed_clock};
	struct error e = ERROR_INIT;
	struct lakehouse *l = lakehouse_open(&o, &e);
	const struct lake_name name = {"main", "crm", "v"};
	struct lake_table *t;
	struct lake_layout *y;
	const int columns[] = {0};

	(void)state;
	assert_non_null(l);
	run(l, "CREATE TABLE main.crm.v (a BIGINT)");
	t = lakehouse_find(l, name);
	y = lake_layout_new(l, t, columns, 1);
	append_one(l, y, 1, 1);
	append_one(l, y, 2, 1);
	assert_count(l, "[\"0\"]");
	run(l, "INSERT INTO main.crm.v VALUES (3)"); /* by SQL: seen at once */
	assert_count(l, "[\"1\"]");
	wall_ms += 1001;
	append_one(l, y, 4, 1);
	assert_count(l, "[\"3\"]");
	wall_ms += 1001;
	assert_count(l, "[\"4\"]");
	/* a column more does not disturb the stream, its own column gone ends it */
	run(l, "ALTER TABLE main.crm.v ADD COLUMNS (b STRING)");
	append_one(l, y, 5, 1);
	run(l, "ALTER TABLE main.crm.v DROP COLUMN a");
	append_one(l, y, 6, -1);
	lake_layout_free(y);
	lake_table_unref(t);
	lakehouse_close(l);
	/* and all is there again */
	wall_ms += 1001;
	l = lakehouse_open(&o, &e);
	assert_non_null(l);
	assert_count(l, "[\"5\"]");
	lakehouse_close(l);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_statements), cmocka_unit_test(test_visibility_and_changes)};

	return cmocka_run_group_tests(tests, lakehouse_set_up, lakehouse_tear_down);
}
