"""Shapes sweep: several topics in one table, a table for each entity, a classic table, schemas that change on the way, events
that must be set aside; with kills, cuts, lost acknowledgements and lost profiles (a run that finds no position asks the
table)."""
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


def disturb(world, rnd, n, how):
    """What else happens between two kills."""
    if "schema" in how:
        world.change_schema(f"Extra{n}__c")
        world.publish(rnd.randrange(1, 60))
    if "broken" in how:
        world.publish_broken(rnd.randrange(1, 4))
        world.publish(rnd.randrange(1, 30))


def shape(seed, topics, table, more, check, rounds, forgets=False, how=""):
    rnd = random.Random(seed)
    world = World(seed=rnd.randrange(1 << 30), events=1500, objects="Account,Contact")
    args = ["stream", *topics, "--table", table, "--until-caught-up", "--visibility-wait", "1s",
            "--retry-backoff", "5ms..500ms", "--batch-rows", "60", *more]
    try:
        world.faults(SCRIPT + ("get-schema UNAVAILABLE p=0.3\n" if "schema" in how else ""))
        for n in range(rounds):
            p = world.popen(*args)
            disturb(world, rnd, n, how)
            try:
                _, err = p.communicate(timeout=rnd.choice([0.1, 0.2, 0.4, 0.8]) * (0.5 + rnd.random()))
                if p.returncode != 0:
                    raise Broken(f"a run between two kills ended with {p.returncode}: {err[-800:]}")
            except subprocess.TimeoutExpired:
                world.kill(p)
                count("kills survived")
            if rnd.random() < 0.4:
                world.publish(rnd.randrange(1, 300))
            if forgets and rnd.random() < 0.5:
                forget_positions(world)
        count_struck(world)
        world.faults("")
        status, _, err = world.run(*args, timeout=400)
        if status != 0:
            raise Broken(f"the last, undisturbed run ended with {status}: {err[-1500:]}")
        if "broken" in how and not world.set_aside():
            raise Broken("nothing was set aside, so it shows nothing")
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
              ("schemas change on the way", ("Account",), "main.crm.t", (), {"main.crm.t": (ACCOUNT,)}, rounds, False, "schema"),
              ("schemas change and positions are lost", ("Account", "Contact"), "main.crm.t", ("--layout", "classic"), both,
               rounds, True, "schema"),
              ("events are set aside", ("Account",), "main.crm.t", (), {"main.crm.t": (ACCOUNT,)}, rounds, False, "broken"),
              ("events are set aside of a channel", ("ChangeEvents",), "main.crm.{entity}", (), each, rounds, False,
               "broken schema"),
              ("positions of a channel are lost", ("ChangeEvents",), "main.crm.{entity}", (), each, rounds, True)]
    in_lanes([(name, shape, rnd.random(), *rest) for name, *rest in shapes])
