/* Metrics as Prometheus reads them, readiness, and what goes to the service manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/notify.h"
#include "stream/metrics.h"

static void
test_text(void **state)
{
	struct engine_statistics s = {.received = 7, .stored = 5, .oldest_unacked_ms = 1500, .last_event_ms = 9000};
	struct metrics_extra extra = {.now_wall_ms = 10000, .delivery_remaining = -1, .delivery_max = -1};
	struct buffer b = BUFFER_INIT;
	char *text;

	(void)state;
	s.retries[RETRY_SINK_SILENT] = 3;
	metrics_write(&b, &s, &extra);
	text = buffer_text(&b);
	assert_non_null(strstr(text, "\nsfzb_events_received_total 7\n"));
	assert_non_null(strstr(text, "\nsfzb_rows_stored_total 5\n"));
	assert_non_null(strstr(text, "\nsfzb_oldest_unacknowledged_seconds 1.500\n"));
	assert_non_null(strstr(text, "\nsfzb_received_lag_seconds 1.000\n"));
	assert_non_null(strstr(text, "\nsfzb_retries_total{reason=\"sink-silent\"} 3\n"));
	assert_non_null(strstr(text, "# TYPE sfzb_retries_total counter\n"));
	/* nothing is known of these yet: no value is better than a wrong one */
	assert_null(strstr(text, "sfzb_stored_lag_seconds"));
	assert_null(strstr(text, "sfzb_delivery_quota"));
	for (const struct metric *m = metrics_list; m->name != NULL; m++) {
		assert_int_equal(strncmp(m->name, "sfzb_", 5), 0);
		/* by convention: counters end in _total, and only they do */
		assert_int_equal(strcmp(m->kind, "counter") == 0, text_ends(text_of(m->name), "_total"));
	}
	buffer_release(&b);
}

/* An acknowledged position and a stored one lag each for itself; neither does in a quiet topic. */
static void
test_lag(void **state)
{
	static const struct {
		const char *name;
		struct engine_statistics s;
		int64_t acked_wall_ms, stored_wall_ms;
		const char *acked, *stored; /* NULL: not written */
	} rows[] = {
	    {"all is stored, long ago", {.sources = 1, .sources_open = 1, .acked_event_ms = 1000, .stored_event_ms = 1000}, 0, 0,
		"0.000", "0.000"},
	    {"acknowledged and not stored", {.sources = 1, .sources_open = 1, .acked_event_ms = 90000, .stored_event_ms = 70000,
		.sources_unstored = 1}, 0, 0, "0.000", "30.000"},
	    {"in flight", {.sources = 1, .sources_open = 1, .acked_event_ms = 90000, .stored_event_ms = 70000,
		.sources_unstored = 1, .in_flight_rows = 3}, 0, 0, "10.000", "30.000"},
	    {"in flight, nothing known", {.sources = 1, .sources_open = 1, .in_flight_rows = 3}, 0, 0, NULL, NULL},
	    {"not subscribed, and had all a moment ago", {.sources = 2, .sources_open = 1, .acked_event_ms = 1000,
		.stored_event_ms = 1000}, 95000, 94000, "5.000", "6.000"},
	    {"not subscribed, by a keepalive", {.sources = 1}, 95000, 95000, "5.000", "5.000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct metrics_extra extra = {.now_wall_ms = 100000, .acked_wall_ms = rows[i].acked_wall_ms,
			.stored_wall_ms = rows[i].stored_wall_ms};
		struct buffer b = BUFFER_INIT;
		const char *names[] = {"\nsfzb_acknowledged_lag_seconds ", "\nsfzb_stored_lag_seconds "};
		const char *wanted[] = {rows[i].acked, rows[i].stored};

		metrics_write(&b, &rows[i].s, &extra);
		for (int k = 0; k < 2; k++) {
			const char *at = strstr(buffer_text(&b), names[k]);

			if ((at == NULL) != (wanted[k] == NULL) ||
			    (at != NULL && strncmp(at + strlen(names[k]), wanted[k], strlen(wanted[k])) != 0))
				fail_msg("%s: %.50s, wanted %s", rows[i].name, at != NULL ? at + 1 : "nothing", wanted[k]);
		}
		buffer_release(&b);
	}
	{
		struct metrics_extra extra = {.now_wall_ms = 100000};
		struct engine_statistics s = {.sources = 1, .sources_open = 1, .sources_unstored = 1};

		metrics_note(&extra, &s);
		assert_true(extra.acked_wall_ms == 100000 && extra.stored_wall_ms == 0);
		s.sources_unstored = 0;
		metrics_note(&extra, &s);
		assert_true(extra.stored_wall_ms == 100000);
		s.in_flight_rows = 1;
		extra.now_wall_ms = 200000;
		metrics_note(&extra, &s);
		assert_true(extra.acked_wall_ms == 100000 && extra.stored_wall_ms == 100000);
	}
}

static void
test_ready(void **state)
{
	static const struct {
		const char *name;
		struct engine_statistics s;
		bool ready;
	} rows[] = {
	    {"all open", {.sources = 2, .sources_open = 2, .sinks = 1, .sinks_open = 1}, true},
	    {"a topic is not", {.sources = 2, .sources_open = 1, .sinks = 1, .sinks_open = 1}, false},
	    {"no row yet", {.sources = 1, .sources_open = 1, .sinks = 1}, true},
	    {"rows and no stream", {.sources = 1, .sources_open = 1, .sinks = 1, .in_flight_rows = 4}, false},
	    {"stopping", {.sources = 1, .sources_open = 1, .stopping = true}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer b = BUFFER_INIT;

		if (metrics_ready(&b, &rows[i].s) != rows[i].ready)
			fail_msg("%s: %s", rows[i].name, buffer_text(&b));
		assert_true(b.len > 0);
		buffer_release(&b);
	}
}

static void
test_notify(void **state)
{
	char directory[] = "/tmp/sfzb-notify-XXXXXX", got[64] = "";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", directory);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	notify_init();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_int_equal(notify_watchdog_ms(), 1500);
	notify_send("READY=1\nSTATUS=%d topics", 2);
	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), 23);
	assert_string_equal(got, "READY=1\nSTATUS=2 topics");
	close(fd);
	unlink(a.sun_path);
	rmdir(directory);
	notify_send("STOPPING=1"); /* nobody listens any more: no harm */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_lag),
	    cmocka_unit_test(test_ready),
	    cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
