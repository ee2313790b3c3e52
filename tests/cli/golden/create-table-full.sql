CREATE TABLE IF NOT EXISTS `main`.`crm`.`account` (
  event_id STRING COMMENT 'id of the event, unique',
  schema_id STRING COMMENT 'id of the Avro schema the event was written with',
  replay_id STRING COMMENT 'place in the topic, hexadecimal',
  `timestamp` BIGINT COMMENT 'when the change was committed, ms since 1970 UTC',
  change_type STRING COMMENT 'CREATE, UPDATE, DELETE, UNDELETE, GAP_...',
  entity_name STRING COMMENT 'object that changed; UNKNOWN for platform events',
  change_origin STRING COMMENT 'API and client that made the change',
  record_ids ARRAY<STRING> COMMENT 'ids of the changed records',
  changed_fields ARRAY<STRING> COMMENT 'names of the fields an update changed',
  nulled_fields ARRAY<STRING> COMMENT 'names of the fields an update set to null',
  diff_fields ARRAY<STRING> COMMENT 'names of the fields sent as a unified diff',
  record_data_json STRING COMMENT 'all fields of the event, nulls included',
  payload_binary BINARY COMMENT 'the event as received, Avro',
  schema_json STRING COMMENT 'the Avro schema; see --schema-json',
  org_id STRING COMMENT 'Salesforce organisation',
  processed_timestamp BIGINT COMMENT 'when sfzb wrote the row, ms since 1970 UTC',
  topic STRING COMMENT 'topic the event came from',
  commit_timestamp TIMESTAMP COMMENT 'when the change was committed; for a platform event, when it was created',
  commit_number BIGINT COMMENT 'order of the transaction in the organisation',
  commit_user STRING COMMENT 'id of the user who made the change',
  transaction_key STRING COMMENT 'the same for all changes of one transaction',
  sequence_number INT COMMENT 'order within the transaction, from 1',
  changed_json STRING COMMENT 'just the fields that changed, nulls included'
) USING DELTA
COMMENT 'Salesforce change events written by sfzb'
TBLPROPERTIES ('delta.autoOptimize.optimizeWrite'='true','delta.autoOptimize.autoCompact'='true','delta.enableRowTracking'='false');
