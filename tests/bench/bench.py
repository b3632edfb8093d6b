"""tests/bench/run: prepares the data, runs bascule and its peers in turn, checks what they delivered, prints medians."""
import argparse
import importlib
import os
import sys
import tempfile
import time

import page
from harness import place
from report import machine, versions, write_json
from rig import Rig

PARTS = ("load", "stream", "latency", "verify", "cutover", "memory")
START = time.monotonic()


class Options:
    def __init__(self, args):
        self.runs, self.scale, self.only, self.part_of = args.runs, args.scale, args.only, args.work

    @staticmethod
    def say(text):
        print(f"[{time.monotonic() - START:7.1f} s] {text}", file=sys.stderr, flush=True)

    def wants(self, work):
        return not self.part_of or work in self.part_of

    def order(self, competitors, number):
        """Every run begins with another competitor."""
        names = [c for c in competitors if not self.only or any(o in c for o in self.only)]
        shift = number % len(names) if names else 0
        return names[shift:] + names[:shift]


def arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures bascule beside its peers, alternating, in one"
                                     " run. The amounts are those of docs/performance.md at --scale 1.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each competitor (default 5; the median counts)")
    parser.add_argument("--scale", type=float, default=1.0, help="amount of data, as a fraction (default 1)")
    parser.add_argument("--work", action="append", default=[], help="only this kind of work, e.g. pgbench, tpcb (repeatable)")
    parser.add_argument("--only", action="append", default=[], help="only competitors whose name holds this text (repeatable)")
    parser.add_argument("--json", metavar="FILE", help="also as JSON")
    parser.add_argument("--page", nargs="+", metavar="FILE", help="measure nothing: write docs/performance.md and its pictures from"
                        " these files, written with --json")
    args = parser.parse_args()
    for part in args.parts:
        if part not in PARTS:
            parser.error(f"unknown part '{part}', one of {', '.join(PARTS)}")
    if args.runs < 1 or args.scale <= 0:
        parser.error("--runs and --scale are above 0")
    return args


def main():
    args = arguments()
    if args.page:
        page.write(args.page)
        return
    options, facts, tables = Options(args), {"machine": machine()}, []
    rig = Rig(tempfile.mkdtemp(prefix="bench-", dir=place.base()))
    try:
        facts["versions"] = versions(rig)
        facts["scale"], facts["runs"] = args.scale, args.runs
        for part in args.parts or PARTS:
            for table in importlib.import_module(part).run(rig, options):
                tables.append(table)
                print("\n" + table.text(), flush=True)
                if args.json:
                    write_json(args.json, facts, tables)
    finally:
        rig.destroy()
    if not tables:
        sys.exit("nothing was measured")
    failed = [f"{t.name}: {c}" for t in tables for c in t.failures if c.startswith("bascule")]
    if failed:
        sys.exit("bascule failed in " + ", ".join(failed))


if __name__ == "__main__":
    os.umask(0o022)
    main()
