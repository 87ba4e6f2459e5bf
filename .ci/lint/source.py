"""C++ text with the parts blanked out that say nothing about what the code does.

`SourceFile.code` is the text without comments and without the insides of literals; `.with_strings` keeps the
literals. Both have the length and the lines of the original, so that an offset in one is an offset in all.
"""

import bisect
import os
import re

_TOKEN = re.compile(
    r"""
      (?P<comment> //[^\n]* | /\*.*?\*/ )
    | (?P<raw> R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)" )
    | (?P<string> "(?:\\.|[^"\\\n])*" )
    | (?P<character> (?<![0-9A-Fa-f_])'(?:\\.|[^'\\\n])+' )
    """,
    re.VERBOSE | re.DOTALL,
)

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<][^">\n]+[">])', re.MULTILINE)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def _without(text, keep_literals):
    def replace(match):
        token = match.group(0)
        if match.lastgroup == "comment" or match.group("comment"):
            return _blank(token)
        if keep_literals:
            return token
        return token[0] + _blank(token[1:-1]) + token[-1]

    return _TOKEN.sub(replace, text)


class SourceFile:
    """One file of the workspace, by its path from the root."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.with_strings = _without(text, keep_literals=True)
        self.code = _INCLUDE.sub(lambda m: _blank(m.group(0)), _without(text, keep_literals=False))
        self._starts = [0] + [m.end() for m in re.finditer("\n", text)]

    def line(self, offset):
        """The number, from 1, of the line that holds `offset`."""
        return bisect.bisect_right(self._starts, offset)

    @property
    def line_count(self):
        return len(self.text.splitlines())

    def includes(self):
        """Pairs (offset, what is included with its quotes or angle brackets)."""
        return [(m.start(), m.group(1)) for m in _INCLUDE.finditer(self.with_strings)]


def matching(code, start, opening, closing):
    """The offset of the bracket that closes the one at `start`, or -1."""
    depth = 0
    for offset in range(start, len(code)):
        if code[offset] == opening:
            depth += 1
        elif code[offset] == closing:
            depth -= 1
            if depth == 0:
                return offset
    return -1


def template_arguments(code, start):
    """The arguments of the template list whose `<` is at `start`, and the offset behind its `>`."""
    depth = 0
    arguments = [""]
    for offset in range(start, len(code)):
        character = code[offset]
        if character in "<({[":
            depth += 1
            if depth == 1:
                continue
        elif character in ">)}]" and code[offset - 1 : offset + 1] != "->":
            depth -= 1
            if depth == 0:
                return [argument.strip() for argument in arguments], offset + 1
        if character == "," and depth == 1:
            arguments.append("")
        else:
            arguments[-1] += character
    return [], len(code)


def read_workspace(root, folders, suffixes):
    """Every file under `folders` of `root` that ends in one of `suffixes`, sorted by path."""
    files = []
    for folder in folders:
        for directory, subdirectories, names in os.walk(os.path.join(root, folder)):
            subdirectories.sort()
            for name in sorted(names):
                if name.endswith(suffixes):
                    full = os.path.join(directory, name)
                    with open(full, encoding="utf-8") as handle:
                        files.append(SourceFile(os.path.relpath(full, root), handle.read()))
    return files
