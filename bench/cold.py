"""Cold imports, on the built artifact: what Lambda does before it can call the handler for the first time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from bench.figures import BARE, BUILT, ROOT, Figure, measure

#: DESIGN's two, and ours for the functions that somebody waits for, or that every event or message passes through.
BUDGETS = {
    "webhook": 1.40,
    "send": 1.50,
    "journey": 1.60,
    "mint": 1.60,
    "track": 1.50,
    "collect": 1.50,
    "pages": 1.60,
    "signup": 1.60,
}
ROUNDS = 21

#: A new process with nothing on its path but what is deployed, the layer and then the function; or boto3 alone.
_PROGRAM = """
import sys, time
sys.path[:0] = sys.argv[1:]
start = time.perf_counter()
{imports}
print(time.perf_counter() - start)
"""
_BARE = "import boto3; boto3.client('dynamodb')"
#: Our clients are built at their first use: without this one the comparison would flatter us.
_APP = "import app; app.handler; app.clients.dynamodb"


@measure
def cold_imports() -> Iterable[Figure]:
    """Cold import of a function, with its DynamoDB client, over bare boto3 with the same."""
    layer = BUILT / "CoreLayer/python"
    check_bytecode(layer / "rekindle/__init__.py", BARE / "boto3/__init__.py")
    subjects: dict[str, tuple[str, list[Path], dict[str, str]]] = {"bare boto3 + DynamoDB": (_BARE, [BARE], {})}
    for name in BUDGETS:
        subjects[name] = (_APP, [layer, BUILT / f"{name.title()}Function"], variables(name))
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    with secrets_endpoint() as endpoint:
        for folder in sorted(
            BUILT.glob("*Function")
        ):  # the others too must import from what is deployed, and from nothing else
            environment = variables(folder.name.removesuffix("Function").lower())
            import_once("import app; app.handler", [layer, folder], {**environment, "AWS_ENDPOINT_URL": endpoint})
        for turn in range(ROUNDS + 1):
            for name, (imports, path, environment) in subjects.items():
                took = import_once(imports, path, {**environment, "AWS_ENDPOINT_URL": endpoint})
                if turn:  # the first round only warms the machine's file cache
                    seconds[name].append(took)
    medians = {name: statistics.median(took) for name, took in seconds.items()}
    bare = medians.pop("bare boto3 + DynamoDB")
    for name, median in medians.items():
        yield Figure(f"cold import of {name} ÷ bare boto3 + DynamoDB client", median / bare, "", BUDGETS[name])
    for name, median in {"bare boto3 + DynamoDB client": bare, **medians}.items():
        yield Figure(f"cold import of {name}, on this machine", median * 1000, "ms")


@measure
def artifact_sizes() -> Iterable[Figure]:
    """Size of what is deployed, unpacked (Lambda's limit: function and layers together 250 MB)."""
    for folder in sorted(BUILT.iterdir()):
        if folder.is_dir():
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            yield Figure(f"size of {folder.name}", size / 1e6, "MB")


def import_once(imports: str, path: list[Path], environment: dict[str, str]) -> float:
    """Return the seconds that these imports take in a new process."""
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM.format(imports=imports), *map(str, path)],
        env={**environment, "PATH": os.defpath, "HOME": "/nonexistent", **CREDENTIALS},
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise SystemExit(f"{path[-1].name} does not import from what was built:\n{told.stderr}")
    return float(told.stdout.splitlines()[-1])


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


def variables(function: str) -> dict[str, str]:
    """Return the environment that the template gives a function: a parameter's default, else a name made up."""
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    own = template["Resources"][f"{function.title()}Function"]["Properties"]["Environment"]["Variables"]
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    parameters = template["Parameters"]

    def known(value: Any) -> str:
        if not isinstance(value, dict):
            return str(value)
        default = parameters.get(value.get("Ref"), {}).get("Default")
        return "https://bench.example" if default is None else str(default)

    return {name: known(value) for name, value in {**shared, **own}.items()}


def check_bytecode(*sources: Path) -> None:
    """Stop when the bytecode of these is not for this Python: a cold import would measure the compiler."""
    for source in sources:
        if not Path(cache_from_source(str(source))).is_file():
            raise SystemExit(f"there is no bytecode of {source} for this Python: `make bench` builds it")


@contextmanager
def secrets_endpoint() -> Iterator[str]:
    """Answer every request with a secret, on loopback: some functions fetch their keys while they are imported."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Secret)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Secret(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"Name": "key", "SecretString": json.dumps({"k1": "of-the-bench"})}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
