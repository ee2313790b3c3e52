"""Shapes sweep: several topics in one table, a table for each entity, a classic table, schemas that change on the way, events
that must be set aside; with kills, cuts, lost acknowledgements and lost profiles (a run that finds no position asks the
table)."""
import os
import random
import subprocess
import time

from ground import count, count_struck, in_lanes, kill, options
from world import Broken, World, must_end

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
    args = ["stream", *topics, "--table", table, "--until-caught-up", "--visibility-wait", "1s",
            "--retry-backoff", "5ms..500ms", "--batch-rows", "60", *more]
    with World(seed=rnd.randrange(1 << 30), events=1500, objects="Account,Contact") as world:
        world.faults(SCRIPT + ("get-schema UNAVAILABLE p=0.3\n" if "schema" in how else ""))
        for n in range(rounds):
            p = world.popen(*args)
            disturb(world, rnd, n, how)
            try:
                _, err = p.communicate(timeout=rnd.choice([0.1, 0.2, 0.4, 0.8]) * (0.5 + rnd.random()))
                must_end("a run between two kills", p.returncode, err)
            except subprocess.TimeoutExpired:
                kill(world, p)
            if rnd.random() < 0.4:
                world.publish(rnd.randrange(1, 300))
            if forgets and rnd.random() < 0.5:
                forget_positions(world)
        count_struck(world)
        world.faults("")
        world.succeed("the last, undisturbed run", *args, timeout=400)
        if "broken" in how and not world.set_aside():
            raise Broken("nothing was set aside, so it shows nothing")
        for t, its_topics in check.items():
            count("events compared", world.compare(t, its_topics))


NEWEST = "the newest that the table holds of it; no position is stored"


def expect(world, *args):
    """A run that must succeed; returns what it said."""
    return world.succeed("a run", *args)[1]


def see_all(world):
    """Until each row that is stored can be seen by SQL."""
    deadline = time.monotonic() + 60
    while int(world.run("sql", "-q", "-o", "tsv", "SELECT count(*) FROM main.crm.t")[1] or 0) < sum(world.stored().values()):
        if time.monotonic() > deadline:
            raise Broken("rows are not seen in 60 s")
        time.sleep(0.1)


def compare_then_words(world, said, wanted, *args, **kw):
    """What is stored comes first; the words show that the case is the one that it wants to be."""
    count("events compared", world.compare(*args, **kw))
    if wanted not in said:
        raise Broken(f"'{wanted}' was not said: {said[-1200:]}")


def newest_of_another_topic():
    """Positions are lost, and another topic in the table is far ahead: each goes on behind its own newest row."""
    both = ("stream", "Account", "Contact", "--table", "main.crm.t", "--visibility-wait", "700ms")
    with World(seed=41, events=600, objects="Account,Contact") as world:
        expect(world, "stream", "Account", "Contact", "--table", "main.crm.t", "-n", "20")
        expect(world, "stream", "Contact", "--table", "main.crm.t", "--until-caught-up")
        see_all(world)
        forget_positions(world)
        compare_then_words(world, expect(world, *both, "--until-caught-up"), NEWEST, "main.crm.t", (ACCOUNT, CONTACT), order=False)


def newer_than_the_newest():
    """Positions are lost, and rows that lie in the table cannot be seen yet: what seems to be the newest row is not."""
    args = ("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "6s")
    with World(seed=43, events=600, emulator_args=("--visibility-delay", "5s")) as world:
        expect(world, *args, "-n", "200")
        see_all(world)
        expect(world, *args, "-n", "200")
        forget_positions(world)
        compare_then_words(world, expect(world, *args, "--until-caught-up"), NEWEST)


def gap_behind_the_newest():
    """Positions are lost of a run with three ingest streams, one of which hung: there are gaps before the newest row."""
    with World(seed=47, events=600, streams=3) as world:
        # the records of one of them come to nothing, those of the others are stored
        world.faults("ingest stall after 2 x1\n")
        run = world.popen("stream", "Account", "--table", "main.crm.t", "--streams", "3", "--batch-rows", "20", "--linger", "5ms")
        rows, quiet_since, deadline = -1, time.monotonic(), time.monotonic() + 60
        while time.monotonic() < min(quiet_since + 2, deadline):
            time.sleep(0.05)
            try:
                now = sum(world.stored().values())
            except Broken:  # there is no table yet
                now = 0
            if now != rows or now == 0:
                rows, quiet_since = now, time.monotonic()
        kill(world, run)
        forget_positions(world)
        world.faults("")
        if not 0 < rows < 600:
            raise Broken(f"{rows} of 600 rows are stored, so it shows nothing")
        compare_then_words(world, expect(world, *world.stream_args()), "does not say that all before it are there")


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
    in_lanes([("positions are lost, another topic is ahead", newest_of_another_topic),
              ("positions are lost, the newest rows are not seen", newer_than_the_newest),
              ("positions are lost, there are gaps before the newest row", gap_behind_the_newest)] +
             [(name, shape, rnd.random(), *rest) for name, *rest in shapes])
