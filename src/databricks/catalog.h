/*
 * Unity Catalog and warehouses: what is there, asked of the workspace (wire/databricks-http.md §5). Blocking.
 */
#ifndef SFZB_DATABRICKS_CATALOG_H
#define SFZB_DATABRICKS_CATALOG_H

#include "databricks/session.h"
#include "databricks/table.h"

/*
 * A table as the catalog describes it. name: "main.crm.events", parts quoted by backticks or not. ERR_NOT_FOUND says
 * which part is missing; ERR_PERMISSION, ERR_REFUSED (an answer that is no table).
 */
struct delta_table *catalog_get_table(struct databricks_session *s, const char *name, struct error *e);

/* 1: there is one; 0: there is none, or none that may be seen; -1: error. Names unquoted. */
int catalog_has_catalog(struct databricks_session *s, const char *catalog, struct error *e);
int catalog_has_schema(struct databricks_session *s, const char *catalog, const char *schema,
    struct error *e);

/*
 * The configured warehouse; else the only one that runs; else the only one. ERR_CONFIG lists them when it is not
 * clear which, ERR_NOT_FOUND when there is none. No request when one is configured. out has WAREHOUSE_ID_SIZE bytes.
 */
int catalog_pick_warehouse(struct databricks_session *s, char *out, struct error *e);

#endif
