"""The servers of a measurement: nginx over TLS for recorded replies and as a sink, and a small server beside it.

nginx gives static answers only: recorded replies to GETs, 204 to UpdateMultiple once the whole body is read. A create's
answer names the created ids, so CreateMultiple is passed on to `bench.engine.sink`. All listen on loopback; nginx runs
under a pid file of its own and its log counts requests and bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from isal import igzip

from bench.engine import recording
from bench.engine.layout import CHANGED, REPOSITORY, SINK_PORT, UNCHANGED, WORK, DataSet, origin, port

FOLDER = WORK / "nginx"
CA_FILE = FOLDER / "ca.pem"
TOKEN = "eyJ" + "x" * 1797
"""As long as the service's own tokens."""
NOTHING = '{"value":[]}'
"""What was changed while the table was read: no row."""
_LOG = FOLDER / "access.log"

_CONFIGURATION = """
{user}worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  log_format bench '$server_port $request_method $status $request_length $bytes_sent $uri';
  access_log {folder}/access.log bench;
  keepalive_requests 1000000; keepalive_timeout 300s; client_max_body_size 128m; client_body_buffer_size 8m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map_hash_bucket_size 4096; map_hash_max_size 4096;
  default_type "application/json; odata.metadata=minimal";
  gzip_static always;
  map $request_uri $recorded {{
    default "";
{recorded}
  }}
  map $request_uri $page {{
    default "";
    "{first_page}" "1";
    "~skiptoken=%3Ccookie%20pagenumber%3D%22(?<number>[0-9]+)%22" $number;
  }}
  upstream null {{ server unix:{folder}/null.sock; keepalive 64; }}
  server {{ listen unix:{folder}/null.sock; access_log off; location / {{ return 204; }} }}
{servers}
}}
"""

_SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl; server_name localhost;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key; ssl_protocols TLSv1.2 TLSv1.3;
    add_header OData-Version 4.0; add_header x-ms-service-request-id 1ee13aa7-47f3-4a75-95fa-2916775a1f79;
    add_header x-ms-dop-hint 48;
    location ~ /oauth2/v2\\.0/token$ {{ return 200 '{token}'; }}
    location ~ \\.UpdateMultiple$ {{
      proxy_pass http://null; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length "";
    }}
    location ~ \\.CreateMultiple$ {{ proxy_pass http://127.0.0.1:{sink}; proxy_http_version 1.1; }}
    location / {{
      if ($args ~ "modifiedon(%20|[+])ge") {{ return 200 '{nothing}'; }}
      if ($page != "") {{ rewrite ^ /_pages/$page.json last; }}
      if ($recorded != "") {{ rewrite ^ /_recorded/$recorded last; }}
      return 404;
    }}
    location /_pages/ {{ internal; alias {pages}/; }}
    location /_recorded/ {{ internal; alias {recording}/; }}
  }}
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the servers saw during one run. Bytes of requests as they came, with headers."""

    reads: int
    writes: Mapping[str, int]
    refused: int
    sent_bytes: int
    received_bytes: int


@contextmanager
def running(data: DataSet) -> Iterator[None]:
    """nginx and the sink for this data, stopped afterwards."""
    _prepare(data)
    sink = subprocess.Popen([sys.executable, "-m", "bench.engine.sink", str(SINK_PORT)], cwd=REPOSITORY)
    nginx = subprocess.Popen([_nginx(), "-p", str(FOLDER), "-c", str(FOLDER / "nginx.conf"), "-g", "daemon off;"])
    try:
        _await(nginx)
        yield
    finally:
        for server in (nginx, sink):
            server.terminate()
            server.wait(20)


@contextmanager
def traffic() -> Iterator[list[Traffic]]:
    """Counts what goes on inside; the list holds it afterwards."""
    start = _LOG.stat().st_size
    seen: list[Traffic] = []
    yield seen
    time.sleep(0.2)  # the last lines are written after the last answers
    with _LOG.open() as log:
        log.seek(start)
        seen.append(_counted([line.split(" ", 5) for line in log]))


def _counted(lines: list[list[str]]) -> Traffic:
    writes = Counter(
        line[5].strip().rsplit(".", 1)[-1]
        for line in lines
        if line[1] != "GET" and not line[5].strip().endswith("token")
    )
    return Traffic(
        reads=sum(line[1] == "GET" for line in lines),
        writes=dict(writes),
        refused=sum(not line[2].startswith("2") for line in lines),
        received_bytes=sum(int(line[4]) for line in lines),
        sent_bytes=sum(int(line[3]) for line in lines),
    )


def _nginx() -> str:
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None:
        raise SystemExit("the bench needs nginx: apt-get install nginx")
    return found


def _prepare(data: DataSet) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    _certificates()
    for name in recording.replies().values():
        (FOLDER / "recorded").mkdir(exist_ok=True)
        _gzip(recording.FOLDER / name, FOLDER / "recorded" / f"{name}.gz")
    (FOLDER / "nginx.conf").write_text(_configuration(data))


def _gzip(source: Path, target: Path) -> None:
    target.write_bytes(igzip.compress(source.read_bytes()))


def _configuration(data: DataSet) -> str:
    recorded = {path: name for path, name in recording.replies().items() if path != recording.first_page()}
    token = json.dumps({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN})
    servers = [
        _SERVER.format(
            port=port(name),
            folder=FOLDER,
            token=token,
            nothing=NOTHING,
            sink=SINK_PORT,
            pages=data.pages(name),
            recording=FOLDER / "recorded",
        )
        for name in (CHANGED, UNCHANGED)
    ]
    return _CONFIGURATION.format(
        user="user root; " if _is_root() else "",
        folder=FOLDER,
        recorded="\n".join(f'    {_quoted(path)} "{name}";' for path, name in recorded.items()),
        first_page=_escaped(recording.first_page()),
        servers="".join(servers),
    )


def _quoted(path: str) -> str:
    return f'"{_escaped(path)}"'


def _escaped(text: str) -> str:
    """For a map's key: dollars stand for themselves there, quotes and backslashes do not."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _is_root() -> bool:
    return os.geteuid() == 0


def _certificates() -> None:
    """An authority of our own and a certificate for localhost."""
    subject = "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
    (FOLDER / "server.ext").write_text(subject)
    _openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=bench-authority -keyout ca.key -out ca.pem "
        "-addext keyUsage=critical,keyCertSign,cRLSign"
    )
    _openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr")
    _openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext "
        "-out server.pem"
    )


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=FOLDER, check=True, capture_output=True)


def _await(nginx: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if nginx.poll() is not None:
            raise SystemExit(f"nginx did not start; see {FOLDER / 'error.log'} (is port {port(CHANGED)} taken?)")
        try:
            answer = requests.get(f"{origin(CHANGED)}/api/data/v9.2/WhoAmI", verify=str(CA_FILE), timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
            continue
        if answer.status_code == 200 and "UserId" in answer.json():
            return
        raise SystemExit(f"nginx answers {answer.status_code} to WhoAmI; see {FOLDER / 'error.log'}")
    raise SystemExit("nginx does not answer")
