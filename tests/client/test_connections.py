"""Connections of `http.client` that rest between two requests are closed by a move, and open themselves anew."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sojourn.testing import LocalCluster

PROGRAM = """
import http.client, os, queue, sys
from sojourn import hop

class Connection(http.client.HTTPConnection):  # as urllib3 has one
    pass

def ask(connection, path):
    connection.request("GET", path)
    with connection.getresponse() as answer:
        return answer.status, answer.read().decode()

pool = queue.LifoQueue()
for kind in (http.client.HTTPConnection, Connection):
    connection = kind("127.0.0.1", int(sys.argv[1]), timeout=60)
    print(ask(connection, "/first"))
    pool.put(connection)
held = connection.sock
hop("n2")
connections = [pool.get(), pool.get()]
print([each.sock for each in connections], held.fileno(), connections[0] is connection, connection.timeout)
for each in connections:
    print(ask(each, "/second"), ask(each, "/third"))
connection.request("GET", "/fourth")
answer = connection.getresponse()
try:
    hop("n3")
except Exception as error:
    print("socket" in str(error), type(error).__name__)
print(answer.read().decode())
hop("n3")
print(ask(connection, "/fifth"))
"""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.opened = 0

    def process_request(self, request: object, client_address: object) -> None:
        self.opened += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_connection_that_rests_opens_itself_anew(local_cluster: LocalCluster, tmp_path: Path, server: Server) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    port = str(server.server_address[1])
    process = local_cluster.client.run(
        tmp_path / "program.py", port, node="n1", python=sys.executable, cwd=str(tmp_path)
    )
    process.wait()
    out, err = process.output()
    process.rm()
    assert err == b"", err.decode()
    assert out.decode().splitlines() == [
        "(200, 'you asked for /first')",
        "(200, 'you asked for /first')",
        "[None, None] -1 True 60",
        "(200, 'you asked for /second') (200, 'you asked for /third')",
        "(200, 'you asked for /second') (200, 'you asked for /third')",
        "True Unmovable",
        "you asked for /fourth",
        "(200, 'you asked for /fifth')",
    ]
    assert server.opened == 5
