"""The servers that are measured against: nginx, one that logs when each request arrived, and one that takes little."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import CORES, SERVER_CORE, on_core, on_cores
from benchmarks.work import CHAT, token_stream

PORT, CLEAR_PORT, TLS_PORT, LIGHT_PORT = 18_089, 18_090, 18_091, 18_092

CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_rlimit_nofile 16384;
{user}
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_buffer_size 16k; open_file_cache max=10; sendfile on;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder};
    location / {{ return 200 "hello world, this is a body\\n"; }}
    location = /status {{ stub_status; }}
    # A file is for GET only; a POST of a model call is answered with the same.
    location = {chat} {{ default_type text/event-stream; error_page 405 =200 /stream; return 405; }}
    location = /stream {{ default_type text/event-stream; }}
  }}
  {more}
}}
"""
# As many at once on a connection as clients are told, and an answer as short as that of HTTP/1.1.
HTTP2_CONFIG = """
  http2_max_concurrent_streams 128;
  server {{ listen 127.0.0.1:{port} http2 backlog=4096; location / {{ return 200 "hello world, this is a body\\n"; }} }}
  server {{
    listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    location / {{ return 200 "hello world, this is a body\\n"; }}
  }}
"""


class Counted(NamedTuple):
    """What a server has seen. Two of them subtract to what came between."""

    connections: int
    requests: int


class Nginx(NamedTuple):
    """url: without a path."""

    url: str

    def counted(self) -> Counted:
        """How many connections and requests it has taken, this question of ours among them."""
        with urllib.request.urlopen(f"{self.url}/status") as answer:
            _, _, numbers, *_ = answer.read().decode().splitlines()
        _, connections, requests = map(int, numbers.split())
        return Counted(connections, requests)

    def counted_since(self, before: Counted) -> Counted:
        now = self.counted()
        return Counted(now.connections - before.connections - 1, now.requests - before.requests - 1)


@contextmanager
def nginx(*, has_http2: bool = False) -> Iterator[Nginx]:
    """One worker on the server's core. has_http2: it speaks that too, in clear and by TLS, on ports of their own."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(binary).exists():
        sys.exit("scripts/bench needs nginx as the server: install your system's nginx package.")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "stream").write_text(token_stream())
        more = ""
        if has_http2:
            # Of no use to who does not measure this, and only in the environment of the tests.
            import trustme

            certificate = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("127.0.0.1")
            certificate.private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
            more = HTTP2_CONFIG.format(folder=folder, port=CLEAR_PORT, tls_port=TLS_PORT)
        config = Path(folder, "nginx.conf")
        # nginx gives up root's rights unless it is told to keep them, and then may not read our folder.
        user = "user root;" if Path("/proc/self").owner() == "root" else ""
        config.write_text(CONFIG.format(folder=folder, port=PORT, user=user, chat=CHAT, more=more))
        command = [binary, "-c", str(config), "-e", f"{folder}/error.log"]
        server = on_core(SERVER_CORE, command, stderr=subprocess.DEVNULL)
        try:
            found = Nginx(f"http://127.0.0.1:{PORT}")
            _wait_for(found.counted, "nginx", PORT, server)
            yield found
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _wait_for(ask: Callable[[], object], name: str, port: int, process: "subprocess.Popen[str]") -> None:
    for _ in range(100):
        if process.poll() is not None:
            sys.exit(f"{name} ended at once; is port {port} in use?")
        try:
            ask()
            return
        except urllib.error.URLError:
            time.sleep(0.05)
    sys.exit(f"{name} did not answer within 5 s")


class Light(NamedTuple):
    """The light server. url: without a path."""

    url: str
    pid: int

    def answered(self) -> int:
        """How many requests, of which this question is none."""
        with urllib.request.urlopen(f"{self.url}/status") as answer:
            return int(answer.read())

    def cpu_s(self) -> float:
        """What it took of the processor, as Linux counts it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def light() -> Iterator[Light]:
    """On any core, as clients are: what is left of the processor is theirs."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit("scripts/bench needs a C compiler for the light server: install gcc or clang.")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "light_server")
        source = Path(__file__).with_name("light_server.c")
        subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
        stream = Path(folder, "stream")
        stream.write_text(token_stream())
        server = on_cores(CORES, [str(program), str(LIGHT_PORT), str(stream)])
        try:
            found = Light(f"http://127.0.0.1:{LIGHT_PORT}", server.pid)
            _wait_for(found.answered, "the light server", LIGHT_PORT, server)
            yield found
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


class Arrivals:
    """A server that logs requests. url: without a path. Once it has ended, in the order in which it read them:

    came_ns: when the kernel had each at the server's socket. read_ns: when the server had read it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.came_ns: list[int] = []
        self.read_ns: list[int] = []


@contextmanager
def arrivals() -> Iterator[Arrivals]:
    """On the server's core."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "arrivals")
        program = Path(__file__).with_name("arrivals_server.py")
        server = on_core(SERVER_CORE, [sys.executable, str(program), str(log)], stdout=subprocess.PIPE)
        assert server.stdout is not None
        found = Arrivals(server.stdout.readline().strip())
        try:
            yield found
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
            server.stdout.close()
            if log.exists():
                stamps = array("q", log.read_bytes())
                found.came_ns += stamps[::2]
                found.read_ns += stamps[1::2]
