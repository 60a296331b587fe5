"""One cold start in this fresh process: from nothing imported to the first answer. Prints CPU s, wall s and peak MB.

`ours` is the app's `function_app.py` asked for its health; `plain` the least that a function app can be: Microsoft's
library and one function that answers.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

WALL, CPU = time.perf_counter(), time.process_time()


def main(kind: str) -> None:
    """Start, answer, and tell."""
    import azure.functions as func

    request = func.HttpRequest("GET", "http://127.0.0.1:7071/api/health", headers={}, body=b"")
    if kind == "ours":
        from shared.web.functions import Doors

        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "syncs").mkdir()
            answer = Doors({}, base=Path(folder)).answer(request)
    else:
        app = func.FunctionApp()

        @app.route(route="api/health")
        def health(request: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse("{}", mimetype="application/json")

        answer = func.HttpResponse("{}")
    if answer.status_code != 200:
        raise SystemExit(f"the app answered {answer.status_code}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.process_time() - CPU, time.perf_counter() - WALL, peak_mb)


if __name__ == "__main__":
    main(sys.argv[1])
