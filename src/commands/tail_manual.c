/* More of sfzb-tail(1): what people and programs get. */
#include "cli/man.h"
#include "commands/tail.h"

static const struct {
	const char *name, *text;
} members[] = {
	{"topic, replay_id, event_id, schema_id, org_id",
	    "where the event stands (the replay id in hex), its id, the Avro schema it was written with, the organisation"},
	{"entity_name, change_type, record_ids",
	    "what happened to which records; platform events have neither these members nor those of the next two lines"},
	{"changed_fields, nulled_fields, diff_fields",
	    "names of the fields that an UPDATE changed, set to null, or gives as a difference; a part of a compound field is "
	    "Name.FirstName"},
	{"change_origin, transaction_key, sequence_number, commit_number, commit_user",
	    "the rest of the event's header; commit_number is text"},
	{"commit_timestamp", "when the change was committed, or the platform event was created: 2026-11-01T10:00:00.000Z"},
	{"record", "the fields, as Salesforce sent them. In an UPDATE those that did not change are null like those that are empty: "
		   "changed_fields and nulled_fields tell, or --changes, which leaves out what did not change. Times are milliseconds "
		   "since 1970"},
};

void
tail_manual(struct buffer *man)
{
	man_section(man, "LINES");
	man_paragraphs(man,
	    "One line an event (-o line, the default on a terminal) or one row (-o table): when it was committed, in local time; the "
	    "object; what happened; the record ids; the fields with their values, of an UPDATE those that changed. CreatedDate, "
	    "CreatedById, LastModifiedDate, LastModifiedById and SystemModstamp come last. Where the schema tells that a number is a "
	    "date or time it is written as one, in UTC; in every other form it is the number that Salesforce sent.");
	man_section(man, "JSON");
	man_paragraphs(man, "One object a line (-o json, the default where there is no terminal), to which --filter and --transform "
			    "are put, too:");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		man_item(man, members[i].name, members[i].text);
	man_paragraphs(man,
	    "With --explode record_ids has one id. With --raw there are lines of two kinds: schema_id and schema_json, in front of the "
	    "first event that has the schema; and topic, replay_id, event_id, schema_id, org_id and payload_b64.");
}
