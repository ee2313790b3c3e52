/* What the files of the lakehouse share. */
#ifndef SFZB_EMULATOR_LAKEHOUSE_PRIVATE_H
#define SFZB_EMULATOR_LAKEHOUSE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>

#include "emulator/lakehouse.h"
#include "emulator/lakehouse_sqlite.h"

#define LAKEHOUSE_READERS 8

/* Rows first … last, to be seen from visible_ms on. */
struct pending_rows {
	int64_t first, last, visible_ms;
};

struct table_state {
	struct lake_table *table;
	int64_t next_row;
	struct pending_rows *pending; /* by time */
	size_t pending_count, pending_capacity;
};

struct lakehouse {
	struct lakehouse_options options;
	char *path;
	sqlite3 *db; /* the writer's; under write_lock */
	pthread_mutex_t write_lock;

	pthread_mutex_t lock; /* what follows; taken after write_lock */
	struct table_state *tables;
	size_t table_count, table_capacity;
	struct lake_namespace *namespaces;
	size_t namespace_count, namespace_capacity;
	struct lake_grant *grants;
	size_t grant_count, grant_capacity;
	sqlite3 *readers[LAKEHOUSE_READERS];
	size_t reader_count;
	uint64_t version; /* of the last change */

	pthread_mutex_t queue_lock;
	pthread_cond_t queue_ready;
	struct lake_append *first, **last;
	bool closing;
	pthread_t writer;
	bool writer_runs;
};

/* With lock held, as what follows; what is added is the lakehouse's from then on. */
struct table_state *lakehouse_state_by_id(struct lakehouse *l, int64_t id);
void lakehouse_add_table(struct lakehouse *l, struct lake_table *t, int64_t next_row);
void lakehouse_add_namespace(struct lakehouse *l, struct lake_namespace n);
struct lake_grant *lakehouse_add_grant(struct lakehouse *l, struct lake_grant g);

/* ERR_UNAVAILABLE with SQLite's words. */
int lakehouse_sqlite_error(sqlite3 *db, const char *doing, struct error *e);
int lakehouse_execute(sqlite3 *db, const char *sql, struct error *e);
struct json *lakehouse_definition(const struct lake_table *t);
void *lakehouse_writer(void *lakehouse);

/* A change of the catalog: one transaction of the writer, then of memory. */
int lakehouse_begin(struct lakehouse *l, struct error *e);
/* With rc 0: commits, and on success leaves both locks held, for memory to follow until lakehouse_end. Else rolls back, -1. */
int lakehouse_commit(struct lakehouse *l, int rc, struct error *e);
void lakehouse_end(struct lakehouse *l);
struct lake_table *lakehouse_table_from(const struct lake_definition *d, int64_t now);
int lakehouse_save_definition(struct lakehouse *l, struct lake_table *t, struct error *e);
int lakehouse_no_such_table(struct lake_name name, struct error *e);

#endif
