/*
 * Databricks hosts in every form people have them: workspace URLs as copied from a browser, Zerobus
 * endpoints, SQL warehouse paths. Works out workspace id, region and cloud where the name tells them
 * (wire/databricks-http.md §3, §4; user-needs 31). No network.
 */
#ifndef SFZB_DATABRICKS_HOST_H
#define SFZB_DATABRICKS_HOST_H

#include <stdbool.h>

#include "base/error.h"

/* Cloud, its name, suffix of workspace hosts (without the leading dot). */
#define CLOUDS(X)                                                                                  \
	X(UNKNOWN, "", "")                                                                         \
	X(AWS, "aws", "cloud.databricks.com")                                                      \
	X(AWS_GOV, "aws-gov", "cloud.databricks.us")                                               \
	X(AZURE, "azure", "azuredatabricks.net")                                                   \
	X(AZURE_US, "azure-us", "databricks.azure.us")                                             \
	X(AZURE_CN, "azure-cn", "databricks.azure.cn")                                             \
	X(GCP, "gcp", "gcp.databricks.com")

enum cloud {
#define X(name, text, suffix) CLOUD_##name,
	CLOUDS(X)
#undef X
	    CLOUD_COUNT
};
const char *cloud_name(enum cloud c);
enum cloud cloud_parse(const char *name); /* "AWS", "azure" …; CLOUD_UNKNOWN for others */

#define WORKSPACE_ID_SIZE 24
#define REGION_SIZE 40

struct databricks_host {
	char url[300]; /* "https://adb-….azuredatabricks.net", no slash at the end */
	enum cloud cloud;
	char workspace_id[WORKSPACE_ID_SIZE]; /* digits; "" when the name does not tell */
	char region[REGION_SIZE];	      /* "" when the name does not tell */
};
/*
 * A workspace: with or without scheme, with a path, "?o=1234". ERR_CONFIG for what is something else: an account
 * console, a Zerobus endpoint, no host at all.
 */
int databricks_host_parse(struct databricks_host *h, const char *given, struct error *e);

struct databricks_endpoint {
	char target[300]; /* as rpc/channel.h takes it: "host:port"; "http://…" for plain text on loopback */
	enum cloud cloud;
	char workspace_id[WORKSPACE_ID_SIZE]; /* the first label when it is a number, else "" */
	char region[REGION_SIZE];
};
/* A Zerobus endpoint, with or without scheme and port (443). ERR_CONFIG for a workspace URL. */
int databricks_endpoint_parse(struct databricks_endpoint *x, const char *given, struct error *e);
/* "<workspace-id>.zerobus.<region>.<suffix>:443". ERR_CONFIG when one is missing: the text says which. */
int databricks_endpoint_build(struct databricks_endpoint *x, const char *workspace_id, const char *region,
    enum cloud cloud, struct error *e);

/*
 * Warehouse id of "abc123", "/sql/1.0/warehouses/abc123", a whole URL of it (the browser's too), or a JDBC URL with
 * httpPath. out has WAREHOUSE_ID_SIZE bytes. ERR_CONFIG otherwise.
 */
#define WAREHOUSE_ID_SIZE 65
int databricks_warehouse_parse(char *out, const char *given, struct error *e);

#endif
