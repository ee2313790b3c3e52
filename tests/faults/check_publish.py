#!/usr/bin/env -S /usr/bin/python3 -B
"""100,000 events from standard input: all arrive, in order, with a result line each, in bounded memory."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build/release-gcc")).resolve()
EVENTS, RSS_KB = 100_000, 64 * 1024
MEASURE = "import resource, subprocess, sys; r = subprocess.run(sys.argv[2:]).returncode; " \
    "open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(r)"
INSIDE = f"""set -e
/usr/bin/python3 -c "$MEASURE" rss sfzb publish -q Order_Event__e <in >results
sfzb tail -q Order_Event__e --from earliest -n {EVENTS} --format '%r %v\\n' >got
"""


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with open(folder / "in", "w") as f:
            f.writelines(f'{{"Order_Number__c":"{i}"}}\n' for i in range(EVENTS))
        env = {**os.environ, "HOME": name, "PATH": f"{BUILD}:{os.environ['PATH']}", "MEASURE": MEASURE}
        done = subprocess.run(["sfzb", "emulator", "-q", "--", "sh", "-c", INSIDE], cwd=folder, env=env, timeout=500,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results = [json.loads(line) for line in open(folder / "results")]
        got = [line.split(" ", 1) for line in open(folder / "got")]
        rss = int((folder / "rss").read_text())
        assert [r["line"] for r in results] == list(range(1, EVENTS + 1)) and all(r["result"] == "published" for r in results)
        assert [json.loads(v)["Order_Number__c"] for _, v in got] == [str(i) for i in range(EVENTS)]
        assert [r["replay_id"] for r in results] == [replay for replay, _ in got]
        assert rss < RSS_KB, f"{rss} kB"
        print(f"{EVENTS} events, {rss} kB")


try:
    main()
except (AssertionError, subprocess.TimeoutExpired) as e:
    print("FAIL", e)
    print("0 passed, 1 failed")
    sys.exit(1)
print("1 passed, 0 failed")
