#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""talk.py KIND HOST PORT STOP [ARGUMENT]...: one conversation over all of a storm

It says "running", goes on until there is a file STOP, then ends as such
conversations do, and prints a line of JSON:
  {"what": "kept", or what was wrong, "words": N, "lost": N, "gap_ms": N}
Each word waits for the answer to the one before. KIND:
  grpc        a stream of both ways, to streams.py
  websocket   to streams.py
  udp WHO     one socket, to an echo and to WHO, another port there, where the
              other end tells who asks: always the same, it is one flow for both
              ends. Answers may come late; what never comes is lost, and counted
  psql DB     psql(1) in a transaction that is committed at the end
  scp KEY FILE FAR MBIT   FILE goes there and comes back, at MBIT/s, again and
              again; its bytes are compared, there (on this machine) and here
gap_ms: the longest time without a word.
"""
import asyncio
import filecmp
import json
import os
import queue
import random
import socket
import subprocess
import sys
import time

PAUSE = 0.05
LONG = 3600


class Talk:
    def __init__(self, stop):
        self.stop = stop
        self.words = self.lost = 0
        self.gap = 0.0
        self.last = None

    def begun(self):
        print("running", flush=True)

    def said(self):
        now = time.monotonic()
        if self.last is not None:
            self.gap = max(self.gap, now - self.last)
        self.last = now
        self.words += 1

    def over(self):
        return os.path.exists(self.stop)

    def tell(self, what):
        print(json.dumps({"what": what, "words": self.words, "lost": self.lost,
                          "gap_ms": int(self.gap * 1000)}), flush=True)


def grpc(talk, host, port):
    import grpc as library

    with library.insecure_channel(f"{host}:{port}") as channel:
        said = queue.Queue()
        answers = channel.stream_stream("/t/Chat")(iter(said.get, None),
                                                   timeout=LONG)
        rnd = random.Random(1)
        while True:
            last = talk.over()
            word = rnd.randbytes(rnd.randint(1, 20000))
            said.put(word)
            assert next(answers) == b"re: " + word, "another word"
            talk.said()
            if talk.words == 1:
                talk.begun()
            if last:
                break
            time.sleep(PAUSE)
        said.put(None)
        assert next(answers, None) is None, "it goes on"


def websocket(talk, host, port):
    import websockets

    async def chat():
        # no pings of its own: it would give up by itself during a long cut
        async with websockets.connect(f"ws://{host}:{port}/", max_size=None,
                                      ping_interval=None) as link:
            rnd = random.Random(2)
            while True:
                last = talk.over()
                word = rnd.randbytes(rnd.randint(1, 20000))
                await link.send(word)
                assert await link.recv() == word, "another word"
                talk.said()
                if talk.words == 1:
                    talk.begun()
                if last:
                    break
                await asyncio.sleep(PAUSE)
        assert link.close_code == 1000, link.close_code

    asyncio.run(chat())


def udp(talk, host, port, who):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 0))
    late = set()  # words that are still to be answered
    asked = []  # what the other end says of who asks

    def hear(seconds, until):
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            s.settimeout(max(0.01, end - time.monotonic()))
            try:
                got, sender = s.recvfrom(65536)
            except TimeoutError:
                return
            assert sender[0] == host, sender
            if sender[1] == int(who):
                asked.append(got.split()[1:3])
            else:
                assert got in late, "a datagram that nobody has sent"
                late.remove(got)
                talk.said()

    def asker():
        for _ in range(30):
            n = len(asked)
            s.sendto(b"who", (host, int(who)))
            hear(1, lambda n=n: len(asked) > n)
            if len(asked) > n:
                return asked[-1]
        raise AssertionError("nobody says who asks")

    first = asker()
    talk.begun()
    while not talk.over():
        # with every word: a flow that nobody uses for five minutes is forgotten
        s.sendto(b"who", (host, int(who)))
        word = b"%d " % (talk.words + len(late)) + os.urandom(random.randint(9, 1000))
        late.add(word)
        s.sendto(word, (host, int(port)))
        hear(1, lambda word=word: word not in late)
        time.sleep(PAUSE)
    hear(5, lambda: not late)
    talk.lost = len(late)
    asker()
    assert all(a == first for a in asked), "it is another flow for the other end"


def psql(talk, host, port, base):
    child = subprocess.Popen(
        ["psql", "-X", "-q", "-A", "-t", "-h", host, "-p", port, "-U", "postgres",
         base], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, bufsize=1)

    def ask(sql):
        child.stdin.write(sql + "\n")
        child.stdin.flush()
        answer = child.stdout.readline().strip()
        assert answer and "ERROR" not in answer and "server" not in answer, answer
        return answer

    who = ask("BEGIN; CREATE TABLE said (n int PRIMARY KEY, t text); "
              "SELECT pg_backend_pid();")
    xid = ask("SELECT txid_current();")
    talk.begun()
    while not talk.over():
        talk.said()
        got = ask(f"INSERT INTO said VALUES ({talk.words}, repeat('x', 1000)) "
                  "RETURNING n;")
        assert got == str(talk.words), got
        time.sleep(PAUSE)
    assert ask("SELECT pg_backend_pid();") == who, "another session"
    assert ask("SELECT txid_current();") == xid, "another transaction"
    assert ask("COMMIT; SELECT count(*) FROM said;") == str(talk.words), "rows"
    child.stdin.close()
    assert child.wait() == 0, "psql has failed"


def scp(talk, host, port, key, path, far, mbit):
    back = path + ".back"
    options = ["-q", "-l", str(int(mbit) * 1000), "-i", key, "-P", port,
               "-o", "StrictHostKeyChecking=no",
               "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]

    def copy(*way):
        done = subprocess.run(["scp", "-F", "none", *options, *way],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        talk.said()

    talk.begun()
    while True:
        copy(path, f"root@{host}:{far}")
        assert filecmp.cmp(path, far, shallow=False), "other bytes there"
        if talk.over():
            break
        copy(f"root@{host}:{far}", back)
        assert filecmp.cmp(path, back, shallow=False), "other bytes"
        os.remove(back)
        os.remove(far)  # or it would be right already
        if talk.over():
            break


def main():
    kind, host, port, stop, *rest = sys.argv[1:]
    talk = Talk(stop)
    kinds = {"grpc": grpc, "websocket": websocket, "udp": udp, "psql": psql,
             "scp": scp}
    try:
        kinds[kind](talk, host, port, *rest)
    except Exception as e:  # whatever it is, the storm has done it
        talk.tell(f"{type(e).__name__}: {e}")
        sys.exit(1)
    talk.tell("kept")


main()
