#!/usr/bin/python3
"""The proving ground: breaks sfzb and the emulator in every way that it knows and compares what was published with what
was stored and what was set aside.

usage: prove.py [--long] [--seed N] [--only SWEEP,...] [--keep]

Each sweep prints its time and figures, the end all of them; the last line is "N passed, N failed". A case that fails prints how
to do it again: the seed reproduces a run.
"""
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep_errors  # noqa: E402
import sweep_kill  # noqa: E402
import sweep_names  # noqa: E402
import sweep_resources  # noqa: E402
import sweep_shapes  # noqa: E402
import sweep_soak  # noqa: E402
import sweep_wire  # noqa: E402
from ground import case, count, faults, figures, options, result, so_far  # noqa: E402
from world import BUILD, TOP, Broken  # noqa: E402


def model():
    """The engine under random interleavings, against a model of what may be stored."""
    steps = 1000000 if options.long else 200000
    subprocess.run(["make", "-C", TOP, "-s", f"{os.path.relpath(BUILD, TOP)}/tests/test_stream_model"], check=True,
                   stdout=subprocess.DEVNULL)
    p = subprocess.run([os.path.join(BUILD, "tests/test_stream_model")], capture_output=True, text=True, timeout=900,
                       env=dict(os.environ, SFZB_MODEL_STEPS=str(steps), SFZB_MODEL_SEED=str(options.seed)))
    if p.returncode != 0:
        raise Broken(f"the model disagrees: {(p.stdout + p.stderr)[-3000:]}")
    count("interleavings checked", steps)


sweeps = {"model": lambda rnd: case("model", model), "kill": sweep_kill.sweep, "shapes": sweep_shapes.sweep, "errors": sweep_errors.sweep,
          "wire": sweep_wire.sweep, "names": sweep_names.sweep, "resources": sweep_resources.sweep, "soak": sweep_soak.sweep}
chosen = options.only.split(",") if options.only else list(sweeps)
options.began = time.monotonic()
options.sweep = "soak"
trickle = sweep_soak.Trickle() if options.long and "soak" in chosen else None
for name in chosen:
    began, passed, failed, before = time.monotonic(), result["passed"], result["failed"], so_far()
    options.sweep = name
    sweeps[name](random.Random(f"{options.seed} {name}"))
    kills, injected, compared = (now - then for now, then in zip(so_far(), before))
    print(f"{name + ' sweep':16} {result['passed'] - passed:5} passed, {result['failed'] - failed} failed {time.monotonic() - began:6.0f} s: "
          f"{kills} kills, {injected} faults, {compared} events compared", flush=True)
if trickle:
    trickle.end()
for name, n in figures.items():
    print(f"{name:24} {n:10}")
print(f"{'seed':24} {options.seed:10}")
print(f"{'minutes':24} {(time.monotonic() - options.began) / 60:10.0f}")
print(f"{'faults injected':24} {sum(faults.values()):10}")
for name, n in sorted(faults.items()):
    print(f"  {name:22} {n:10}")
print(f"{result['passed']} passed, {result['failed']} failed")
sys.exit(result["failed"] > 0)
