#!/usr/bin/python3
"""Counts what a test run did. Arguments: the folder of results, and the passed and failed checks that
were counted outside. ctest.xml there holds one entry for each ctest; a system test (pytest) has its own
NAME.xml beside it with one entry for each case, which are counted instead of the one entry."""
import os
import sys
import xml.etree.ElementTree as xml


def count_pytest(path):
    """Returns {"passed", "failed", "skipped"} of a pytest report and prints why cases were skipped."""
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            count["failed"] += 1
            print(f"FAILED: {name}")
        elif case.find("skipped") is not None:
            count["skipped"] += 1
            print(f"skipped: {name}: {case.find('skipped').get('message')}")
        else:
            count["passed"] += 1
    return count


def main():
    folder, passed, failed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    skipped = 0
    try:
        cases = list(xml.parse(os.path.join(folder, "ctest.xml")).getroot().iter("testcase"))
    except (OSError, xml.ParseError) as error:
        print(f"FAILED: no results of ctest: {error}")
        cases, failed = [], failed + 1
    for case in cases:
        name, status = case.get("name"), case.get("status")
        report = os.path.join(folder, name.replace("/", "-") + ".xml")
        counted = None
        if os.path.exists(report):
            counted = count_pytest(report)
            passed += counted["passed"]
            failed += counted["failed"]
            skipped += counted["skipped"]
        if status == "run":
            passed += 0 if counted else 1
        elif status == "notrun" or status == "disabled":
            if not (counted and counted["skipped"]):
                skipped += 1
                print(f"skipped: {name}: {(case.findtext('system-out') or '').strip()[-200:]}")
        elif not (counted and counted["failed"]):
            # It failed and no case of it says so: a crash, a time-out, a report cut off.
            failed += 1
            print(f"FAILED: {name}")
    if passed + failed + skipped == 0:
        print("FAILED: no test was run")
        failed = 1
    strict = os.environ.get("CI") == "true" and os.geteuid() == 0
    if strict and skipped:
        print("as root in CI a skipped test is a failure")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or (strict and skipped) else 0)


main()
