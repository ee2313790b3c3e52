/* The Databricks half: one workspace with a service principal, a personal access token, a warehouse and a lakehouse. */
#ifndef SFZB_EMULATOR_DATABRICKS_H
#define SFZB_EMULATOR_DATABRICKS_H

#include "emulator/emulator.h"
#include "emulator/lakehouse.h"
#include "emulator/sql_warehouse.h"
#include "emulator/tokens.h"
#include "emulator/web.h"
#include "emulator/zerobus_server.h"

#define DATABRICKS_WORKSPACE_ID "1234567890123456"
#define DATABRICKS_REGION "us-west-2"
#define WAREHOUSE_ID "e0000000000000a1"
/* Scope of a token for REST and SQL: this and the client id. */
#define DATABRICKS_API_SCOPE "api "
/* Who logs in through the browser. */
#define DATABRICKS_PERSON "ada@emulator.example"

struct databricks {
	const struct emulator *emulator;
	struct lakehouse *lakehouse;
	struct tokens *tokens, *people; /* access tokens; authorization codes and refresh tokens of persons */
	struct warehouse *warehouse;
	struct zerobus_server *zerobus;
	struct web *web;
	char *host; /* "https://localhost:1234" */
	char *client_id, *client_secret, *token;
};

extern const struct web_route workspace_routes[], workspace_admin_routes[];

/* {"error_code", "message", "details": […]} with its status, and the headers of every answer. */
void workspace_error(struct http_answer *a, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* {"error", "error_description"}, as OAuth has it. */
void workspace_oauth_error(struct http_answer *a, int status, const char *error, const char *description);
/* The headers of every answer. */
void workspace_headers(struct http_answer *a);
/* A good answer; takes the tree. */
void workspace_answer(struct http_answer *a, struct json *j);
/*
 * Checks the bearer token of a REST call. true: *principal (malloc'ed) is whose it is; false: the answer is made (401, or 403
 * for a token that is for Zerobus).
 */
bool workspace_authorize(struct databricks *d, const struct web_request *r, struct http_answer *a, char **principal);
void workspace_not_found(void *context, const struct web_request *r, struct http_answer *a);
void workspace_fault_body(void *context, const struct web_request *r, const struct fault *f, struct http_answer *a);

/* Handlers, by file. */
web_handler workspace_token_post, workspace_authorize_get, workspace_revoke_post, workspace_oauth_get, workspace_config_get, workspace_me_get;
web_handler unity_table_get, unity_table_exists_get, unity_tables_get, unity_catalogs_get, unity_catalog_get,
    unity_schemas_get, unity_schema_get, unity_table_delete;
web_handler warehouses_get, warehouse_get, warehouse_start_post, warehouse_stop_post;
web_handler statement_post, statement_get, statement_chunk_get, statement_cancel_post;
web_handler admin_tables_get, admin_rows_get;

#endif
