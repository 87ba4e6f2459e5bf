"""Finds loops over Abseil's hash tables: their order differs from process to process.

The search is by name: whatever a file, or a header that it includes, declares with such a type (a variable, a
member, a function that returns one, an alias and what is declared with it) may not be iterated over.
"""

import re

from source import template_arguments

_TABLE = re.compile(r"\babsl::(?:flat|node)_hash_(?:map|set)\s*(?=<)")
_ALIAS = re.compile(r"\busing\s+(\w+)\s*=\s*$")
_DECLARED = re.compile(r"\s*(?:const\b\s*)?[&*]*\s*(?:const\b\s*)?(\w+)\b(?!\s*<)")

_NOT_NAMES = {"const", "override", "noexcept", "operator", "return"}


def _declared_behind(code, offset):
    match = _DECLARED.match(code, offset)
    return {match.group(1)} - _NOT_NAMES if match else set()


def declared_names(code):
    """The names that `code` declares with a hash table's type."""
    names = set()
    aliases = set()
    for match in _TABLE.finditer(code):
        alias = _ALIAS.search(code, 0, match.start())
        _, end = template_arguments(code, match.end())
        if alias:
            aliases.add(alias.group(1))
        else:
            names |= _declared_behind(code, end)
    for alias in aliases:
        for match in re.finditer(rf"\b{alias}\b(?!\s*=)", code):
            names |= _declared_behind(code, match.end())
    return names


def _loops_over(name):
    """What reads the table `name` in its own order, as a regular expression."""
    path = r"(?:[\w.*&]|->|::|\(\s*\))*?"
    table = rf"{path}\b{name}\b(?:\s*\(\s*\))?\s*"
    return re.compile(
        rf"\bfor\s*\([^;{{}}]*?[^:]:\s*{table}\)"
        rf"|\b{name}\b(?:\s*\(\s*\))?\s*(?:\.|->)\s*c?begin\s*\("
        rf"|\bstd::(?:c?begin|ranges::\w+|views::\w+)\s*\(\s*{table}[,)]"
        rf"|\babsl::c_(?!contains|linear_search)\w+\s*\(\s*{table}[,)]"
    )


def find(file, workspace):
    """Findings of one file; `workspace` maps paths to files, for the headers."""
    names = declared_names(file.code)
    for _, header in file.includes():
        included = workspace.get(header[1:-1])
        if included:
            names |= declared_names(included.code)
    findings = set()
    for name in names:
        for match in _loops_over(re.escape(name)).finditer(file.code):
            findings.add((match.start(), f"iterates over the hash table {name}"))
    return sorted(findings)
