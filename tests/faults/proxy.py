"""A TCP proxy between sfzb and the emulator that cuts, resets, stalls or refuses at a chosen moment.

It does not look inside TLS; it counts the records that carry data, in each direction, which is what one write of a peer
becomes. Handshakes are not counted.
"""
import socket
import struct
import threading

APPLICATION_DATA = 23


class Records:
    """Splits a byte stream at TLS record borders and counts the records of data."""

    def __init__(self):
        self.rest, self.data = b"", 0

    def feed(self, chunk):
        """Yields (bytes, is data) a whole record at a time."""
        self.rest += chunk
        while len(self.rest) >= 5:
            size = 5 + struct.unpack(">H", self.rest[3:5])[0]
            if len(self.rest) < size:
                return
            record, self.rest = self.rest[:size], self.rest[size:]
            is_data = record[0] == APPLICATION_DATA
            self.data += is_data
            yield record, is_data


class Proxy:
    """Listens on `port`, forwards to 127.0.0.1:`target`; `plan` is (direction, n, action) or None.

    direction "up" (from sfzb) or "down"; behind its nth record of data of one connection the action is done, once:
    "cut" closes both sides, "reset" does it with RST, "stall" keeps them open and forwards nothing more, either way,
    "half" forwards nothing more in that direction only.
    """

    def __init__(self, target):
        self.target, self.plan, self.struck, self.refuse, self.refuse_then = target, None, 0, 0, 0
        self.lock = threading.Lock()
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def set_plan(self, plan, refuse_then=0):
        """refuse_then: so many connections are reset at once after the plan has struck."""
        with self.lock:
            self.plan, self.struck, self.refuse, self.refuse_then = plan, 0, 0, refuse_then

    def accept(self):
        while True:
            try:
                inside, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                refused, self.refuse = self.refuse > 0, max(0, self.refuse - 1)
                self.struck += refused
            if refused:
                self.abort(inside)
                continue
            try:
                outside = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                inside.close()
                continue
            for s in (inside, outside):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = {"sockets": (inside, outside), "stalled": set()}
            self.pairs.append(pair)
            for direction, a, b in (("up", inside, outside), ("down", outside, inside)):
                threading.Thread(target=self.pump, args=(pair, direction, a, b), daemon=True).start()

    @staticmethod
    def abort(s):
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        s.close()

    def end(self, pair, reset=False):
        for s in pair["sockets"]:
            if reset:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except OSError:
                    pass
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def cut_all(self):
        """Every connection there is now; returns how many."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self.end(pair, reset=True)
        return len(pairs)

    def strikes(self, direction, n):
        with self.lock:
            if self.plan is None or self.struck or self.plan[:2] != (direction, n):
                return None
            self.struck, self.refuse = 1, self.refuse_then
            return self.plan[2]

    def pump(self, pair, direction, source, target):
        records = Records()
        try:
            while True:
                chunk = source.recv(65536)
                if not chunk:
                    break
                for record, is_data in records.feed(chunk):
                    if direction not in pair["stalled"]:
                        target.sendall(record)
                    action = self.strikes(direction, records.data) if is_data else None
                    if action in ("cut", "reset"):
                        self.end(pair, action == "reset")
                        return
                    if action == "stall":
                        pair["stalled"] |= {"up", "down"}
                    elif action == "half":
                        pair["stalled"].add(direction)
        except OSError:
            pass
        self.end(pair)

    def close(self):
        self.listener.close()
        for pair in self.pairs:
            self.end(pair)
