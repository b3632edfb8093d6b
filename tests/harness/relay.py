"""A TCP relay in front of a server that can turn into a path that swallows everything: what was established stays
open and says nothing any more, new connections work."""
import select
import socket
import struct
import threading

from . import place


class Relay:
    def __init__(self, host, port):
        self.to, self.port, self.pairs, self.over = (host, port), place.free_port(), [], False
        self.is_cut = False
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.over:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                self._note(client, None).set()
                continue
            try:
                server = socket.create_connection(self.to)
            except OSError:  # the server is down
                client.close()
                continue
            self._note(client, server)
            threading.Thread(target=self._carry, args=(self.pairs[-1],), daemon=True).start()

    def _note(self, client, server):
        pair = {"client": client, "server": server, "first": b"", "dead": threading.Event()}
        with self.lock:
            self.pairs.append(pair)
        return pair["dead"]

    def _carry(self, pair):
        client, server = pair["client"], pair["server"]
        while not self.over and not pair["dead"].is_set():
            ready, _, _ = select.select([client, server], [], [], 0.1)
            for end in ready:
                if pair["dead"].is_set():
                    return
                try:
                    data = end.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    client.close()
                    server.close()
                    return
                if end is client and len(pair["first"]) < 4096:
                    pair["first"] += data
                (server if end is client else client).sendall(data)

    def swallow(self, mark=b"replication"):
        """Established connections whose first bytes hold the mark; how many."""
        with self.lock:
            hit = [p for p in self.pairs if mark in p["first"] and not p["dead"].is_set()]
        for pair in hit:
            pair["dead"].set()
        return len(hit)

    def cut(self):
        """Nothing gets through any more, nor is anything refused: what is open is silent, and so is what is opened."""
        self.is_cut = True
        return self.swallow(b"")

    def mend(self):
        """What was cut is reset on both ends, as their kernels do when nobody acknowledges."""
        self.is_cut = False
        with self.lock:
            dead = [p for p in self.pairs if p["dead"].is_set()]
        for end in (p[end] for p in dead for end in ("client", "server") if p[end] is not None and p[end].fileno() >= 0):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()

    def close(self):
        self.over = True
        self.listener.close()
        for pair in self.pairs:
            pair["client"].close()
            if pair["server"] is not None:
                pair["server"].close()
