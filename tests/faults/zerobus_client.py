"""A Zerobus and Databricks SQL client that shares no code with sfzb, and the emulator it talks to.

Written from the contract alone: python3-grpcio carries the calls, protoc makes the messages of proto/zerobus.proto and of the
records at run time.
"""
import base64
import json
import os
import queue
import subprocess
import tempfile
import urllib.parse

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from local_emulator import TOP, LocalEmulator

PROTO, JSON = 1, 2


def compile_proto(text=None, path=None):
    """Message classes and descriptors by name, from the text of a .proto file or a path under proto/."""
    with tempfile.TemporaryDirectory() as folder:
        if text is not None:
            path = folder + "/row.proto"
            open(path, "w").write(text)
        subprocess.run(["protoc", "-I" + os.path.dirname(path), "-I/usr/include", "--include_imports",
                        "--descriptor_set_out=" + folder + "/set", path], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(open(folder + "/set", "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    factory, last = message_factory.MessageFactory(pool), files.file[-1]
    prefix = last.package + "." if last.package else ""
    classes = {m.name: factory.GetPrototype(pool.FindMessageTypeByName(prefix + m.name)) for m in last.message_type}
    return classes, {m.name: m for m in last.message_type}


M, _ = compile_proto(path=TOP + "/proto/zerobus.proto")


class Refused(Exception):
    def __init__(self, e):
        super().__init__(f"{e.code().name}: {e.details()}")
        self.code, self.words = e.code().name, e.details()
        self.details = dict(e.trailing_metadata() or ()).get("grpc-status-details-bin")


class Emulator(LocalEmulator):
    def __init__(self, *args):
        super().__init__("databricks", *args)

    def start(self):
        super().start()
        self.bearer = None

    # --- HTTP

    def admin(self, method, path, body=None):
        return self.http(method, self.admin_url + path, body.encode() if body is not None else None)[1]

    def faults(self, script):
        self.admin("PUT", "/faults", script)

    def rows(self, table, columns):
        return [json.loads(x) for x in self.admin("GET", f"/rows?table={table}&columns={columns}").splitlines()]

    def token_answer(self, user=None, password=None, **more):
        pair = f"{user or self.settings['client_id']}:{password or self.settings['client_secret']}"
        form = dict(dict(grant_type="client_credentials", scope="all-apis"), **more)
        return self.http("POST", "/oidc/v1/token", urllib.parse.urlencode(form).encode(),
                         {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                          "Content-Type": "application/x-www-form-urlencoded"})

    def plain_token(self):
        return json.loads(self.token_answer()[1])["access_token"]

    def zerobus_fields(self, table, operations=True):
        catalog, schema, _ = table.split(".")
        entry = dict(type="unity_catalog_privileges", privileges=["SELECT", "MODIFY"], object_type="TABLE", object_full_path=table)
        if operations:
            entry["operations"] = ["zerobuswrite"]
        details = [dict(type="unity_catalog_privileges", privileges=["USE CATALOG"], object_type="CATALOG", object_full_path=catalog),
                   dict(type="unity_catalog_privileges", privileges=["USE SCHEMA"], object_type="SCHEMA",
                        object_full_path=f"{catalog}.{schema}"), entry]
        return dict(resource=f"api://databricks/workspaces/{self.settings['workspace_id']}/zerobusDirectWriteApi",
                    authorization_details=json.dumps(details))

    def zerobus_token(self, table, operations=True):
        status, body, _ = self.token_answer(**self.zerobus_fields(table, operations))
        assert status == 200, body
        token = json.loads(body)["access_token"]
        assert 3000 < len(token) < 4300, len(token)
        return token

    def rest(self, method, path, body=None, token=None):
        self.bearer = self.bearer or self.plain_token()
        status, text, headers = self.http(method, path, json.dumps(body).encode() if body is not None else None,
                                          {"Authorization": "Bearer " + (token or self.bearer)})
        assert headers["X-Databricks-Org-Id"] == self.settings["workspace_id"]
        return status, json.loads(text)

    def statement(self, text, parameters=(), **more):
        return self.rest("POST", "/api/2.0/sql/statements",
                         dict(dict(warehouse_id=self.settings["warehouse_id"], statement=text, parameters=list(parameters),
                                   wait_timeout="50s"), **more))

    def sql(self, text, parameters=()):
        status, j = self.statement(text, parameters)
        assert status == 200 and j["status"]["state"] == "SUCCEEDED", (text[:500], j)
        rows, part = [], j["result"]
        while True:
            rows += part.get("data_array", [])
            if "next_chunk_internal_link" not in part:
                return rows
            status, part = self.rest("GET", part["next_chunk_internal_link"])
            assert status == 200

    # --- gRPC

    def open(self, table, record_type=PROTO, descriptor=None, token=None, header=None, wait=True, **more):
        return Stream(self, table, record_type, descriptor, token, header, wait, more)


class Stream:
    """One EphemeralStream."""

    def __init__(self, em, table, record_type, descriptor, token, header, wait, more):
        self.queue, self.offset, self.acked, self.closing = queue.Queue(), 0, -1, None
        self.channel = grpc.secure_channel(em.settings["ingest_endpoint"].replace("https://", ""),
                                           grpc.ssl_channel_credentials(em.ca),
                                           options=[("grpc.use_local_subchannel_pool", 1),
                                                    ("grpc.max_send_message_length", -1)])
        call = self.channel.stream_stream("/databricks.zerobus.Zerobus/EphemeralStream",
                                          request_serializer=lambda x: x if isinstance(x, bytes) else x.SerializeToString(),
                                          response_deserializer=M["EphemeralStreamResponse"].FromString)
        token = token if token is not None else em.zerobus_token(table)
        em.last_token = token
        metadata = [("x-databricks-zerobus-table-name", table if header is None else header)]
        if token:
            metadata.append(("authorization", "Bearer " + token))
        create = M["CreateIngestStreamRequest"](table_name=table, record_type=record_type, **more)
        if descriptor is not None:
            create.descriptor_proto = descriptor if isinstance(descriptor, bytes) else descriptor.SerializeToString()
        self.send(M["EphemeralStreamRequest"](create_stream=create))
        self.call = call(iter(self.queue.get, None), metadata=metadata, timeout=240)
        self.stream_id = None
        if wait:
            first = self.next()
            assert first.WhichOneof("payload") == "create_stream_response", first
            self.stream_id = first.create_stream_response.stream_id
            assert len(self.stream_id) == 36

    def send(self, message):
        self.queue.put(message)

    def next(self):
        try:
            return next(self.call)
        except grpc.RpcError as e:
            raise Refused(e) from None

    def one(self, record, offset=None):
        """Returns the offset it went under."""
        offset = self.offset if offset is None else offset
        field = "json_record" if isinstance(record, str) else "proto_encoded_record"
        self.send(M["EphemeralStreamRequest"](ingest_record=M["IngestRecordRequest"](**{"offset_id": offset, field: record})))
        self.offset += 1
        return offset

    def batch(self, records):
        offset = self.offset
        if isinstance(records[0], str):
            part = dict(json_batch=M["JsonRecordBatch"](records=records))
        else:
            part = dict(proto_encoded_batch=M["ProtoEncodedRecordBatch"](records=records))
        self.send(M["EphemeralStreamRequest"](ingest_record_batch=M["IngestRecordBatchRequest"](offset_id=offset, **part)))
        self.offset += 1
        return offset

    def wait(self, offset):
        """Until everything up to the offset is durable; False: a close signal came first."""
        while self.acked < offset:
            m = self.next()
            kind = m.WhichOneof("payload")
            if kind == "close_stream_signal":
                d = m.close_stream_signal.duration
                self.closing = d.seconds + d.nanos / 1e9
                return False
            assert kind == "ingest_record_response", m
            up_to = m.ingest_record_response.durability_ack_up_to_offset
            assert self.acked < up_to < self.offset, (self.acked, up_to, self.offset)
            self.acked = up_to
        return True

    def finish(self):
        """Half-closes and drains; the status must be OK."""
        self.queue.put(None)
        try:
            for m in self.call:
                if m.WhichOneof("payload") == "ingest_record_response":
                    self.acked = m.ingest_record_response.durability_ack_up_to_offset
        except grpc.RpcError as e:
            raise Refused(e) from None
        finally:
            self.channel.close()
        assert self.acked == self.offset - 1, (self.acked, self.offset)

    def drop(self):
        self.queue.put(None)
        self.call.cancel()
        self.channel.close()


def ingest_all(em, table, batches, record_type=PROTO, descriptor=None, look_up=None, tries=50):
    """At least once; with look_up(batch) -> what of it the table lacks, exactly once. Returns how many streams it took."""
    waiting = list(batches)
    for n in range(1, tries + 1):
        stream, sent = None, []
        try:
            stream = em.open(table, record_type, descriptor)
            for batch in waiting:
                stream.batch(batch)
                sent.append(batch)
            stream.wait(stream.offset - 1)
            if stream.closing is None:
                stream.finish()
                return n
        except Refused as e:
            assert e.code in ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED", "ABORTED"), e
        finally:
            acked = stream.acked + 1 if stream is not None else 0
            if stream is not None:
                stream.drop()
        waiting = waiting[acked:]
        if look_up is not None:
            waiting = [b for b in (look_up(b) for b in waiting) if b]
        if not waiting:
            return n
    raise AssertionError("it never ended")
