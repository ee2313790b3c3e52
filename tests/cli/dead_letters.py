#!/usr/bin/env python3
"""Fills a profile's dead-letter store, as a stream would. usage: dead_letters.py PROFILE_DIRECTORY < NDJSON

Each line: org, topic, table, event_id, replay_id and payload (hex), schema_id, schema (JSON text), reason."""
import json
import os
import sqlite3
import sys

directory = os.path.join(sys.argv[1], "dead-letters")
os.makedirs(directory, mode=0o700, exist_ok=True)
path = os.path.join(directory, "letters.db")
os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
db = sqlite3.connect(path)
db.executescript("""
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS schema (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS letter (id INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, topic TEXT NOT NULL,
 target TEXT NOT NULL, event_id TEXT NOT NULL, replay_id BLOB NOT NULL, schema_id TEXT NOT NULL, payload BLOB NOT NULL,
 code TEXT NOT NULL, reason TEXT NOT NULL, received_ms INTEGER NOT NULL, set_aside_ms INTEGER NOT NULL,
 attempts INTEGER NOT NULL, UNIQUE (org, topic, target, event_id, replay_id));
""")
for line in sys.stdin:
    x = json.loads(line)
    if x.get("schema"):
        db.execute("INSERT OR IGNORE INTO schema VALUES (?, ?)", (x["schema_id"], x["schema"]))
    db.execute("INSERT INTO letter (org, topic, target, event_id, replay_id, schema_id, payload, code, reason,"
               " received_ms, set_aside_ms, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, 'REFUSED', ?, 1, 2, 1)",
               (x["org"], x["topic"], x["table"], x["event_id"], bytes.fromhex(x["replay_id"]), x["schema_id"],
                bytes.fromhex(x["payload"]), x["reason"]))
db.commit()
