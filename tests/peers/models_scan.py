"""Runs one scanner of model files over a list of them: `models_scan.py LIST TOOL`.

LIST has one path a line. Prints one JSON object for each file, {"id": PATH, "verdict": "found" | "clean" | "error",
"seconds": S}; "error" stands for no answer: it failed, passed the file over, or took more than a minute of processor
time, so that a loaded machine changes no verdict. Each is called through its own programming interface with its own
threshold; the time is that of the call.
"""

import json
import logging
import os
import pathlib
import resource
import signal
import sys
import time
import warnings

os.environ["PROMPTFOO_DISABLE_TELEMETRY"] = os.environ["NO_ANALYTICS"] = "1"
logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
EACH_SECONDS_MAX = 60
# A call into a library that no signal gets through ends with the process, and the file has no answer.
ALL_SECONDS_MORE = 300
MEMORY_BYTES_MAX = 6 << 30


def picklescan():
    from picklescan.scanner import SafetyLevel, scan_file_path

    def one(path):
        result = scan_file_path(str(path))
        if result.infected_files or any(it.safety == SafetyLevel.Dangerous for it in result.globals):
            return "found"
        return "error" if result.scan_err or not result.scanned_files else "clean"

    return one


def modelscan():
    from modelscan.modelscan import ModelScan

    def one(path):
        result = ModelScan().scan(path)
        if result["summary"]["total_issues"]:
            return "found"
        return "error" if result["errors"] or result["summary"]["skipped"]["total_skipped"] else "clean"

    return one


def fickling():
    from fickling import scan_file
    from fickling.analysis import Severity

    def one(path):
        result = scan_file(str(path))
        if result.severity > Severity.LIKELY_SAFE:
            return "found"
        return "error" if result.errors else "clean"

    return one


def modelaudit():
    from modelaudit.core import scan_file

    def one(path):
        result = scan_file(str(path))
        severe = [it for it in result.issues if it.severity.value in ("warning", "critical")]
        if severe:
            return "found"
        return "clean" if result.success and result.scanner_name != "unknown" else "error"

    return one


TOOLS = {"picklescan": picklescan, "modelscan": modelscan, "fickling": fickling, "modelaudit": modelaudit}


class TooLong(BaseException):
    """Not an `Exception`, so that a scanner does not take it for one of its own."""


def too_long(_signal, _frame):
    raise TooLong


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    signal.signal(signal.SIGPROF, too_long)
    paths = pathlib.Path(sys.argv[1]).read_text().splitlines()
    one = TOOLS[sys.argv[2]]()
    out = sys.stdout
    for path in paths:
        # What tools print is not an answer.
        sys.stdout = open(os.devnull, "w")
        used = int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used + EACH_SECONDS_MAX + ALL_SECONDS_MORE, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, EACH_SECONDS_MAX)
        start = time.perf_counter()
        try:
            verdict = one(pathlib.Path(path))
        except BaseException as error:  # noqa: BLE001
            if isinstance(error, KeyboardInterrupt):
                raise
            verdict = "error"
        finally:
            seconds = time.perf_counter() - start
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.stdout.close()
            sys.stdout = out
        print(json.dumps({"id": path, "verdict": verdict, "seconds": seconds}), flush=True)


main()
