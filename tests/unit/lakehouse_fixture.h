/* For tests of the emulator's Databricks half: an empty lakehouse in a directory of its own, for all tests of a program. */
#ifndef SFZB_TESTS_LAKEHOUSE_FIXTURE_H
#define SFZB_TESTS_LAKEHOUSE_FIXTURE_H

#include <stdlib.h>

#include "base/memory.h"
#include "emulator/lakehouse.h"
#include "emulator/sql.h"
#include "scratch.h"

static struct lakehouse *lakehouse;
static char directory[] = "/tmp/sfzb-test-lakehouse.XXXXXX";

static inline int
lakehouse_set_up(void **state)
{
	struct error e = ERROR_INIT;
	char *path;

	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	spark_set_up();
	path = memory_format("%s/lakehouse.db", directory);
	lakehouse = lakehouse_open(&(struct lakehouse_options){.path = path}, &e);
	free(path);
	return lakehouse == NULL ? -1 : 0;
}

static inline int
lakehouse_tear_down(void **state)
{
	(void)state;
	lakehouse_close(lakehouse);
	return scratch_remove(directory);
}

#endif
