#!/usr/bin/python3
"""Every mutation (tests/unit/mutate_stream, tests/faults/mutations) still finds the place that it breaks.

A source that changes would leave mutations behind that break nothing; make prove-mutations takes too long to tell each time.
"""
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def mutations(path):
    loader = SourceFileLoader(os.path.basename(path), os.path.join(TOP, path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module.MUTATIONS


def holds(path, place):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return place in f.read()


places = [(name, "src/stream/" + file, place) for name, file, place, *_ in mutations("tests/unit/mutate_stream")]
places += [(name, file, place) for name, file, place, *_ in mutations("tests/faults/mutations")]
gone = [(name, file) for name, file, place in places if not holds(file, place)]
for name, file in gone:
    print(f"FAIL {name}: {file} no longer has that place")
print(f"{len(places) - len(gone)} passed, {len(gone)} failed")
sys.exit(len(gone) > 0)
