#!/usr/bin/env python3
"""Runs a command as a service manager would, and writes what it tells to a file. usage: notified.py FILE COMMAND…"""
import os
import socket
import subprocess
import sys
import threading

path = os.path.abspath(sys.argv[1]) + ".socket"
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)


def take():
    with open(sys.argv[1], "w") as f:
        while True:
            f.write(s.recv(4096).decode() + "\n")
            f.flush()


threading.Thread(target=take, daemon=True).start()
env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
child = subprocess.Popen(sys.argv[2:], env=env)
with open(sys.argv[1] + ".pid", "w") as f:
    f.write(str(child.pid))
sys.exit(child.wait())
