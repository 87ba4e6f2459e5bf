#!/usr/bin/env -S python3 -B
#
# Goal: no source file breaks the rules of rules.py, but for what allow.txt excuses with a reason.
# Method: read every source file of the checkout that this test was built from.

import os
import sys

from lint import lint_workspace


def main():
    root = os.path.dirname(os.path.realpath("WORKSPACE"))
    findings, file_count = lint_workspace(root)
    for finding in findings:
        print(finding)
    print(f"{file_count} files, {len(findings)} findings")
    if file_count == 0:
        print(f"there is no source file under {root}")
    return 1 if findings or file_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
