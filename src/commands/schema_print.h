/*
 * An Avro schema in other clothes: a tree to read, Delta columns, a protobuf message. All of them follow the schema's
 * own order and names.
 */
#ifndef SFZB_COMMANDS_SCHEMA_PRINT_H
#define SFZB_COMMANDS_SCHEMA_PRINT_H

#include "avro/schema.h"
#include "base/buffer.h"

/* Fields with types, "?" where null is allowed, and documentation; coloured as standard output is. */
void schema_print_tree(struct buffer *out, const struct avro_schema *s);
/*
 * A column a field, as CREATE TABLE takes them, nested records as STRUCT. A union of several kinds and a record
 * within itself become STRING (their JSON).
 */
void schema_print_ddl(struct buffer *out, const struct avro_schema *s);
/* A proto2 file with a message for each record; unions of several kinds are oneofs. */
void schema_print_proto(struct buffer *out, const struct avro_schema *s);

#endif
