"""Reads pytest's report: prints "PASSED FAILED" and then each failed test as pytest would be told to run it; skipped
tests count as neither.

With --kills: where the kills of the fault tests fell, as the tests recorded it.
"""
import collections
import sys
import xml.etree.ElementTree as ElementTree


def counts(cases):
    passed, failed = 0, []
    for case in cases:
        name = f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is None:
            passed += 1
    print(passed, len(failed))
    print("\n".join(failed))


def kills(cases):
    phases = collections.Counter()
    for case in cases:
        for item in case.iter("property"):
            if item.get("name") == "killed":
                print(f"  {case.get('name')}: {item.get('value')}")
                phases[item.get("value").split(" in ")[-1]] += 1
    print("kill -9 by phase: " + ", ".join(f"{phase} {n}" for phase, n in phases.most_common()))


def main(path, *options):
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    if "--kills" in options:
        kills(cases)
    else:
        counts(cases)


main(*sys.argv[1:])
