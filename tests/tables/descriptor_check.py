#!/usr/bin/env python3
"""Reads serialized DescriptorProtos, one a line in hex, and builds each alone with protobuf's own library.

The library checks what Zerobus checks: names, numbers, map entries, that no type outside of the message is meant. Each is
then used: a message with every field set must come back from its bytes as it was. Exit 1 names the first that fails.
"""
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def fill(message, depth=0):
    for field in message.DESCRIPTOR.fields:
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        if entry:
            key = {9: "k", 8: True}.get(field.message_type.fields_by_name["key"].type, -7)
            value = field.message_type.fields_by_name["value"]
            if value.message_type is not None:
                fill(getattr(message, field.name)[key], depth + 1)
            else:
                getattr(message, field.name)[key] = scalar(value.type)
        elif field.label == field.LABEL_REPEATED:
            into = getattr(message, field.name)
            if field.message_type is not None:
                fill(into.add(), depth + 1)
            else:
                into.extend([scalar(field.type), scalar(field.type)])
        elif field.message_type is not None:
            into = getattr(message, field.name)
            into.SetInParent()
            fill(into, depth + 1)
        else:
            setattr(message, field.name, scalar(field.type))


def scalar(kind):
    return {1: 0.1, 2: 0.5, 3: -2**63, 5: -2**31, 8: True, 9: "\u00e4", 12: b"\xff\x00"}[kind]


for number, line in enumerate(sys.stdin, 1):
    try:
        proto = descriptor_pb2.DescriptorProto.FromString(bytes.fromhex(line))
        pool = descriptor_pool.DescriptorPool()
        pool.Add(descriptor_pb2.FileDescriptorProto(name="r.proto", syntax="proto2", message_type=[proto]))
        made = message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(proto.name))
        message = made()
        fill(message)
        if made.FromString(message.SerializeToString()) != message:
            raise ValueError("comes back different")
    except Exception as why:
        sys.exit("descriptor %d: %s: %s" % (number, type(why).__name__, why))
if "number" not in globals():
    sys.exit("no descriptors")
