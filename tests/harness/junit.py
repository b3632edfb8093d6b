"""Reads pytest's report: prints "PASSED FAILED" and then one line for each failure. Skipped tests count as neither."""
import sys
import xml.etree.ElementTree as ElementTree


def main(path):
    passed, failed = 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is None:
            passed += 1
    print(passed, len(failed))
    print("\n".join(failed))


main(sys.argv[1])
