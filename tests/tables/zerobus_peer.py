#!/usr/bin/env python3
"""A Zerobus server written from the protocol's page alone, to test sfzb's client against.

It shares no code with sfzb: python3-grpcio carries the calls, protoc makes the messages from the .proto file at
run time, and each record is decoded by the descriptor that its stream was opened with. It checks what the service
checks (metadata, token, descriptor, offsets, record type, required fields, message size) and writes one JSON line for
each thing that happened, each row before it is acknowledged.

usage: zerobus_peer.py PROTO LOG [PORT]      prints the port, serves until standard input ends

What a stream does besides is chosen by the end of its table's name:
  late        acknowledges every third request only, and the rest at the end
  cut         acknowledges the first request, stores the second without, then fails
  close       sends a close signal of 0.25 s after the second request
  lost        stores everything, acknowledges nothing, fails after the third request
  absent      acknowledges without an offset        high      acknowledges what was not sent
  twice       repeats each acknowledgement and an older one
  noid        opens without a stream id             empty     answers with an empty message
  garbage     answers with bytes that are no message
  silent      never answers create_stream           hang      acknowledges, but never ends the call
  idle        ends the call in good order after the first acknowledgement
  early       acknowledges the first request, stores the second and ends the call in good order
  bad         refuses records whose event_id is "bad"
  once        refuses the token until it is a fresh one ("fresh" in its text)
  status_N    refuses to open with status N         details   refuses with structured details
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD = "EphemeralStream"
LIMIT = 10 * 1024 * 1024


def load_messages(proto):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set")
        subprocess.run(["protoc", "-I" + os.path.dirname(os.path.abspath(proto)), "-I/usr/include", "--include_imports",
                        "--descriptor_set_out=" + out, os.path.abspath(proto)], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(open(out, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("databricks.zerobus." + name))
            for name in ("EphemeralStreamRequest", "EphemeralStreamResponse")}


def record_class(serialized):
    """The class of a descriptor; raises when it is not self-contained or breaks a rule of protobuf's own."""
    message = descriptor_pb2.DescriptorProto.FromString(serialized)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto(name="record.proto", syntax="proto2", message_type=[message]))
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(message.name))


def plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "DESCRIPTOR"):
        return decoded(value)
    if hasattr(value, "items"):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (str, int, float, bool)):
        return value
    return [plain(v) for v in value]


def decoded(record):
    return {field.name: plain(value) for field, value in record.ListFields()}


class Refused(Exception):
    pass


class Stream:
    def __init__(self, peer, number, context):
        self.peer, self.number, self.context = peer, number, context
        self.offset = 0

    def open(self, request):
        create = request.create_stream
        metadata = {}
        for key, value in self.context.invocation_metadata():
            metadata[key] = value
        if request.WhichOneof("payload") != "create_stream":
            raise Refused("the first message is not create_stream")
        self.table, self.type = create.table_name, create.record_type
        self.way = self.table.rsplit(".", 1)[-1].split("_", 1)[-1]
        if metadata.get("x-databricks-zerobus-table-name") != self.table:
            raise Refused("metadata and message name different tables")
        if not metadata.get("authorization", "").startswith("Bearer token for " + self.table):
            raise Refused("the token is not scoped to this table")
        if self.type not in (1, 2) or create.HasField("descriptor_proto") != (self.type == 1):
            raise Refused("record type %d, descriptor %s" % (self.type, create.HasField("descriptor_proto")))
        self.record = record_class(create.descriptor_proto) if self.type == 1 else None
        self.log("open", table=self.table, type=self.type, sdk=metadata.get("x-zerobus-sdk"),
                 fresh="fresh" in metadata["authorization"],
                 fields=[f.name for f in self.record.DESCRIPTOR.fields] if self.record else None)

    def log(self, what, **more):
        self.peer.log(dict(more, event=what, stream=self.number))

    def rows(self, request):
        """The rows of one request, all decoded before any is stored."""
        kind = request.WhichOneof("payload")
        if kind == "ingest_record":
            one = request.ingest_record
            records = [one.proto_encoded_record if self.type == 1 else one.json_record]
            right = "proto_encoded_record" if self.type == 1 else "json_record"
            if one.WhichOneof("record") != right:
                raise Refused("a record of another type than the stream's")
        elif kind == "ingest_record_batch":
            one = request.ingest_record_batch
            right = "proto_encoded_batch" if self.type == 1 else "json_batch"
            if one.WhichOneof("batch") != right:
                raise Refused("a batch of another type than the stream's")
            records = list(getattr(one, right).records)
            if not records:
                raise Refused("an empty batch")
        else:
            raise Refused("a second create_stream, or nothing")
        if not one.HasField("offset_id") or one.offset_id != self.offset:
            raise Refused("offset %s where %d was due. Error Code: 4002, Error State: 0" % (one.offset_id, self.offset))
        if request.ByteSize() > LIMIT:
            raise Refused("a message of %d bytes" % request.ByteSize())
        return [self.decode(r) for r in records]

    def decode(self, record):
        if self.type == 2:
            row = json.loads(record)
            if not isinstance(row, dict):
                raise Refused("a JSON record that is no object")
            return row
        message = self.record()
        message.ParseFromString(record)
        if not message.IsInitialized():
            raise Refused("a required field is missing: %s" % message.FindInitializationErrors())
        if len(message.UnknownFields()) > 0:
            raise Refused("a field that the descriptor does not have")
        return decoded(message)

    def store(self, request):
        rows = self.rows(request)
        for row in rows:
            if self.way == "bad" and row.get("event_id") == "bad":
                raise Refused("record 'bad' is ill-typed")
        for row in rows:
            self.log("row", table=self.table, offset=self.offset, row=row)
        self.offset += 1


class Peer:
    def __init__(self, proto, log):
        self.messages = load_messages(proto)
        self.file = open(log, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.count = 0

    def log(self, line):
        with self.lock:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()

    def ack(self, offset):
        answer = self.messages["EphemeralStreamResponse"]()
        if offset is None:
            answer.ingest_record_response.SetInParent()
        else:
            answer.ingest_record_response.durability_ack_up_to_offset = offset
        return answer

    def refuse_open(self, way, context):
        if way.startswith("status_"):
            number = int(way.split("_")[1])
            code = [c for c in grpc.StatusCode if c.value[0] == number][0]
            context.abort(code, "as the test wants. Error Code: 1022, Error State: 7" if number == 3 else "as the test wants")
        if way == "details":
            # google.rpc.Status {code 1, message 2, details 3: Any {type_url 1, value 2: ErrorInfo {reason 1, domain 2}}}
            info = b"\x0a\x0fCOLUMN_MISMATCH\x12\x13field 'x' is a LONG"
            any_ = b"\x0a\x0btype/Reason\x12" + bytes([len(info)]) + info
            status = b"\x08\x03\x12\x03bad\x1a" + bytes([len(any_)]) + any_
            context.set_trailing_metadata((("grpc-status-details-bin", status),))
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "schema mismatch")

    def serve(self, requests, context):
        with self.lock:
            self.count += 1
            stream = Stream(self, self.count, context)
        try:
            yield from self.talk(stream, requests, context)
        except Refused as why:
            stream.log("refused", why=str(why))
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(why))
        except grpc.RpcError:
            stream.log("gone")

    def talk(self, stream, requests, context):
        answer = self.messages["EphemeralStreamResponse"]
        stream.open(next(requests))
        way = stream.way
        self.refuse_open(way, context)
        if way == "once" and "fresh" not in dict(context.invocation_metadata())["authorization"]:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "token expired")
        if way == "silent":
            time.sleep(30)
        if way == "empty":
            yield answer()
        if way == "garbage":
            yield b"\xff\xff\xff"
        created = answer()
        created.create_stream_response.SetInParent()
        if way != "noid":
            created.create_stream_response.stream_id = "stream-%d" % stream.number
        yield created
        for request in requests:
            stream.store(request)
            if way == "early" and stream.offset == 2:
                return
            yield from self.answers(stream, context)
            if way == "idle":
                return
        if way == "late" and stream.offset % 3 != 0:
            yield self.ack(stream.offset - 1)
        stream.log("half-closed", requests=stream.offset)
        if way == "hang":
            time.sleep(30)

    def answers(self, stream, context):
        way, last = stream.way, stream.offset - 1
        if way == "lost":
            if last == 2:
                context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
        elif way == "cut":
            if last == 1:
                context.abort(grpc.StatusCode.INTERNAL, "cut")
            yield self.ack(last)
        elif way == "late":
            if last % 3 == 2:
                yield self.ack(last)
        elif way == "absent":
            yield self.ack(None)
        elif way == "high":
            yield self.ack(100)
        elif way == "twice":
            yield self.ack(last)
            yield self.ack(last)
            yield self.ack(0)
        elif way == "close" and last == 1:
            signal = self.messages["EphemeralStreamResponse"]()
            signal.close_stream_signal.duration.nanos = 250000000
            yield signal
            yield self.ack(last)
        else:
            yield self.ack(last)


def main():
    peer = Peer(sys.argv[1], sys.argv[2])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=[("grpc.max_receive_message_length", LIMIT + 4096)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("databricks.zerobus.Zerobus", {
        METHOD: grpc.stream_stream_rpc_method_handler(
            peer.serve, request_deserializer=peer.messages["EphemeralStreamRequest"].FromString,
            response_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString())}),))
    port = server.add_insecure_port("127.0.0.1:" + (sys.argv[3] if len(sys.argv) > 3 else "0"))
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)
    os._exit(0)


main()
