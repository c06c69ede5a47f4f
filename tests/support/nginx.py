"""nginx as a server of HTTP/2, by TLS or in clear."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import trustme

NGINX = Path("/usr/sbin/nginx")


@contextlib.contextmanager
def nginx_serving(
    folder: Path, keepalive_requests: int = 10_000, streams: int = 4, *, is_tls: bool = True
) -> Iterator[tuple[str, str]]:
    """nginx on a free port, and the file of its CA; it says goodbye (GOAWAY) after keepalive_requests."""
    if not NGINX.exists():
        pytest.skip("nginx is not installed")
    built_with = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True, timeout=10).stderr
    if "http_v2_module" not in built_with:
        pytest.skip("this nginx was built without HTTP/2")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    (folder / "big").write_bytes(b"x" * 300_000)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = f"""
        daemon off; master_process off; pid pid; error_log error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
            scgi_temp_path t5; keepalive_requests {keepalive_requests}; http2_max_concurrent_streams {streams};
            server {{
                listen 127.0.0.1:{port} {"ssl" if is_tls else ""} http2;
                ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
                large_client_header_buffers 4 32k;
                location = /big {{ root {folder}; }}
                location / {{ add_header x-protocol $server_protocol; return 200 "ok"; }}
            }}
        }}
    """
    (folder / "nginx.conf").write_text(dedent(config))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"])
    try:
        await_listening(port, process)
        yield f"http{'s' if is_tls else ''}://127.0.0.1:{port}", str(folder / "ca.pem")
    finally:
        process.terminate()
        process.wait(timeout=10)


def await_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Come back when it takes connections; a test whose nginx cannot be started is skipped."""
    for _ in range(500):
        if process.poll() is not None:
            pytest.skip(f"nginx ended with {process.returncode} instead of listening")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
    pytest.fail("nginx did not listen")
