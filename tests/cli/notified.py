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
        while (told := s.recv(4096)) != b"":
            f.write(told.decode() + "\n")
            f.flush()


taker = threading.Thread(target=take, daemon=True)
taker.start()
env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
child = subprocess.Popen(sys.argv[2:], env=env)
with open(sys.argv[1] + ".pid", "w") as f:
    f.write(str(child.pid))
status = child.wait()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"", path)  # behind all that the command told
taker.join()
sys.exit(status)
