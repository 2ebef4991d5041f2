# SPDX-License-Identifier: GPL-2.0-or-later
"""
Results as tables, on the terminal and between markers in docs/benchmarks.md:
    <!-- bench:NAME -->
    ...
    <!-- /bench:NAME -->
A run replaces the blocks of the sections that it made and leaves the others.
"""

import dataclasses
import os
import re


@dataclasses.dataclass
class Budget:
    what: str
    limit: str
    measured: str
    met: bool


@dataclasses.dataclass
class Result:
    """What a section found."""

    tables: list = dataclasses.field(default_factory=list)  # (columns, rows)
    budgets: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    refused: list = dataclasses.field(default_factory=list)  # reasons not to publish
    rounds: str = ""

    def table(self, columns, rows):
        self.tables.append((columns, rows))

    def budget(self, what, limit, measured, met):
        self.budgets.append(Budget(what, limit, measured, bool(met)))


SUMMARY_COLUMNS = ("what", "budget", "measured", "")


def _cell(value):
    return str(value).replace("|", "\\|")


def markdown(columns, rows):
    lines = ["| " + " | ".join(_cell(c) for c in row) + " |" for row in (columns, *rows)]
    lines.insert(1, "|" + " --- |" * len(columns))
    return "\n".join(lines)


def _verdict(budget, refused):
    if refused:
        return "not published"
    return "PASS" if budget.met else "**miss**"


def _summary_row(budget, refused):
    measured = "–" if refused else budget.measured
    return (budget.what, budget.limit, measured, _verdict(budget, refused))


def block(result, stamp):
    """A section's block: tables, notes, and when and where it was measured."""
    parts = []
    if result.refused:
        parts.append("Not published: " + "; ".join(result.refused) + ".")
    else:
        if result.budgets:
            parts.append(markdown(SUMMARY_COLUMNS,
                                  [_summary_row(b, False) for b in result.budgets]))
        parts += [markdown(columns, rows) for columns, rows in result.tables]
    parts += ["\n".join("- " + note for note in result.notes)] if result.notes else []
    parts.append(f"*{stamp}*")
    return "\n\n".join(parts)


def _marker(name):
    return re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.S)


def _replace(text, name, body):
    found = _marker(name)
    if not found.search(text):
        raise RuntimeError(f"no markers of {name}")
    return found.sub(lambda m: m.group(1) + "\n" + body + "\n\n" + m.group(2), text)


def _old_summary(text):
    """{what: its line} of the summary that the document has."""
    m = _marker("summary").search(text)
    if not m:
        return {}
    lines = [line for line in m.group(0).splitlines() if line.startswith("| ")]
    return {line.split(" | ", 1)[0][2:]: line for line in lines[2:]}


def _summary(results, old):
    """Rows of this run, and the old ones of sections that it left out."""
    lines = dict(old)
    for result in results.values():
        for b in result.budgets:
            row = _summary_row(b, result.refused)
            lines[_cell(b.what)] = "| " + " | ".join(_cell(c) for c in row) + " |"
    return "\n".join([markdown(SUMMARY_COLUMNS, []), *lines.values()])


def write(path, results, stamps, machine, whole):
    """Puts the results into the document, all or none. `whole`: no section was left out."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = _replace(text, "summary", _summary(results, {} if whole else _old_summary(text)))
    text = _replace(text, "machine", machine)
    for name, result in results.items():
        text = _replace(text, name, block(result, stamps[name]))
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)


def show(name, title, result, stamp):
    """The same on the terminal; figures that must not be published are shown as such."""
    print(f"\n## {title} ({name})\n")
    if result.refused:
        print("NOT TO BE PUBLISHED: " + "; ".join(result.refused) + "\n")
    rows = [_summary_row(b, False) for b in result.budgets]
    for columns, body in ([(SUMMARY_COLUMNS, rows)] if rows else []) + result.tables:
        print(_plain(columns, body) + "\n")
    for note in result.notes:
        print("- " + note)
    print(stamp, flush=True)


def _plain(columns, rows):
    every = [[str(c) for c in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(columns))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in every)
