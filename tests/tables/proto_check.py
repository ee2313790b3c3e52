#!/usr/bin/python3
"""Holds proto/ against the vendors' numbers and against python3-protobuf.

usage: proto_check.py PROTO_ECHO SCRATCH_DIR

1. Every message, field, number and type of tests/data/protocol-numbers.txt is in the .proto files, and nothing else.
2. Random messages of every type, encoded by python3-protobuf, come back byte for byte from the C code made of the same files.
3. The vectors that the vendor's protoc made for Zerobus decode to what they mean.
"""
import os
import random
import subprocess
import sys

echo, scratch = sys.argv[1], sys.argv[2]
top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
os.makedirs(scratch, exist_ok=True)
subprocess.run(["protoc", f"--python_out={scratch}", "-I", f"{top}/proto", "-I", "/usr/include",
                f"{top}/proto/pubsub_api.proto", f"{top}/proto/zerobus.proto"], check=True)
sys.path.insert(0, scratch)
import pubsub_api_pb2  # noqa: E402
import zerobus_pb2  # noqa: E402
from google.protobuf.descriptor import FieldDescriptor as F  # noqa: E402

passed = failed = 0


def check(good, what):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAIL", what)


files = [pubsub_api_pb2.DESCRIPTOR, zerobus_pb2.DESCRIPTOR]
types = {v: k[5:].lower() for k, v in vars(F).items() if k.startswith("TYPE_")}
have = set()
for f in files:
    for m in f.message_types_by_name.values():
        for d in m.fields:
            kind = d.message_type.name if d.message_type else d.enum_type.name if d.enum_type else types[d.type]
            repeated = "repeated " if d.label == F.LABEL_REPEATED else ""
            have.add(f"{m.full_name} {d.name} {d.number} {repeated}{kind}")
    for n in f.enum_types_by_name.values():
        have.update(f"enum {n.full_name} {v.name} {v.number}" for v in n.values)
with open(f"{top}/tests/data/protocol-numbers.txt") as lines:
    want = {line.strip() for line in lines if line[0] != "#"}
for line in sorted(want | have):
    check(line in want and line in have, f"{'not on the page' if line in have else 'not in proto/'}: {line}")

rnd = random.Random(20260101)


def value(d):
    if d.type == F.TYPE_STRING:
        return "".join(rnd.choice("aZ09-/ é漢😀") for _ in range(rnd.randrange(1, 40)))
    if d.type == F.TYPE_BYTES:
        return rnd.randbytes(rnd.choice([1, 10, 200, 5000]))
    if d.type == F.TYPE_BOOL:
        return True
    if d.type == F.TYPE_ENUM:
        return rnd.choice(d.enum_type.values).number
    bits = 31 if d.type == F.TYPE_INT32 else 63
    return rnd.choice([1, -1, 2 ** bits - 1, -2 ** bits, rnd.getrandbits(bits)])


def fill(m):
    for d in m.DESCRIPTOR.fields:
        if rnd.random() < 0.3 or (d.containing_oneof and m.WhichOneof(d.containing_oneof.name)):
            continue
        repeated = d.label == F.LABEL_REPEATED
        for _ in range(rnd.randrange(1, 4) if repeated else 1):
            if d.message_type:
                child = getattr(m, d.name).add() if repeated else getattr(m, d.name)
                child.SetInParent()
                if d.message_type.name == "Duration":
                    child.seconds, child.nanos = rnd.getrandbits(33), rnd.getrandbits(29)
                else:
                    fill(child)
            elif repeated:
                getattr(m, d.name).append(value(d))
            else:
                setattr(m, d.name, value(d))


peer = subprocess.Popen([echo], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
for module in (pubsub_api_pb2, zerobus_pb2):
    for name, d in sorted(module.DESCRIPTOR.message_types_by_name.items()):
        for i in range(50):
            m = getattr(module, name)()
            if i:
                fill(m)
            sent = m.SerializeToString(deterministic=True)
            peer.stdin.write(f"{d.full_name} {sent.hex()}\n")
            peer.stdin.flush()
            got = peer.stdout.readline().strip()
            check(got == sent.hex(), f"{name}: sent {sent.hex()[:80]} got {got[:80]}")
peer.stdin.close()
peer.wait()

Z = zerobus_pb2
for hexa, cls, want_text in [
        ("0a0e0a0a6d61696e2e63726d2e742002", Z.EphemeralStreamRequest, 'create_stream { table_name: "main.crm.t" record_type: JSON }'),
        ("120608001a027b7d", Z.EphemeralStreamRequest, 'ingest_record { offset_id: 0 json_record: "{}" }'),
        ("1a0c080112080a0208010a020802", Z.EphemeralStreamRequest,
         'ingest_record_batch { offset_id: 1 proto_encoded_batch { records: "\\010\\001" records: "\\010\\002" } }'),
        ("0a040a027331", Z.EphemeralStreamResponse, 'create_stream_response { stream_id: "s1" }'),
        ("12020800", Z.EphemeralStreamResponse, "ingest_record_response { durability_ack_up_to_offset: 0 }"),
        ("120308ac02", Z.EphemeralStreamResponse, "ingest_record_response { durability_ack_up_to_offset: 300 }"),
        ("1a040a02081e", Z.EphemeralStreamResponse, "close_stream_signal { duration { seconds: 30 } }")]:
    m = cls.FromString(bytes.fromhex(hexa))
    check(" ".join(str(m).split()) == want_text, f"{hexa}: {str(m)}")
    check(m.SerializeToString() == bytes.fromhex(hexa), f"{hexa} again")

print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
