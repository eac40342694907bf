"""Runs one scanner of model files over a list of them: `models_scan.py LIST TOOL`.

LIST has one path a line. Prints one JSON object for each file, {"id": PATH, "verdict": "found" | "clean" | "error"},
and one with the seconds for all.
"""

import json
import logging
import os
import pathlib
import subprocess
import sys
import time

os.environ["PROMPTFOO_DISABLE_TELEMETRY"] = os.environ["NO_ANALYTICS"] = "1"
logging.disable(logging.CRITICAL)


def picklescan():
    from picklescan.scanner import SafetyLevel, scan_file_path

    def one(path):
        result = scan_file_path(str(path))
        if result.infected_files or any(it.safety == SafetyLevel.Dangerous for it in result.globals):
            return "found"
        return "error" if result.scan_err else "clean"

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
    from fickling.analysis import Severity, check_safety
    from fickling.fickle import StackedPickle

    def one(path):
        with open(path, "rb") as file:
            stacked = StackedPickle.load(file)
        # What its own command calls unsafe.
        worst = [check_safety(it).severity for it in stacked]
        return "found" if any(it > Severity.LIKELY_SAFE for it in worst) else "clean"

    return one


def modelaudit():
    from modelaudit.core import scan_file

    def one(path):
        result = scan_file(str(path))
        severe = [it for it in result.issues if it.severity.value in ("warning", "critical")]
        if severe:
            return "found"
        return "clean" if result.success else "error"

    return one


TOOLS = {"picklescan": picklescan, "modelscan": modelscan, "fickling": fickling, "modelaudit": modelaudit}


def main():
    paths = pathlib.Path(sys.argv[1]).read_text().splitlines()
    one = TOOLS[sys.argv[2]]()
    seconds = 0.0
    out = sys.stdout
    for path in paths:
        start = time.perf_counter()
        # What tools print is not an answer.
        sys.stdout = open(os.devnull, "w")
        try:
            verdict = one(pathlib.Path(path))
        except BaseException as error:  # noqa: BLE001
            verdict = "error"
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            sys.stdout = out
        seconds += time.perf_counter() - start
        print(json.dumps({"id": path, "verdict": verdict}))
    print(json.dumps({"seconds": seconds, "texts": len(paths)}))


main()
