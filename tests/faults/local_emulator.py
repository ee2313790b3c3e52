"""The emulator as a process, HTTP to it with the standard library alone, and the tests that hold it against something."""
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import traceback
import urllib.error
import urllib.request

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.join(TOP, os.environ.get("BUILD", "build/release-gcc"), "sfzb-emulator")


class LocalEmulator:
    """side: "salesforce" or "databricks", whose settings are read; keep: a directory of state that outlives it."""

    def __init__(self, side, *args, keep=None):
        self.side = side
        self.scratch = tempfile.mkdtemp(prefix="sfzb-emulator-test-")
        self.dir = keep or self.scratch + "/state"
        self.env = dict(os.environ, HOME=self.scratch, SFZB_HOME=self.scratch + "/home", TMPDIR=self.scratch)
        self.args = [PROGRAM, "--dir", self.dir, *args]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.args, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line == "ready\n":
                break
        assert said and said[-1] == "ready\n", "".join(said)
        self.admin_url = [x.split()[1] for x in said if x.split()[:1] == ["admin"]][0]
        self.settings = json.load(open(f"{self.env['SFZB_HOME']}/profiles/emulator/{self.side}.json"))
        self.base_url = self.settings["instance_url" if self.side == "salesforce" else "host"]
        self.tls = ssl.create_default_context(cafile=self.settings["ca_file"])
        self.ca = open(self.settings["ca_file"], "rb").read()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(120)
        assert code == 0, f"the emulator ended with {code}"

    def close(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def http(self, method, url, body=None, headers=()):
        """Status, body as text, headers; url: whole, or a path of the side's own host."""
        request = urllib.request.Request(url if url.startswith("http") else self.base_url + url,
                                         data=body, method=method, headers=dict(headers))
        context = self.tls if request.full_url.startswith("https") else None
        try:
            answer = urllib.request.urlopen(request, context=context, timeout=240)
        except urllib.error.HTTPError as e:
            answer = e
        return answer.status, answer.read().decode(), answer.headers


def run_tests(tests, *arguments):
    """All of them, or those that the command line names; a line each and the count. Returns the exit status."""
    passed, failed, wanted = 0, 0, sys.argv[1:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        try:
            test(*arguments)
            passed += 1
            print("ok  ", test.__name__, flush=True)
        except Exception:
            failed += 1
            print("FAIL", test.__name__, flush=True)
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def run_against(emulator, tests):
    """run_tests with an emulator for all of them, which ends behind the last."""
    try:
        return run_tests(tests, emulator)
    finally:
        emulator.close()
