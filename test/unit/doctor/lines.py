#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lines.py SOURCE-FOLDER TEST...: is every line that doctor can print shown by
a test? The calls in the sources are held against what the tests have seen
(seen.c): each check, in each state, with each sentence."""
import json, os, re, subprocess, sys, tempfile

# what takes a port-forward
E2E = {("tunnel", "fail"): ("connect-shadow.bats", "found fail tunnel")}

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONVERSION = re.compile(r"%(?:%|[-+ #0]*[0-9.*]*(?:ll|[hlzj])?[a-z])")


def arguments(text):
    """Those of a call, from after its parenthesis on"""
    found, depth, start, i = [], 0, 0, 0
    while True:
        string = STRING.match(text, i)
        if string:
            i = string.end()
            continue
        c = text[i]
        if c in ",)" and depth == 0:
            found.append(text[start:i].strip())
            start = i + 1
            if c == ")":
                return found
        depth += (c in "([{") - (c in ")]}")
        i += 1


def calls(text):
    for m in re.finditer(r"^\t.*?\b(finding_add|finding_error)\(", text, re.M):
        yield m.group(1), arguments(text[m.end():])


def strings(expression, defines):
    """Each string that it can be: neighbours are one"""
    for name, value in defines.items():
        expression = re.sub(r"\b%s\b" % name, lambda _: value, expression)
    neighbours = r'(?:"(?:[^"\\]|\\.)*"\s*)+'
    return ["".join(STRING.findall(m)) for m in
            re.findall(neighbours, expression)]


def pattern(text):
    return re.compile("".join(
        ".*" if part is None else re.escape(part)
        for part in sum(([a, None] for a in CONVERSION.split(text)), [])[:-1]),
        re.S)


def lines(folder):
    """(check or None, state or None, sentence or None) for each"""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".c") or name == "finding.c":
            continue
        text = open(os.path.join(folder, name), encoding="utf-8").read()
        defines = dict(re.findall(r'^#define (\w+)\s+(".*")', text, re.M))
        for what, args in calls(text):
            checks = strings(args[1], defines) or [None]
            states = re.findall(r"FINDING_(\w+)", args[2]) or [None]
            says = (strings(args[4], defines) if what == "finding_add"
                    else []) or [None]
            if says == ["%s"]:
                says = [None]
            for check in checks:
                for state in states:
                    for one in says:
                        yield (name, check, state and state.lower(), one)


def main():
    folder, tests = sys.argv[1], sys.argv[2:]
    wanted = list(lines(folder))
    with tempfile.NamedTemporaryFile("r") as seen:
        os.chmod(seen.name, 0o666)  # some drop their privileges
        for test in tests:
            subprocess.run([test], check=True, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, DOCTOR_SEEN=seen.name))
        found = [json.loads(line) for line in seen]
    said = [(w[1], w[2], pattern(w[3])) for w in wanted if w[3]]
    missing = 0
    for name, check, state, text in wanted:
        bats, words = E2E.get((check, state), (None, None))
        if bats and words in open(os.path.join(folder, "../../test/e2e", bats),
                                  encoding="utf-8").read():
            continue
        # an error's own words are those that no call of finding_add() has
        if not any(check in (None, f["check"]) and state in (None, f["state"])
                   and (pattern(text).fullmatch(f["text"]) if text else
                        not any((c, s) == (f["check"], f["state"]) and
                                p.fullmatch(f["text"]) for c, s, p in said))
                   for f in found):
            missing += 1
            print(f"no test shows {name}: {state or '?'} {check or '?'}: "
                  f"{text or 'an error'}", file=sys.stderr)
    print(f"{len(wanted)} lines, {missing} without a test")
    return missing > 0 or len(wanted) < 60


if os.geteuid() != 0:
    print("needs namespaces, so root")
    sys.exit(77)
sys.exit(main())
