#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""podready.py FILE: FILE grows by the events of `kubectl get pods --watch`;
prints the seconds that the first one that becomes Ready took from its appearing,
as a client sees them."""
import json
import sys
import time


def events(f):
    """JSON objects as they come, with the time"""
    decoder, text = json.JSONDecoder(), ""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        text = (text + f.read()).lstrip()
        try:
            event, used = decoder.raw_decode(text)
        except ValueError:
            time.sleep(0.002)
            continue
        text = text[used:]
        yield time.monotonic(), event


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True"
               for c in pod.get("status", {}).get("conditions", []))


def main():
    began = {}
    with open(sys.argv[1], encoding="utf-8") as f:
        for now, event in events(f):
            pod = event["object"]
            if pod["metadata"].get("deletionTimestamp"):
                continue
            start = began.setdefault(pod["metadata"]["uid"], now)
            if is_ready(pod):
                print("%.3f" % (now - start))
                return
    raise SystemExit("podready: no Pod became ready")


if __name__ == "__main__":
    main()
