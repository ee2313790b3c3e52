/*
 * A scripted workspace for tests of what talks to one: a web server, and a session with a service principal or a personal token.
 * A program's group of tests runs between databricks_web_setup and _teardown.
 */
#ifndef SFZB_TESTS_DATABRICKS_WEB_H
#define SFZB_TESTS_DATABRICKS_WEB_H

#include <string.h>

#include "databricks/session.h"
#include "fake_web.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SCRIPT(rows) fake_web_script(&web, rows, COUNT(rows))

static struct fake_web web;

static inline int
databricks_web_setup(void **state)
{
	(void)state;
	return fake_web_init(&web);
}

static inline int
databricks_web_teardown(void **state)
{
	(void)state;
	fake_web_release(&web);
	return 0;
}

static inline struct databricks_session *
new_session(bool pat)
{
	struct databricks_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep,
	    .sleep_context = &web, .seed = 1};
	struct databricks_config c;
	struct databricks_session *s;

	databricks_config_init(&c);
	c.method = pat ? DATABRICKS_TOKEN : DATABRICKS_M2M;
	strcpy(c.host.url, web.url);
	strcpy(c.workspace_id, "1234567890123456");
	strcpy(c.warehouse_id, "abc123");
	c.client_id = strdup("client");
	c.ca_file = strdup(web.tls.ca_file);
	secret_set(&c.client_secret, text_of("s3cret"));
	secret_set(&c.token, text_of("dapi-token"));
	s = databricks_session_new(&c, &o);
	databricks_config_release(&c);
	return s;
}

#endif
