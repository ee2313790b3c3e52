/*
 * What columns a table has by now, for a sink that opens a stream again: asked on a second thread, and not waited for
 * longer than a few seconds, since a catalog that does not answer must not keep rows from a service that does.
 */
#ifndef SFZB_DATABRICKS_SINK_COLUMNS_H
#define SFZB_DATABRICKS_SINK_COLUMNS_H

#include "databricks/table.h"
#include "rpc/loop.h"

/* How the catalog is asked. May block; -1 when it could not be. */
struct sink_columns_source {
	int (*get)(void *context, const char *table, struct delta_table **out, struct error *e);
	void *context;
};

struct sink_columns;

struct sink_columns *sink_columns_new(struct loop *l, const struct sink_columns_source *source, const char *table);
/* In any state; nobody is told. Waits for a question that is under way. */
void sink_columns_free(struct sink_columns *c);

/* t is for the call only; NULL: not known (in time). */
typedef void sink_columns_done(void *context, const struct delta_table *t);
/* One at a time. done is called once, later, from the loop; never after sink_columns_forget. */
void sink_columns_ask(struct sink_columns *c, sink_columns_done *done, void *context);
void sink_columns_forget(struct sink_columns *c);

#endif
