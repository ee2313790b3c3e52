#!/usr/bin/python3
"""Reads Avro payloads with python3-avro and prints each as one line of JSON, by the rules of sfzb's decoder.

usage: avro_peer.py [--schemas DIR] [FILE...]

Input (the files, or standard input): one JSON object a line with "payload_b64" and either "schema_json" (the schema's text) or
"schema" (the name of DIR/NAME.avsc; DIR is tests/data/schemas unless given). Output: for each input line the value, or
{"error": "..."} where python3-avro cannot read it or leaves bytes over. Exit 77: python3-avro is not installed.

bytes and fixed are base64, NaN and infinities strings, doubles as Python writes them; logical types are not applied.
"""
import base64
import io
import json
import math
import os
import sys

try:
    import avro.io
    import avro.schema
except ImportError:
    sys.exit(77)


def plain(node):
    """The schema without logical types: python3-avro would turn longs into dates."""
    if isinstance(node, dict):
        return {k: plain(v) for k, v in node.items() if k != "logicalType"}
    if isinstance(node, list):
        return [plain(v) for v in node]
    return node


def to_json(value):
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {k: to_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [to_json(v) for v in value]
    return value


class Reader:
    def __init__(self, folder):
        self.folder = folder
        self.readers = {}

    def reader(self, line):
        key = line.get("schema_json") or line["schema"]
        if key not in self.readers:
            text = line.get("schema_json")
            if text is None:
                with open(os.path.join(self.folder, key + ".avsc"), encoding="utf-8") as f:
                    text = f.read()
            schema = avro.schema.parse(json.dumps(plain(json.loads(text))))
            self.readers[key] = avro.io.DatumReader(schema)
        return self.readers[key]

    def read(self, line):
        payload = io.BytesIO(base64.b64decode(line["payload_b64"]))
        try:
            value = self.reader(line).read(avro.io.BinaryDecoder(payload))
        except Exception as e:  # whatever python3-avro makes of a bad payload
            return {"error": "%s: %s" % (type(e).__name__, e)}
        left = len(payload.read())
        return {"error": "%d bytes left over" % left} if left else to_json(value)


def main(arguments):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "schemas")
    if arguments[:1] == ["--schemas"]:
        folder, arguments = arguments[1], arguments[2:]
    reader = Reader(folder)
    for stream in [open(a, encoding="utf-8") for a in arguments] or [sys.stdin]:
        for line in stream:
            print(json.dumps(reader.read(json.loads(line)), allow_nan=False, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1:])
