"""A TCP relay in front of a server that can turn into a path that swallows everything: what was established stays
open and says nothing any more, new connections work."""
import select
import socket
import threading

from . import place


class Relay:
    def __init__(self, host, port):
        self.to, self.port, self.pairs, self.over = (host, port), place.free_port(), [], False
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.over:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.to)
            pair = {"client": client, "server": server, "first": b"", "dead": threading.Event()}
            with self.lock:
                self.pairs.append(pair)
            threading.Thread(target=self._carry, args=(pair,), daemon=True).start()

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

    def close(self):
        self.over = True
        self.listener.close()
        for pair in self.pairs:
            pair["client"].close()
            pair["server"].close()
