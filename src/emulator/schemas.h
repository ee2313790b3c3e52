/*
 * The objects of the emulator's org and the Avro schemas of their events. A schema's id is made from its
 * bytes, so it is the same in every run.
 */
#ifndef SFZB_EMULATOR_SCHEMAS_H
#define SFZB_EMULATOR_SCHEMAS_H

enum entity {
	ENTITY_ACCOUNT,
	ENTITY_CONTACT,
	ENTITY_OPPORTUNITY,
	ENTITY_INVOICE,
	ENTITY_ORDER_EVENT,
	ENTITY_COUNT
};

struct schema_source {
	const char *object; /* "Invoice__c" */
	const char *event;  /* "Invoice__ChangeEvent": the record's name, and the topic's last part */
	const char *label;
	const char *key_prefix; /* of record ids */
	const char *json;	/* one line */
};

extern const struct schema_source schema_sources[ENTITY_COUNT];

#define SCHEMA_ID_SIZE 23
/* 22 characters of base64url: the MD5 of the text. Returns out. */
char *schema_id(char out[SCHEMA_ID_SIZE], const char *json);

#endif
