#!/usr/bin/env python3
"""Hold docs/report-format.md against real reports, in both directions.

Every line that a report writes must begin with a key of a table of that page, and every key must occur
in some report. STATUS and ERRNO must come as the page says, and addr2line must turn the place of the
innermost frame into the source line that the report names.

Usage: report_format.py REPORT_CASES SOURCE_ROOT
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

LIMIT_S = 60 * max(1.0, float(os.environ.get("FAILFAST_TEST_SLOW", "1")))
KEY_ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
FENCED = re.compile(r"^```\n(=== failfast.*?)^```$", re.MULTILINE | re.DOTALL)
HOLES = {"NAME": r".+", "SIGNAL": r"SIG[A-Z]+", "N": r"-?\d+"}
SECTION = re.compile(r"^## Lines$(.*?)^## ", re.MULTILINE | re.DOTALL)

# Lines that no program can provoke at will, and the sources that write them.
UNPROVOKED = {
    "(SIGNAL while reporting: this part is cut short)":
        ("lib/fail/fault.c", '" while reporting: this part is cut short)"'),
}


def pattern(key):
    parts = re.split(r"\b(NAME|SIGNAL|N)\b", key)
    return re.compile("".join(HOLES.get(part, re.escape(part)) for part in parts))


def kind(line, keys):
    """The longest key that the line begins with; None when there is none."""
    found = [key for key, regex in keys.items() if regex.match(line.strip())]
    return max(found, key=len, default=None)


def report_of(program, case, manager):
    """The stderr of one case, without what the shell of the system may add, and the notification."""
    environment = dict(os.environ, NOTIFY_SOCKET=manager.getsockname())
    environment.pop("FAILFAST_GRACE_MS", None)
    done = subprocess.run([program, case], stderr=subprocess.PIPE, text=True, timeout=LIMIT_S,
                          env=environment, preexec_fn=no_core)
    if done.returncode >= 90:
        sys.exit(f"case {case} did not fail as it should: exit code {done.returncode}\n{done.stderr}")
    notes = []
    try:
        while True:
            notes.append(manager.recv(4096).decode())
    except BlockingIOError:
        pass
    return done.stderr, [note for note in notes if "CRITICAL" in note]


def no_core():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check_lines(where, text, keys, seen):
    wrong = []
    for line in filter(None, text.splitlines()):
        key = kind(line, keys)
        seen.add(key)
        if key is None:
            wrong.append(f"{where}: the page does not explain: {line}")
    return wrong


def check_notes(case, text, notes):
    first = text.partition("\n")[0]
    error = re.search(r"^cause: +error status, code -(\d+)$", text, re.MULTILINE)
    if len(notes) != 1:
        return [f"{case}: {len(notes)} notifications, not one"]
    lines = notes[0].split("\n")
    wanted = [f"STATUS={first}"] + ([f"ERRNO={error.group(1)}"] if error else [])
    if error or not re.search("^cause:", text, re.MULTILINE):
        return [] if lines == wanted else [f"{case}: notified {lines}, not {wanted}"]
    return [] if lines[0] == wanted[0] else [f"{case}: notified {lines[0]}"]


def check_place(program, text):
    """The page's way from module+0xoffset to file:line."""
    if not shutil.which("addr2line"):
        print("no addr2line here: places not checked")
        return []
    place = re.search(r"^place: +(\S+):(\d+) in (\w+)\(\)$", text, re.MULTILINE)
    frame = re.search(r"^  #0 .* (\S+)\+(0x[0-9a-f]+) \(([0-9a-f]{16})\)$", text, re.MULTILINE)
    if not place or not frame or frame.group(1) != pathlib.Path(program).name:
        return [f"no place, or no innermost frame in {program}"]
    answer = subprocess.run(["addr2line", "-f", "-i", "-C", "-e", program, frame.group(2)], check=True,
                            capture_output=True, text=True).stdout.splitlines()
    if answer[1].startswith("??"):
        print("no debug information here: places not checked")
        return []
    wanted = (place.group(3), pathlib.Path(place.group(1)).name, place.group(2))
    file, _, line = answer[1].partition(":")
    got = (answer[0], pathlib.Path(file).name, line.split()[0])
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True)
    wrong = [] if got == wanted else [f"addr2line says {got}, the report {wanted}"]
    if f"Build ID: {frame.group(3)}" not in notes.stdout:
        wrong.append(f"the build-id of {program} does not begin with {frame.group(3)}")
    return wrong


def main():
    program, root = sys.argv[1], pathlib.Path(sys.argv[2])
    page = (root / "docs" / "report-format.md").read_text(encoding="utf-8")
    keys = {key: pattern(key) for key in KEY_ROW.findall(SECTION.search(page).group(1))}
    seen, wrong = set(), []
    for number, example in enumerate(FENCED.findall(page)):
        wrong += check_lines(f"example {number + 1} of the page", example, keys, set())
    cases = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as folder, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(os.path.join(folder, "notify"))
        for case in cases:
            text, notes = report_of(program, case, manager)
            wrong += check_lines(case, text, keys, seen) + check_notes(case, text, notes)
            if case == "error":
                wrong += check_place(program, text)
    for key, (source, literal) in UNPROVOKED.items():
        if literal in (root / source).read_text(encoding="utf-8"):
            seen.add(key)
    wrong += [f"the page explains what never occurs: {key}" for key in keys if key not in seen]
    print("\n".join(wrong) if wrong else f"{len(keys)} kinds of lines in {len(cases)} reports are as "
          "the page says")
    return 1 if wrong or not keys or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
