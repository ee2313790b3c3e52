#include "databricks/sink_columns.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

#define PATIENCE_MS 5000

struct sink_columns {
	struct loop *loop;
	struct sink_columns_source source;
	char *table;
	struct worker *worker; /* from the first question on */
	struct loop_timer patience;
	sink_columns_done *done; /* NULL: nobody waits */
	void *context;
	/* the worker's, while a question is under way */
	bool asking, freeing;
	struct delta_table *answer;
	int rc;
	struct error why;
};

struct sink_columns *
sink_columns_new(struct loop *l, const struct sink_columns_source *source, const char *table)
{
	struct sink_columns *c = memory_zero(1, sizeof(*c));

	c->loop = l;
	c->source = *source;
	c->table = memory_strdup(table);
	return c;
}

void
sink_columns_forget(struct sink_columns *c)
{
	c->done = NULL;
	loop_timer_stop(c->loop, &c->patience);
}

static void
tell(struct sink_columns *c, const struct delta_table *t)
{
	sink_columns_done *done = c->done;

	sink_columns_forget(c);
	if (done != NULL)
		done(c->context, t);
}

static void
ask(void *context)
{
	struct sink_columns *c = context;

	error_clear(&c->why);
	c->rc = c->source.get(c->source.context, c->table, &c->answer, &c->why);
}

static void
take_answer(void *context)
{
	struct sink_columns *c = context;
	struct delta_table *t = c->answer;

	c->asking = false;
	c->answer = NULL;
	if (c->freeing || c->rc != 0) {
		if (!c->freeing)
			log_debug("sink", "cannot ask for the columns of table '%s': %s", c->table, c->why.text);
		delta_table_free(t);
		t = NULL;
	}
	if (!c->freeing)
		tell(c, t);
	delta_table_free(t);
}

static void
lose_patience(void *context)
{
	struct sink_columns *c = context;

	log_debug("sink", "the catalog does not say what columns table '%s' has; going on with those known", c->table);
	tell(c, NULL);
}

void
sink_columns_ask(struct sink_columns *c, sink_columns_done *done, void *context)
{
	c->done = done;
	c->context = context;
	loop_timer_start(c->loop, &c->patience, PATIENCE_MS, lose_patience, c);
	if (c->asking)
		return; /* the answer to the last question does as well */
	c->asking = true;
	if (c->worker == NULL)
		c->worker = worker_new(c->loop, "columns");
	worker_submit(c->worker, ask, take_answer, c);
}

void
sink_columns_free(struct sink_columns *c)
{
	if (c == NULL)
		return;
	c->freeing = true;
	sink_columns_forget(c);
	worker_free(c->worker);
	delta_table_free(c->answer);
	free(c->table);
	free(c);
}
