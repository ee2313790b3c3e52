/*
 * The browser flow at the terminal: opens the address where there is a screen, prints it where there is none, and takes the
 * address that the browser ended at when it runs on another machine (over SSH).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "cli/terminal.h"
#include "commands/login.h"
#include "databricks/login_browser.h"
#include "salesforce/login_browser.h"

#define PATIENCE_MS (5 * 60 * 1000)
#define OPENER_MS 1500 /* that it may take to fail */
#define PASTED_MOST 16384

struct paste {
	struct http_callback *callback;
	int stop; /* eventfd: the answer came another way */
};

/* One line from standard input; false: it ended, or was not wanted any more. */
static bool
read_pasted(struct paste *p, struct buffer *line)
{
	struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = p->stop, .events = POLLIN}};
	char c;

	for (;;) {
		if (poll(ready, 2, -1) < 0 && errno == EINTR)
			continue;
		if (ready[1].revents != 0 || read(STDIN_FILENO, &c, 1) != 1)
			return line->len > 0 && ready[1].revents == 0;
		if (c == '\n')
			return true;
		if (line->len < PASTED_MOST)
			buffer_append_byte(line, (uint8_t)c);
	}
}

static void *
read_pastes(void *context)
{
	struct paste *p = context;
	struct buffer line = BUFFER_INIT;
	struct error e = ERROR_INIT;

	while (read_pasted(p, &line)) {
		if (line.len > 0 && http_callback_paste(p->callback, buffer_text(&line), &e) != 0)
			log_warn("login", "%s: %s", e.text, e.hint);
		buffer_clear(&line);
	}
	buffer_release_wiped(&line);
	return NULL;
}

static bool
launch(const char *const *argv)
{
	struct error e = ERROR_INIT;

	if (process_launch(argv, OPENER_MS, &e) == 0)
		return true;
	log_debug("login", "no browser: %s", e.text);
	return false;
}

/*
 * One entry of $BROWSER, a command of the shell with %s where the address goes, or nothing of the kind: then behind it. The address is
 * no part of what the shell reads.
 */
static bool
launch_entry(struct text entry, const char *url)
{
	struct buffer command = BUFFER_INIT;
	bool placed = false, opened;

	buffer_append_text(&command, "exec ");
	for (size_t i = 0; i < entry.len; i++) {
		if (entry.data[i] == '%' && i + 1 < entry.len && entry.data[i + 1] == 's') {
			buffer_append_text(&command, "\"$1\"");
			placed = true;
			i++;
		} else {
			buffer_append_byte(&command, (uint8_t)entry.data[i]);
		}
	}
	if (!placed)
		buffer_append_text(&command, " \"$1\"");
	opened = launch((const char *const[]){"sh", "-c", buffer_text(&command), "sh", url, NULL});
	buffer_release(&command);
	return opened;
}

/* What $BROWSER names, in its order (also without a screen: an editor's remote session sets it); else what the desktop takes. */
static bool
open_in_browser(const char *url)
{
	const char *at = profile_environment("BROWSER");

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, ":");

		if (len > 0 && launch_entry(text_span(at, len), url))
			return true;
		at += len + (at[len] == ':');
	}
	if (profile_environment("DISPLAY") == NULL && profile_environment("WAYLAND_DISPLAY") == NULL)
		return false;
	return launch((const char *const[]){"xdg-open", url, NULL});
}

/* Always shown: without it the person cannot go on. */
static void
say_where(const char *url, bool is_opened, bool takes_paste)
{
	if (is_opened)
		log_info("login", "the browser shows the login page; if it does not, open: %s", url);
	else
		log_warn("login", "open this address in a browser: %s", url);
	if (takes_paste)
		log_info("login", "if that browser runs on another machine, paste the address here that it ends at");
}

/* The person's part, for both services: shows where to log in and takes a pasted address while finish waits. */
static int
login_in_browser(const struct login_options *o, const struct authorization *a,
    int (*finish)(void *context, int64_t patience_ms, struct error *e), void *context, struct error *e)
{
	bool takes_paste = o->from_stdin || terminal_can_ask();
	struct paste p = {.callback = a->callback, .stop = eventfd(0, EFD_CLOEXEC)};
	pthread_t reader;
	int rc;

	say_where(a->url, !o->no_browser && open_in_browser(a->url), takes_paste);
	takes_paste = takes_paste && pthread_create(&reader, NULL, read_pastes, &p) == 0;
	rc = finish(context, PATIENCE_MS, e);
	eventfd_write(p.stop, 1);
	if (takes_paste)
		pthread_join(reader, NULL);
	close(p.stop);
	return rc;
}

struct salesforce_flow {
	struct browser_login *browser;
	struct salesforce_login *login;
	struct http_pool *pool;
};

static int
finish_salesforce(void *context, int64_t patience_ms, struct error *e)
{
	struct salesforce_flow *f = context;

	return browser_login_finish(f->browser, f->login, f->pool, patience_ms, e);
}

int
login_salesforce_browser(struct salesforce_login *l, const struct login_options *o, struct error *e)
{
	struct http_pool_options pool_options = {.http = {.ca_file = l->ca_file}};
	struct salesforce_flow f = {.login = l, .browser = browser_login_begin(l, o->redirect_url, e)};
	int rc;

	if (f.browser == NULL)
		return -1;
	f.pool = http_pool_new(&pool_options);
	rc = login_in_browser(o, browser_login_flow(f.browser), finish_salesforce, &f, e);
	http_pool_free(f.pool);
	browser_login_free(f.browser);
	return rc;
}

struct databricks_flow {
	struct databricks_browser *browser;
	struct databricks_config *config;
	struct http_pool *pool;
};

static int
finish_databricks(void *context, int64_t patience_ms, struct error *e)
{
	struct databricks_flow *f = context;

	return databricks_browser_finish(f->browser, f->config, f->pool, patience_ms, e);
}

int
login_databricks_browser(struct databricks_config *c, const struct login_options *o, struct error *e)
{
	struct http_pool_options pool_options = {.http = {.ca_file = c->ca_file}};
	struct databricks_flow f = {.config = c};
	/* the option's default is the other service's */
	bool is_own = o->redirect_url != NULL && strcmp(o->redirect_url, SALESFORCE_REDIRECT_URL) != 0;
	int rc = -1;

	f.pool = http_pool_new(&pool_options);
	f.browser = databricks_browser_begin(c, f.pool, is_own ? o->redirect_url : NULL, e);
	if (f.browser != NULL)
		rc = login_in_browser(o, databricks_browser_flow(f.browser), finish_databricks, &f, e);
	databricks_browser_free(f.browser);
	http_pool_free(f.pool);
	return rc;
}
