#!/usr/bin/env -S /usr/bin/python3 -B
"""The emulator as a server that anyone may talk to: bytes that are no protocol on every port, halves of requests, huge headers,
clients that drip, that never read, that come two hundred at a time. It must go on serving, and its memory must stay bounded.

With BUILD=build/asan-gcc the same under AddressSanitizer.
"""
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time

import grpc

from emulator_client import EARLIEST, M, Emulator
from local_emulator import run_against
from org_client import ORDERS
import zerobus_client

SANITIZED = "asan" in os.environ.get("BUILD", "")


def memory(em):
    """Resident megabytes."""
    for line in open(f"/proc/{em.process.pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024


def ports(em):
    """(port, TLS or not) of every listener."""
    databricks = zerobus_client.json.load(open(em.env["SFZB_HOME"] + "/profiles/emulator/databricks.json"))
    number = lambda url: int(url.rsplit(":", 1)[1])
    return {"salesforce": (number(em.settings["instance_url"]), True), "pubsub": (number(em.settings["pubsub_endpoint"]), True),
            "databricks": (number(databricks["host"]), True), "zerobus": (number(databricks["ingest_endpoint"]), True),
            "admin": (number(em.admin_url), False)}


def connect(em, port, tls, alpn=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    if not tls:
        return raw
    context = ssl.create_default_context(cafile=em.settings["ca_file"])
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(raw, server_hostname="localhost")


def still_serves(em):
    assert em.process.poll() is None, f"the emulator ended with {em.process.returncode}"
    em.log_in()
    assert em.topic(ORDERS).topic_name
    assert em.state()["salesforce"]["published"] >= 0
    assert em.http("GET", zerobus_client.json.load(open(em.env["SFZB_HOME"] + "/profiles/emulator/databricks.json"))["host"]
                   + "/.well-known/databricks-config")[0] == 200


GARBAGE = random.Random(5).randbytes(20000)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def test_garbage(em):
    """Bytes that are nothing, behind TLS and before it; frames of HTTP/2 that break its rules; requests cut off."""
    broken_h2 = [PREFACE + GARBAGE, PREFACE + frame(4, 0, 0, b"\0" * 7), PREFACE + frame(4, 0, 0, b"") + frame(0, 1, 99, b"x" * 100),
                 PREFACE + frame(4, 0, 0, b"") + frame(1, 4, 1, GARBAGE[:500]), PREFACE + frame(4, 0, 0, b"") + frame(9, 4, 1, b""),
                 PREFACE + frame(4, 0, 0, b"") + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", PREFACE[:10]]
    broken_h1 = [GARBAGE, b"GET", b"GET / HTTP/1.1\r\nHost", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"POST /services/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\ngrant_type=",
                 b"POST /services/oauth2/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"\0" * 5000, b"\r\n" * 5000,
                 b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n",
                 b"GET /%zz%00/..//../%ff?q=%zz HTTP/1.1\r\nHost: x\r\n\r\n"]
    for name, (port, tls) in ports(em).items():
        grpc_port = name in ("pubsub", "zerobus")
        for data in (GARBAGE, b"", b"\x16\x03\x01\xff\xff" + GARBAGE, b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as raw:
                try:
                    raw.sendall(data)
                except OSError:
                    pass
        for data in broken_h2 if grpc_port else broken_h1:
            s = connect(em, port, tls, "h2" if grpc_port else None)
            try:
                s.sendall(data)
            except OSError:
                pass
            s.close()
        still_serves(em)


def test_huge_headers(em):
    for name, (port, tls) in ports(em).items():
        if name in ("pubsub", "zerobus"):
            continue
        for header in (b"A: " + b"x" * 5000000, b"".join(b"H%d: x\r\n" % i for i in range(200000))):
            s = connect(em, port, tls)
            try:
                s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
            except OSError:
                pass  # it stopped listening, as it should
            s.close()
    channel = grpc.secure_channel(em.settings["pubsub_endpoint"], grpc.ssl_channel_credentials(open(em.settings["ca_file"], "rb").read()),
                                  options=[("grpc.use_local_subchannel_pool", 1)])
    try:  # on a connection of its own, which it may cost
        channel.unary_unary("/eventbus.v1.PubSub/GetTopic", request_serializer=lambda x: x.SerializeToString())(
            M["TopicRequest"](topic_name=ORDERS), metadata=em.metadata + [("x-more", "y" * 3000000)], timeout=120)
        raise AssertionError("3 MB of metadata were taken")
    except grpc.RpcError as e:
        assert e.code().name in ("RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED"), e
    channel.close()
    still_serves(em)


def test_odd_requests(em):
    """Well-formed calls with what nobody sends: bodies that are no messages, methods that are none, SQL and SOQL and scripts that are none."""
    raw = lambda method: em.channel.stream_stream("/eventbus.v1.PubSub/" + method, request_serializer=lambda x: x, response_deserializer=lambda x: x)
    for method in ("Subscribe", "ManagedSubscribe", "PublishStream", "GetTopic", "GetSchema", "Publish", ""):
        for body in (b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x7fshort", b"", GARBAGE[:3000]):
            try:
                list(raw(method)(iter([body]), metadata=em.metadata, timeout=120))
            except grpc.RpcError as e:
                assert e.code().name not in ("DEADLINE_EXCEEDED",), (method, body[:20])
    text = GARBAGE[:2000].decode("latin-1")
    for path in ("/services/data/v67.0/query?q=", "/services/data/v67.0/tooling/query?q="):
        for q in ("SELECT", "SELECT%20" + "a," * 5000 + "a%20FROM%20Account", "%ff%fe", "SELECT%20Id%20FROM%20Account%20WHERE%20Id%20IN%20(" + "('" * 3000):
            status, _, _ = em.http("GET", path + q, headers={"Authorization": "Bearer " + em.access_token})
            assert status in (200, 400, 414), (status, q[:40])
    for path, body in (("/faults", text), ("/events", text), ("/events", '{"count": -1}'), ("/events", '{"count": 1e300}'), ("/events", "[" * 100000),
                       ("/schema", '{"object": {}, "add": []}'), ("/managed", '{"expire": 5}'), ("/events", '{"schema_id": 5}\n{"topic": null}\n')):
        status, _, _ = em.admin("POST", path, body)
        assert status in (200, 400, 409), (path, body[:30], status)
    for path in ("/rows?table=a", "/rows?table=a.b.c&columns=", "/published?after=zz&limit=0", "/published?limit=-1", "/rows", "/%00"):
        assert em.admin("GET", path)[0] in (200, 400, 404, 414), path
    page = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    for method, path in (("POST", "/events"), ("PUT", "/faults"), ("POST", "/schema"), ("POST", "/shutdown"), ("DELETE", "/faults")):
        assert em.http(method, em.admin_url + path, b'{"count": 1}', page)[0] == 403, "a web page must not be able to do it"
    still_serves(em)


def test_dripping_clients(em):
    """Connections that send a byte now and then, or nothing: others are served meanwhile."""
    open_ones = []
    for name, (port, tls) in ports(em).items():
        for i in range(40):
            s = connect(em, port, tls and i % 2 == 0, "h2" if name in ("pubsub", "zerobus") else None)
            s.sendall((PREFACE if name in ("pubsub", "zerobus") else b"POST /services/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n")[:i + 1])
            open_ones.append(s)
    for _ in range(3):
        for s in open_ones:
            try:
                s.sendall(b"x")
            except OSError:
                pass
        still_serves(em)
    for s in open_ones:
        s.close()
    still_serves(em)


def test_many_subscribers(em):
    """Two hundred at a time get each event; when they vanish nothing is left of them."""
    count = len(em.read_all("/data/AccountChangeEvent"))
    before = memory(em)
    channels = [grpc.secure_channel(em.settings["pubsub_endpoint"], grpc.ssl_channel_credentials(open(em.settings["ca_file"], "rb").read()),
                                    options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]) for _ in range(20)]
    seen, failed = [0] * 200, []

    def read(n):
        try:
            request = lambda: M["FetchRequest"](topic_name="/data/AccountChangeEvent", replay_preset=EARLIEST, num_requested=100)
            waiting = zerobus_client.queue.Queue()
            waiting.put(request())
            call = channels[n % 20].stream_stream("/eventbus.v1.PubSub/Subscribe", request_serializer=lambda x: x.SerializeToString(),
                                                  response_deserializer=M["FetchResponse"].FromString)(
                iter(waiting.get, None), metadata=em.metadata, timeout=300)
            for m in call:
                seen[n] += len(m.events)
                if not m.events:
                    break
                waiting.put(M["FetchRequest"](num_requested=len(m.events)))
            waiting.put(None)
            call.cancel()
        except Exception as e:
            failed.append(repr(e)[:300])
    threads = [threading.Thread(target=read, args=(n,)) for n in range(200)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[:3]
    assert seen == [count] * 200, set(seen)
    for c in channels:
        c.close()
    end = time.monotonic() + 60
    while em.state()["salesforce"]["open_calls"] > 0:
        assert time.monotonic() < end, em.state()
        time.sleep(0.05)
    if not SANITIZED:
        assert memory(em) < before + 150, (before, memory(em))


def never_reading(em, make):
    """A gRPC call over a bare socket whose answers are never read: what may pile up at the server is bounded."""
    before = memory(em)
    peak = make()
    assert em.process.poll() is None
    if not SANITIZED:
        assert peak - before < 120, f"{before:.0f} MB grew to {peak:.0f} MB"


def hpack_literal(name, value):
    """One header, not indexed, not Huffman-coded."""
    def integer(n, bits):
        if n < (1 << bits) - 1:
            return bytes([n])
        out, n = [(1 << bits) - 1], n - ((1 << bits) - 1)
        while n >= 128:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes(out + [n])
    return b"\0" + integer(len(name), 7) + name.encode() + integer(len(value), 7) + value.encode()


def bare_call(em, path, metadata, messages, window):
    """A socket with one gRPC call on it, its messages sent; window: of the stream and the connection, in bytes."""
    port = int(em.settings["pubsub_endpoint"].rsplit(":", 1)[1])
    s = connect(em, port, True, "h2")
    head = b"".join(hpack_literal(k, v) for k, v in [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"),
                                                    ("te", "trailers"), ("content-type", "application/grpc"), *metadata])
    s.sendall(PREFACE + frame(4, 0, 0, struct.pack(">HI", 4, window)) + frame(1, 4, 1, head))
    for m in messages:
        data = m.SerializeToString()
        s.sendall(frame(0, 0, 1, b"\0" + struct.pack(">I", len(data)) + data))
    return s


def test_never_reads(em):
    """Subscribers with credit that do not read: events stay on the bus, not in memory; and those that ask for ever without reading."""
    em.admin("POST", "/events", '{"count": 20000}')

    def subscribers():
        open_ones, peak = [], 0
        for _ in range(30):
            first = M["FetchRequest"](topic_name="/data/ChangeEvents", replay_preset=EARLIEST, num_requested=100)
            more = [M["FetchRequest"](num_requested=100)] * 200
            try:
                open_ones.append(bare_call(em, "/eventbus.v1.PubSub/Subscribe", em.metadata, [first] + more, 1 << 20))
            except OSError:
                pass
            peak = max(peak, memory(em))
        for _ in range(10):
            time.sleep(0.1)
            peak = max(peak, memory(em))
        for s in open_ones:
            s.close()
        return peak
    never_reading(em, subscribers)

    def callers():  # GetTopic again and again on one connection, answers never fetched
        s = bare_call(em, "/eventbus.v1.PubSub/GetTopic", em.metadata, [], 0)
        s.settimeout(2)
        peak = 0
        head = b"".join(hpack_literal(k, v) for k, v in [(":method", "POST"), (":scheme", "https"), (":path", "/eventbus.v1.PubSub/GetTopic"),
                                                        (":authority", "localhost"), ("te", "trailers"), ("content-type", "application/grpc"), *em.metadata])
        data = M["TopicRequest"](topic_name=ORDERS).SerializeToString()
        try:
            for n in range(3, 6001, 2):
                s.sendall(frame(1, 4, n, head) + frame(0, 1, n, b"\0" + struct.pack(">I", len(data)) + data))
                if n % 500 == 3:
                    peak = max(peak, memory(em))
        except OSError:
            pass
        peak = max(peak, memory(em))
        s.close()
        return peak
    never_reading(em, callers)
    still_serves(em)


def test_web_never_read(em):
    """Large answers of HTTP that nobody reads, and connections that vanish in the middle of them."""
    before, open_ones = memory(em), []
    port = int(em.admin_url.rsplit(":", 1)[1])
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET /published?limit=2000 HTTP/1.1\r\nHost: x\r\n\r\n")
        open_ones.append(s)
    still_serves(em)
    for s in open_ones:
        s.close()
    if not SANITIZED:
        assert memory(em) < before + 150, (before, memory(em))
    still_serves(em)


def test_ingest_never_read(_):
    """Rows sent without reading the acknowledgements; record and batch bytes that are none; a stream that is dropped with work under way."""
    em = zerobus_client.Emulator("--faults", os.devnull)
    try:
        em.sql("CREATE TABLE main.crm.events (event_id STRING)")
        rng = random.Random(9)
        classes, descriptors = zerobus_client.compile_proto('syntax = "proto2"; message Event { optional string event_id = 1; }')
        for n in range(60):
            s = em.open("main.crm.events", zerobus_client.PROTO, descriptors["Event"])
            for _ in range(rng.randrange(1, 20)):
                s.send(rng.choice([rng.randbytes(rng.randrange(200)), b"\x1a\x7f", b"\x12\x02\x08\x00",
                                   M_request(s, rng.randbytes(rng.randrange(60)))]))
            s.drop()
        s = em.open("main.crm.events", zerobus_client.PROTO, descriptors["Event"])
        for i in range(3000):
            s.one(classes["Event"](event_id=f"{i}" + "x" * 2000).SerializeToString())
        time.sleep(0.5)
        s.drop()
        assert em.process.poll() is None
        s = em.open("main.crm.events", zerobus_client.JSON)
        s.one('{"event_id":"last"}')
        s.finish()
        assert "last" in [r["event_id"] for r in em.rows("main.crm.events", "event_id")]
        if not SANITIZED:
            assert memory(em) < 400, memory(em)
    finally:
        em.close()


def M_request(s, record):
    return zerobus_client.M["EphemeralStreamRequest"](ingest_record=zerobus_client.M["IngestRecordRequest"](
        offset_id=s.offset, proto_encoded_record=record)).SerializeToString()


TESTS = [test_garbage, test_huge_headers, test_odd_requests, test_dripping_clients, test_many_subscribers, test_never_reads, test_web_never_read,
         test_ingest_never_read]

if __name__ == "__main__":
    sys.exit(run_against(Emulator("--events", "2000", "--seed", "5"), TESTS))
