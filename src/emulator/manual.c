/* The manual page of sfzb-emulator as roff, made of the help texts and of the prose below. */
#include <string.h>

#include "base/roff.h"
#include "base/version.h"
#include "emulator/admin.h"
#include "emulator/options.h"

static void
section(struct buffer *out, const char *name)
{
	buffer_append_format(out, ".SH %s\n", name);
}

/* Whether the last line is a heading, behind which roff wants no paragraph mark. */
static bool
opens_section(const struct buffer *out)
{
	size_t at = out->len;

	while (at > 1 && out->data[at - 2] != '\n')
		at--;
	return at > 0 && out->len - at + 1 > 2 && memcmp(out->data + at - 1, ".S", 2) == 0;
}

static void
paragraph(struct buffer *out, const char *text)
{
	if (!opens_section(out))
		buffer_append_text(out, ".PP\n");
	roff_append(out, text_of(text));
	buffer_append_byte(out, '\n');
}

static void
item(struct buffer *out, struct text term, const char *text)
{
	buffer_append_text(out, ".TP\n\\fB");
	roff_append(out, term);
	buffer_append_text(out, "\\fR\n");
	roff_append(out, text_of(text));
	if (*text)
		buffer_append_byte(out, '\n');
}

static void
example(struct buffer *out, const char *text)
{
	buffer_append_text(out, ".PP\n.RS 4\n.nf\n");
	roff_append(out, text_of(text));
	buffer_append_text(out, ".fi\n.RE\n");
}

/* One line of a help text: "term   what it is", a heading that ends in a colon, or, far to the right, more of what it is. */
static void
help_line(struct buffer *out, const char *line, size_t len)
{
	size_t indent = strspn(line, " "), gap = indent;

	if (indent >= len)
		return;
	if (indent == 0 && line[len - 1] == ':') {
		buffer_append_text(out, ".SS ");
		roff_append(out, text_span(line, len - 1));
		buffer_append_byte(out, '\n');
		return;
	}
	if (indent > 20) {
		roff_append(out, text_span(line + indent, len - indent));
		buffer_append_byte(out, '\n');
		return;
	}
	while (gap < len && !(line[gap] == ' ' && line[gap + 1] == ' '))
		gap++;
	item(out, text_span(line + indent, gap - indent), "");
	while (gap < len && line[gap] == ' ')
		gap++;
	if (gap < len) {
		roff_append(out, text_span(line + gap, len - gap));
		buffer_append_byte(out, '\n');
	}
}

/* All lines of a help text from its first heading, or its first line, on. */
static void
help_lines(struct buffer *out, const char *text, const char *from)
{
	for (const char *at = from ? strstr(text, from) : text; *at;) {
		size_t len = strcspn(at, "\n");

		help_line(out, at, len);
		at += len + (at[len] == '\n');
	}
}

static void
write_introduction(struct buffer *out)
{
	buffer_append_text(out, ".\\\" Made by 'make docs' from the program's own texts.\n.TH SFZB\\-EMULATOR 1 \"\" \"sfzb " SFZB_VERSION
				"\" \"sfzb manual\"\n.SH NAME\nsfzb\\-emulator \\- a local Salesforce and Databricks to try everything against\n"
				".SH SYNOPSIS\n\\fBsfzb emulator\\fR [\\fIoption\\fR ...] [\\-\\- \\fIcommand\\fR ...]\n.br\n"
				"\\fBsfzb\\-emulator\\fR [\\fIoption\\fR ...] [\\-\\- \\fIcommand\\fR ...]\n");
	section(out, "DESCRIPTION");
	paragraph(out, "Serves a small Salesforce org and a Databricks workspace on loopback addresses, over TLS with an authority that it "
		       "makes, with the vendors' protocols, checks, limits and faults: for trying sfzb out, and for the tests of any client "
		       "of these services. Nothing of it needs an account or a network.");
	item(out, text_of("Salesforce"),
	    "OAuth (client credentials, password, JWT bearer, authorization code with PKCE, refresh, revoke), SOAP login, userinfo, versions, "
	    "sobjects, limits, SOQL and Tooling queries in pages; the Pub/Sub API: GetTopic, GetSchema, Subscribe, ManagedSubscribe, Publish, "
	    "PublishStream. The org has Account, Contact, Opportunity, Invoice__c and the platform event Order_Event__e; its records are created, "
	    "changed, deleted and undeleted, in transactions, now and then several in one event, now and then with a gap event. Channels: "
	    "ChangeEvents and Crm__chn (the three standard objects). Managed subscriptions: Account_Managed, Everything_Managed, "
	    "Order_Managed, Stopped_Managed.");
	item(out, text_of("Databricks"),
	    "OAuth for a service principal (plain tokens and those of one table for Zerobus) and for people (authorization code with PKCE, refresh), a personal access token, the workspace's discovery, "
	    "SCIM Me, Unity Catalog (catalogs, schemas, tables), SQL warehouses and statements with Delta's types, grants that can be revoked, and "
	    "Zerobus ingest (PROTO and JSON) with descriptors and records checked and acknowledged after they are durable. Catalog main, schemas "
	    "default and crm.");
	section(out, "OPTIONS");
	help_lines(out, options_help, "General:");
	paragraph(out, "TYPE of --add-field is the last word of the vendor's doc: Text (the default), Email, Url, Phone, EntityId, ExternalId, "
		       "DynamicEnum, StaticEnum, MultiEnum, StringPlusClob, Double, Currency, Percent, Integer, Boolean, DateTime, DateOnly or TimeOnly. "
		       "A DURATION is 500ms, 10s, 5m or 2h.");
}

static void
write_environment(struct buffer *out)
{
	section(out, "RUNNING A COMMAND");
	paragraph(out, "With a command behind -- the emulator serves, runs it, ends with its exit status (128 and the signal's number when a signal "
		       "ended it) and leaves nothing behind. Signals go on to the command. Its environment has:");
	item(out, text_of("SFZB_PROFILE"), "emulator: sfzb in the command finds everything by that profile");
	item(out, text_of("SFZB_EMULATOR_ADMIN"), "URL of the admin listener, without a slash at the end");
	item(out, text_of("SFZB_EMULATOR_CA_FILE"), "PEM file of the authority that signed the servers' certificate");
	item(out, text_of("SFZB_EMULATOR_DIR"), "directory of the emulator's files");
	item(out, text_of("SFZB_EMULATOR_SALESFORCE_*"),
	    "LOGIN_URL, INSTANCE_URL, CLIENT_ID, CLIENT_SECRET, PUBSUB_ENDPOINT (host:port)");
	item(out, text_of("SFZB_EMULATOR_DATABRICKS_*"),
	    "HOST, CLIENT_ID, CLIENT_SECRET, WAREHOUSE_ID, INGEST_ENDPOINT, WORKSPACE_ID, REGION, CLOUD");
	paragraph(out, "The same is in salesforce.json and databricks.json of the profile 'emulator', for programs that run beside it. A test of "
		       "another client in CI is one line:");
	example(out, "sfzb emulator --events 500 --faults faults.txt -- pytest\n");
	paragraph(out, "and in it, by what the environment says:");
	example(out, "token=$(curl -s --cacert $SFZB_EMULATOR_CA_FILE $SFZB_EMULATOR_SALESFORCE_LOGIN_URL/services/oauth2/token \\\n"
		     "    -d grant_type=client_credentials -d client_id=$SFZB_EMULATOR_SALESFORCE_CLIENT_ID \\\n"
		     "    --data-urlencode client_secret=$SFZB_EMULATOR_SALESFORCE_CLIENT_SECRET | jq -r .access_token)\n");
	section(out, "FILES");
	paragraph(out, "With --dir all state is in that directory and another start goes on with it: event bus, records and schemas of the org, "
		       "committed places of managed subscriptions, tables, certificates, client ids and secrets. Access and refresh tokens, the error "
		       "script and what is used of the quotas end with the process. --events makes more at each start. One emulator at a time "
		       "uses a directory, and one a profile: set SFZB_HOME to another directory for a second.");
	item(out, text_of("bus.db, org.db, lakehouse.db"), "SQLite files of the bus, the org and the tables");
	item(out, text_of("ca.pem, server.pem"), "authority, and certificate of localhost, 127.0.0.1 and ::1; made anew when they are near their end");
	item(out, text_of("salesforce-password"), "password of integration@emulator.example, for the flows that take one");
	item(out, text_of("jwt-public.pem"), "put here: public key or certificate by which JWT assertions are checked");
	item(out, text_of("databricks-token"), "a personal access token");
}

static void
write_admin(struct buffer *out)
{
	section(out, "ADMIN LISTENER");
	paragraph(out, "Plain HTTP on 127.0.0.1. Requests that a web page makes are refused. GET / prints this list.");
	help_lines(out, admin_help, NULL);
	example(out, "curl $SFZB_EMULATOR_ADMIN/state | jq .salesforce.delivered\n"
		     "curl -d '{\"count\": 100}' $SFZB_EMULATOR_ADMIN/events\n"
		     "curl -d '{\"count\": 1, \"object\": \"Account\", \"type\": \"GAP_OVERFLOW\"}' $SFZB_EMULATOR_ADMIN/events\n"
		     "curl -d '{\"object\": \"Account\", \"add\": \"Region__c\", \"type\": \"Text\"}' $SFZB_EMULATOR_ADMIN/schema\n"
		     "curl -T faults.txt $SFZB_EMULATOR_ADMIN/faults\n"
		     "curl -d 'subscribe cut after 100 x1' $SFZB_EMULATOR_ADMIN/faults\n"
		     "curl -X DELETE $SFZB_EMULATOR_ADMIN/faults\n"
		     "curl -d '{\"expire\": \"Account_Managed\"}' $SFZB_EMULATOR_ADMIN/managed\n"
		     "curl \"$SFZB_EMULATOR_ADMIN/published?topic=/data/AccountChangeEvent&limit=10\"\n"
		     "curl \"$SFZB_EMULATOR_ADMIN/rows?table=main.crm.events&columns=event_id\"\n");
	section(out, "ERROR SCRIPT");
	buffer_append_text(out, ".nf\n");
	roff_append(out, text_of(faults_help));
	buffer_append_text(out, ".fi\n");
	paragraph(out, "For example:");
	example(out, "# two look-ups fail, then none\n"
		     "get-topic UNAVAILABLE x2\n"
		     "# the connection breaks behind every 1000th event, and one in 500 events comes twice\n"
		     "subscribe cut every 1000\n"
		     "subscribe duplicate p=0.002\n"
		     "# the vendor's own refusal\n"
		     "subscribe RESOURCE_EXHAUSTED x1 error-code=sfdc.platform.eventbus.grpc.subscription.limit.exceeded\n"
		     "# rows are stored, the acknowledgement is lost\n"
		     "ingest lose-ack after 20 x1\n"
		     "ingest close-signal 5s after 200\n"
		     "# HTTP, and tokens that end\n"
		     "sql http=503 retry-after=2 p=0.1\n"
		     "databricks.tokens expire every 50\n");
}

static void
write_limits(struct buffer *out)
{
	section(out, "WHAT IS ANOTHER WAY HERE");
	paragraph(out, "Keepalives come every 10 s, not every 60 to 270. The Bulk API, the sf CLI's own calls, gzip and device flow are not "
		       "served. Filters on channel members let everything through. Tables are managed ones with at most 1,999 columns; "
		       "EXTERNAL_LINKS is refused. Quotas are counted from each start. What the vendors' documentation leaves open was chosen, and may "
		       "differ from a live service.");
	section(out, "EXIT STATUS");
	paragraph(out, "That of the command; without one 0. 2: wrong usage, a port or a directory in use. With --compare 1: events are missing or "
		       "stored twice.");
	section(out, "SEE ALSO");
	buffer_append_text(out, ".BR sfzb (1)\n");
}

void
manual_write(struct buffer *out)
{
	write_introduction(out);
	write_environment(out);
	write_admin(out);
	write_limits(out);
}
