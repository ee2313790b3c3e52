"""A Pub/Sub API client that shares no code with sfzb, and the emulator it talks to.

python3-grpcio carries the calls, protoc makes the messages from the .proto file at run time.
"""
import json
import queue
import subprocess
import tempfile
import urllib.parse

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from local_emulator import TOP, LocalEmulator

PREFIX = "sfdc.platform.eventbus.grpc."
LATEST, EARLIEST, CUSTOM = 0, 1, 2


def load_messages():
    with tempfile.TemporaryDirectory() as folder:
        out = folder + "/set"
        subprocess.run(["protoc", "-I" + TOP + "/proto", "--descriptor_set_out=" + out, TOP + "/proto/pubsub_api.proto"],
                       check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(open(out, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)
    names = [m.name for f in files.file for m in f.message_type]
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("eventbus.v1." + name)) for name in names}


M = load_messages()


class Emulator(LocalEmulator):
    def __init__(self, *args, keep=None):
        super().__init__("salesforce", "--keepalive", "300ms", *args, keep=keep)

    def start(self):
        super().start()
        self.channel = grpc.secure_channel(self.settings["pubsub_endpoint"], grpc.ssl_channel_credentials(self.ca),
                                           options=[("grpc.max_receive_message_length", -1),
                                                    ("grpc.use_local_subchannel_pool", 1)])
        self.log_in()

    def stop(self):
        self.channel.close()
        super().stop()

    def admin(self, method, path, body=None):
        return self.http(method, self.admin_url + path, body.encode() if body is not None else None)

    def state(self):
        return json.loads(self.admin("GET", "/state")[1])

    def form(self, path, **fields):
        return self.http("POST", path, urllib.parse.urlencode(fields).encode())

    def token(self, **fields):
        base = dict(grant_type="client_credentials", client_id=self.settings["client_id"],
                    client_secret=self.settings["client_secret"])
        return self.form("/services/oauth2/token", **dict(base, **fields))

    def log_in(self):
        j = json.loads(self.token()[1])
        self.org = j["id"].split("/")[-2]
        self.access_token = j["access_token"]
        self.metadata = [("accesstoken", j["access_token"]), ("instanceurl", j["instance_url"]), ("tenantid", self.org)]

    def faults(self, script):
        status, text, _ = self.admin("PUT", "/faults", script)
        assert status == 200, text

    def unary(self, method, request, response, metadata=None):
        call = self.channel.unary_unary("/eventbus.v1.PubSub/" + method, request_serializer=lambda x: x.SerializeToString(),
                                        response_deserializer=M[response].FromString)
        return call(request, metadata=metadata or self.metadata, timeout=120)

    def topic(self, name, metadata=None):
        return self.unary("GetTopic", M["TopicRequest"](topic_name=name), "TopicInfo", metadata)

    def schema(self, schema_id):
        return self.unary("GetSchema", M["SchemaRequest"](schema_id=schema_id), "SchemaInfo")

    def stream(self, method, request, response, first=None):
        return Stream(self, method, request, response, first)

    def subscribe(self, topic, preset=EARLIEST, count=100, replay_id=b""):
        return self.stream("Subscribe", "FetchRequest", "FetchResponse",
                           dict(topic_name=topic, replay_preset=preset, num_requested=count, replay_id=replay_id))

    def read_all(self, topic, preset=EARLIEST, replay_id=b""):
        """Every event up to the first keepalive; checks the flow control on the way."""
        events, credit = [], 100
        with self.subscribe(topic, preset, 100, replay_id) as s:
            for m in s:
                credit -= len(m.events)
                assert 0 <= m.pending_num_requested == credit, (m.pending_num_requested, credit)
                assert m.rpc_id
                if not m.events:
                    assert len(m.latest_replay_id) == 10
                    return events
                assert m.latest_replay_id == m.events[-1].replay_id
                events.extend(m.events)
                if credit < 50:
                    s.send(num_requested=100 - credit)
                    credit = 100
        raise AssertionError("the subscription ended before a keepalive")


class Stream:
    """One bidirectional call; iterating it gives the answers."""

    def __init__(self, emulator, method, request, response, first):
        self.requests, self.kind = queue.Queue(), request
        if first is not None:
            self.send(**first)
        self.call = emulator.channel.stream_stream("/eventbus.v1.PubSub/" + method,
                                                   request_serializer=lambda x: x.SerializeToString(),
                                                   response_deserializer=M[response].FromString)(
            iter(self.requests.get, None), metadata=emulator.metadata, timeout=240)

    def send(self, **fields):
        self.requests.put(M[self.kind](**fields))

    def half_close(self):
        self.requests.put(None)

    def __iter__(self):
        return iter(self.call)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.requests.put(None)
        self.call.cancel()


def refused(status, suffix, do, *args, **keywords):
    """Runs do; it must end with this status and error-code. Returns its words."""
    try:
        result = do(*args, **keywords)
        if isinstance(result, Stream):
            with result:
                list(result)
    except grpc.RpcError as e:
        trailers = dict(e.trailing_metadata() or ())
        code = trailers.get("error-code")
        assert e.code().name == status, (e.code(), e.details())
        assert code == (PREFIX + suffix if suffix else None), (code, e.details())
        if suffix:
            assert trailers["rpc-id"] and e.details().endswith("rpcId: " + trailers["rpc-id"]), e.details()
        return e.details()
    raise AssertionError("was not refused")
