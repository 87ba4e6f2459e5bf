"""Runs the rules over a workspace and leaves out what the allow list excuses."""

import fnmatch
import os

from rules import RULES
from source import read_workspace

FOLDERS = ("runtime", "sim", "transports", "scenarios", "bench")
SUFFIXES = (".h", ".c", ".cc", ".inc", "BUILD.bazel")


class AllowList:
    """The entries of allow.txt; remembers which of them excused something."""

    def __init__(self, text):
        self._entries = []
        self._used = set()
        known = {name for name, _, _ in RULES}
        self.errors = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.split(None, 2)
            if len(fields) != 3 or not set(fields[1].split(",")) <= known:
                self.errors.append(f"allow list, line {number}: not 'PATTERN RULE REASON': {line}")
                continue
            self._entries.append((fields[0], fields[1].split(","), number))

    def excuses(self, path, rule):
        for pattern, rules, number in self._entries:
            if rule in rules and fnmatch.fnmatchcase(path, pattern):
                self._used.add((number, rule))
                return True
        return False

    def stale(self):
        """Entries for one file that no longer excuse anything there."""
        return [
            f"allow list, line {number}: '{pattern} {rule}' excuses nothing any more"
            for pattern, rules, number in self._entries
            for rule in rules
            if "*" not in pattern and (number, rule) not in self._used
        ]


def lint(files, allow):
    """The findings in `files` as lines of text, and the allow list's own errors."""
    workspace = {file.path: file for file in files}
    findings = []
    for file in files:
        for name, holds_for, rule in RULES:
            if not holds_for(file.path):
                continue
            for offset, message in rule(file, workspace):
                if not allow.excuses(file.path, name):
                    findings.append(f"{file.path}:{file.line(offset)}: [{name}] {message}")
    return findings + allow.errors + allow.stale()


def lint_workspace(root):
    """Lints the checkout at `root`; returns the findings and the number of files read."""
    files = read_workspace(root, FOLDERS, SUFFIXES)
    with open(os.path.join(root, ".ci/lint/allow.txt"), encoding="utf-8") as handle:
        allow = AllowList(handle.read())
    return lint(files, allow), len(files)
