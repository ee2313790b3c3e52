"""What is in the emulated org's events, read by python3-avro: decoding, bitmaps, and what must hold of every change event."""
import io

import avro.io
import avro.schema

TOPICS = {"/data/AccountChangeEvent": "Account", "/data/ContactChangeEvent": "Contact",
          "/data/OpportunityChangeEvent": "Opportunity", "/data/Invoice__ChangeEvent": "Invoice__c"}
ORDERS = "/event/Order_Event__e"


def names_of(fields, bitmaps):
    out = []
    for element in bitmaps:
        part, prefix = fields, ""
        if "-" in element:
            position, element = element.split("-")
            field = fields[int(position)]
            part, prefix = [t for t in field.type.schemas if t.type == "record"][-1].fields, field.name + "."
        assert element == "0x" + element[2:].upper() and len(element) % 2 == 0, element
        value = int(element, 16)
        out += [prefix + part[i].name for i in range(value.bit_length()) if value >> i & 1]
    return out


class Decoder:
    def __init__(self, emulator):
        self.emulator, self.schemas = emulator, {}

    def __call__(self, event):
        if event.schema_id not in self.schemas:
            self.schemas[event.schema_id] = avro.schema.parse(self.emulator.schema(event.schema_id).schema_json)
        schema, data = self.schemas[event.schema_id], io.BytesIO(event.payload)
        record = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(data))
        assert data.tell() == len(event.payload), "bytes are left"
        return schema, record


def check_change(schema, record, counts):
    header = record["ChangeEventHeader"]
    kind = header["changeType"]
    changed, nulled, diffed = (names_of(schema.fields, header[k]) for k in ("changedFields", "nulledFields", "diffFields"))
    counts[kind] += 1
    counts["merged"] += len(header["recordIds"]) > 1
    counts["diff"] += bool(diffed)
    counts["nested"] += any("." in n for n in changed)
    assert set(nulled) <= set(changed) and set(diffed) <= set(changed)
    present = set()
    for name, value in record.items():
        if name == "ChangeEventHeader" or value is None:
            continue
        present |= {f"{name}.{k}" for k, v in value.items() if v is not None} if isinstance(value, dict) else {name}
    if kind == "UPDATE":
        assert "LastModifiedDate" in changed
        assert present == set(changed) - set(nulled), (present ^ set(changed), header)
    else:
        assert not changed
    if kind in ("CREATE", "UNDELETE"):
        assert {"CreatedDate", "LastModifiedDate"} <= present
    if kind == "DELETE" or kind.startswith("GAP"):
        assert not present, kind
    assert (kind == "GAP_OVERFLOW") == (not header["recordIds"])


def order(number, schema, **more):
    record = {f.name: None for f in schema.fields}
    record.update(CreatedDate=1700000000000, CreatedById="0055f000000Emu1AAC", Order_Number__c=f"N-{number}", **more)
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(record, avro.io.BinaryEncoder(out))
    return out.getvalue()
