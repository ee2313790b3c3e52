"""Shapes sweep: several topics in one table, a table for each entity, a classic table; with kills, cuts, lost acknowledgements
and lost profiles (a run that finds no position asks the table)."""
import os
import random
import subprocess

from ground import count, count_struck, in_lanes, options
from world import Broken, World

ACCOUNT, CONTACT = "/data/AccountChangeEvent", "/data/ContactChangeEvent"
SCRIPT = "ingest lose-ack after 3 p=0.3\ningest ack-delay 40ms p=0.3\nsubscribe cut p=0.003\n"


def forget_positions(world):
    folder = os.path.join(world.scratch, "home/profiles/emulator")
    for name in os.listdir(folder):
        if name.startswith("replay.db"):
            os.unlink(os.path.join(folder, name))


def shape(seed, topics, table, more, check, rounds, forgets=False):
    rnd = random.Random(seed)
    world = World(seed=rnd.randrange(1 << 30), events=1500, objects="Account,Contact")
    args = ["stream", *topics, "--table", table, "--until-caught-up", "--visibility-wait", "700ms", "--batch-rows", "60", *more]
    try:
        world.faults(SCRIPT)
        for _ in range(rounds):
            p = world.popen(*args)
            try:
                _, err = p.communicate(timeout=rnd.choice([0.1, 0.2, 0.4, 0.8]) * (0.5 + rnd.random()))
                if p.returncode != 0:
                    raise Broken(f"a run between two kills ended with {p.returncode}: {err[-800:]}")
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                count("kills survived")
            if rnd.random() < 0.4:
                world.publish(rnd.randrange(1, 300))
            if forgets and rnd.random() < 0.5:
                forget_positions(world)
        count_struck(world)
        world.faults("")
        status, _, err = world.run(*args, timeout=180)
        if status != 0:
            raise Broken(f"the last, undisturbed run ended with {status}: {err[-1500:]}")
        for t, its_topics in check.items():
            count("events compared", world.compare(t, its_topics))
    finally:
        world.close(options.keep)


def sweep(rnd):
    rounds = 25 if options.long else 6
    both = {"main.crm.t": (ACCOUNT, CONTACT)}
    each = {"main.crm.account": (ACCOUNT,), "main.crm.contact": (CONTACT,)}
    shapes = [("two topics in one table", ("Account", "Contact"), "main.crm.t", (), both, rounds),
              ("two topics in a classic table", ("Account", "Contact"), "main.crm.t", ("--layout", "classic"), both, rounds),
              ("a table for each entity", ("Account", "Contact"), "main.crm.{entity}", (), each, rounds),
              ("a channel into a table for each entity", ("ChangeEvents",), "main.crm.{entity}", (), each, rounds),
              ("positions are lost", ("Account",), "main.crm.t", (), {"main.crm.t": (ACCOUNT,)}, rounds, True),
              ("positions of two topics are lost", ("Account", "Contact"), "main.crm.t", (), both, rounds, True),
              ("positions of a classic table are lost", ("Account", "Contact"), "main.crm.t", ("--layout", "classic"), both,
               rounds, True),
              ("positions of a channel are lost", ("ChangeEvents",), "main.crm.{entity}", (), each, rounds, True)]
    in_lanes([(name, shape, rnd.random(), *rest) for name, *rest in shapes])
