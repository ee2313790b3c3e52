/* More of sfzb-stream(1): figures, health, signals, the service manager. */
#include "cli/man.h"
#include "commands/stream.h"
#include "stream/metrics.h"

static const char unit[] =
    "[Unit]\n"
    "Description=Salesforce change events to Databricks\n"
    "After=network-online.target\n"
    "Wants=network-online.target\n"
    "\n"
    "[Service]\n"
    "Type=notify\n"
    "ExecStart=/usr/local/bin/sfzb stream ChangeEvents --table main.crm.events --metrics 9464 --log-format json\n"
    "ExecReload=/bin/kill -HUP $MAINPID\n"
    "Environment=SFZB_HOME=/var/lib/sfzb\n"
    "StateDirectory=sfzb\n"
    "StateDirectoryMode=0700\n"
    "DynamicUser=yes\n"
    "Restart=always\n"
    "RestartSec=10\n"
    "RestartPreventExitStatus=2 3 4 6 8\n"
    "TimeoutStartSec=10min\n"
    "TimeoutStopSec=90\n"
    "WatchdogSec=60\n"
    "LimitCORE=0\n"
    "NoNewPrivileges=yes\n"
    "ProtectSystem=strict\n"
    "ProtectHome=yes\n"
    "PrivateTmp=yes\n"
    "\n"
    "[Install]\n"
    "WantedBy=multi-user.target";

static const char current_state[] =
    "WITH changes AS (\n"
    "    SELECT e.*, record_id,\n"
    "        row_number() OVER (PARTITION BY record_id ORDER BY commit_number, sequence_number) AS n\n"
    "    FROM main.crm.events e LATERAL VIEW explode(record_ids) r AS record_id\n"
    "    WHERE entity_name = 'Account' AND change_type NOT LIKE 'GAP%')\n"
    "SELECT record_id,\n"
    "    max_by(get_json_object(changed_json, '$.Industry'), n) FILTER (WHERE change_type IN ('CREATE', 'UNDELETE')\n"
    "        OR array_contains(changed_fields, 'Industry') OR array_contains(nulled_fields, 'Industry')) AS Industry\n"
    "FROM changes GROUP BY record_id\n"
    "HAVING max_by(change_type, n) <> 'DELETE'";

void
stream_manual(struct buffer *man)
{
	man_section(man, "METRICS AND HEALTH");
	man_paragraphs(man,
	    "With --metrics the run serves HTTP from its first moment. /healthz answers 200 as long as the event loop turns. "
	    "/readyz answers 200 when every topic is subscribed and every table that has rows waiting takes them, 503 with "
	    "the reason otherwise. There is no login and no TLS: leave it on the loopback address, or behind something "
	    "that has both. /metrics has, in the text format of Prometheus:");
	for (const struct metric *m = metrics_list; m->name != NULL; m++)
		man_item(man, m->name, m->help);
	man_section(man, "WHAT IS STORED ONCE");
	man_paragraphs(man,
	    "A row that may be in the table already is looked for by its event_id. The id of a change event is Salesforce's own and "
	    "decides alone. Publishers choose the ids of platform events, so there the replay_id must be the same too; a table "
	    "without that column has to do without. Both layouts have both columns.\n\n"
	    "The bus may publish an event twice, under another replay id, and two topics may hold the same event (ChangeEvents "
	    "and Account): a table gets it once. The newest 20,000 events before a stored position are known for that, also "
	    "to the next run: a change event by its id and its place in the transaction, a platform event by its id "
	    "and content. They count only for a run that goes on from there; after --from or 'sfzb replay set' the table "
	    "is asked instead. Two processes do not know what the other is just storing: the same topic to the same table is "
	    "refused, also where one names it with {entity}; topics that may hold the same events are warned about. Give them to "
	    "one process.\n\n"
	    "A row is durable before a query shows it. A look-up therefore waits for as long as --visibility-wait says, and as long "
	    "again as acknowledgements took of late, and longer as long as the row that was acknowledged last is not to be seen "
	    "either. What nobody can tell is whether a later row is slower than that one, nor, after a crash, how slow server and "
	    "table are: there a longer --visibility-wait helps. Without a SQL warehouse there is no look-up, and what was in "
	    "flight may be stored twice.");
	man_section(man, "GAP EVENTS");
	man_paragraphs(man,
	    "Where Salesforce cannot deliver the data of a change, a gap event stands for it (GAP_CREATE, GAP_UPDATE, "
	    "GAP_DELETE, GAP_UNDELETE; GAP_OVERFLOW for many at once): what is in the table of those records is out of date "
	    "until they are read again. Each is stored as a row, counted, warned about and listed at the end. The command of "
	    "--on-gap command:CMD is run by sh, one at a time, beside the stream; its output goes to standard error, its "
	    "failure is a warning. After a crash it may be run again for the same event. It finds:");
	man_item(man, "SFZB_GAP_TOPIC, SFZB_GAP_ENTITY, SFZB_GAP_TYPE", "the topic, the object, and GAP_UPDATE or the like");
	man_item(man, "SFZB_GAP_RECORD_IDS", "the ids of the records, with spaces between");
	man_item(man, "SFZB_GAP_REPLAY_ID, SFZB_GAP_EVENT_ID, SFZB_GAP_TIME, SFZB_GAP_ORG_ID",
	    "the event's place in hex, its id, when the change was committed, the organisation");
	man_section(man, "FROM EVENTS TO RECORDS");
	man_paragraphs(man,
	    "A row is a change, not a record. An UPDATE has the fields that changed; the others are null in record_data_json, and a "
	    "MERGE of it as it is would write these nulls over what was there. changed_json holds just what changed, and "
	    "changed_fields and nulled_fields name it. What a field (here Industry) is now, in each record that is not deleted, from "
	    "a table of the full layout; a line for each field more makes a view, or the source of a MERGE:");
	man_lines(man, current_state);
	man_paragraphs(man,
	    "It knows what has come since the first row of a record, and nothing of the changes that gap events stand for: the records "
	    "that one names have to be read again, and all of the object where it names none (GAP_OVERFLOW). Salesforce sends no event at all when a record is purged from the "
	    "recycle bin, or when just the value of a formula changes.");
	man_section(man, "SIGNALS");
	man_item(man, "SIGINT, SIGTERM",
	    "takes no more events, waits until those in flight are stored, and ends with status 0. The second one ends at once; two within half a second are one.");
	man_item(man, "SIGHUP",
	    "on a terminal: as SIGTERM. Without one: reads the secrets of both logins anew (a client secret or refresh token "
	    "that was replaced is used for the next token; another user, host or client id needs a new start), and log.json of "
	    "the profile (mode 600): {\"level\": \"warn|info|debug|trace\", \"format\": \"text|json\"}. What log.json does not say is "
	    "as the command line says.");
	man_section(man, "AS A SERVICE");
	man_paragraphs(man,
	    "Where NOTIFY_SOCKET is set, systemd is told when the stream is ready, what it does, that it is alive "
	    "(WatchdogSec=), that it reloads and that it stops. Exit statuses that no repetition can mend are kept from "
	    "restarting. A unit:");
	man_lines(man, unit);
}
