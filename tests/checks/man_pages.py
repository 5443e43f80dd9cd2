#!/usr/bin/env python3
"""The manual pages: every public function has one, none has an empty section, what they refer to
exists, mandoc and groff accept them, and the example of failfast(7) compiles.

Usage: man_pages.py MAN3_FOLDER FAILFAST_7 INCLUDE_FOLDER COMPILER...
"""

import pathlib
import re
import shutil
import subprocess
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FUNCTION = re.compile(r"^FF_API\b[^;]*?\b(ff_\w+)\s*\((?!\()", re.MULTILINE)
SECTION = re.compile(r"^\.SH (.*)\n", re.MULTILINE)
NEEDED = ["NAME", "SYNOPSIS", "DESCRIPTION", "SINCE", "SEE ALSO"]
REFERENCE = re.compile(r"\b(ff_\w+|failfast)(?:\\fP)? ?\(([37])\)")
LINTERS = {"mandoc": ["-Tlint", "-W", "error"], "groff": ["-man", "-ww", "-z", "-Tutf8"]}


def declared(include):
    """The functions of the headers: after FF_API, the first name that a parenthesis follows."""
    names = set()
    for path in sorted(include.rglob("*.h")):
        text = COMMENT.sub("", path.read_text(encoding="utf-8"))
        names.update(FUNCTION.findall(text))
    return names


def has_words(body):
    """Whether a section holds more than requests without text."""
    return any(re.search(r"\w", re.sub(r"^\.[A-Za-z]+", "", line)) for line in body.split("\n"))


def check_page(path, text, titles):
    parts = SECTION.split(text)
    names, bodies = parts[1::2], parts[2::2]
    wrong = [f"{path.name}: the section {name} is empty"
             for name, body in zip(names, bodies) if not has_words(body)]
    if path.suffix == ".3":
        wrong += [f"{path.name}: no section {name}" for name in NEEDED if name not in names]
    wrong += [f"{path.name}: refers to {name}({section}), which does not exist"
              for name, section in REFERENCE.findall(text) if f"{name}.{section}" not in titles]
    return wrong


def lint(paths):
    wrong = []
    for tool, arguments in LINTERS.items():
        if not shutil.which(tool):
            print(f"{tool} is not installed: the pages are not checked by it")
            continue
        done = subprocess.run([tool, *arguments, *map(str, paths)], capture_output=True, text=True)
        if done.returncode != 0 or done.stderr.strip() or done.stdout.strip():
            wrong.append(f"{tool}: {done.stdout}{done.stderr}")
    return wrong


def check_example(page, include, compiler):
    code = re.search(r"^\.SH EXAMPLE\n\.EX\n(.*?)^\.EE", page.read_text(encoding="utf-8"),
                     re.MULTILINE | re.DOTALL).group(1).replace("\\-", "-")
    done = subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{include}",
                           "-xc", "-"], input=code, capture_output=True, text=True)
    return [f"the example does not compile: {done.stderr}"] if done.returncode != 0 else []


def main():
    folder, overview, include = map(pathlib.Path, sys.argv[1:4])
    functions, wrong, whole = declared(include), [], []
    pages = {path.name: path for path in sorted(folder.glob("ff_*.3"))} | {overview.name: overview}
    wrong += [f"{name} has no page" for name in sorted(functions) if f"{name}.3" not in pages]
    for name, path in pages.items():
        text = path.read_text(encoding="utf-8")
        if text.startswith(".so "):
            target = text.split()[1].removeprefix("man3/")
            head = pages[target].read_text(encoding="utf-8").split(".SH SYNOPSIS")[0]
            if path.stem not in head:
                wrong.append(f"{name}: {target} does not name it")
            continue
        whole.append(path)
        wrong += check_page(path, text, pages)
    wrong += lint(whole) + check_example(overview, include, sys.argv[4:])
    print("\n".join(wrong) if wrong else f"{len(functions)} functions have pages")
    return 1 if wrong or not functions else 0


if __name__ == "__main__":
    sys.exit(main())
