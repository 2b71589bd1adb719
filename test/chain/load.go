// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// chain load -n N -t SECONDS [-s SEED] [-w WORKERS] [-none] [-stop FILE]
//   -chain a,b,c,d [-member "c dev.p c-of-p"]... HOST:PORT
//
// Requests with marks of all kinds (-none: without one), each with an id of its
// own; whoever answers is compared with the model. HTTP/1.1: each connection is
// kept, and what comes after each other on it has different marks. h2c: eight
// streams at once on each connection. gRPC and WebSocket: some messages each. A
// stream and a WebSocket count as one request. One line of JSON:
//   {"asked": N, "misrouted": N, "failed": N, "h1": N, "h2c": N, "grpc": N, "ws": N,
//    "messages": N, "members": N, "seconds": S, "examples": [...]}
// Each half minute on stderr: how many, and how fast.
// members: those that a member was to answer. Ends with 1 if anything went wrong.

type loader struct {
	host     string
	model    model
	none     bool
	left     atomic.Int64
	end      time.Time
	stop     string
	stopped  atomic.Bool
	ids      atomic.Int64
	kinds    [4]atomic.Int64
	messages atomic.Int64
	members  atomic.Int64
	wrong    atomic.Int64
	failed   atomic.Int64
	mu       sync.Mutex
	examples []string
}

var kindNames = []string{"h1", "h2c", "grpc", "ws"}

func (l *loader) example(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.examples) < 10 {
		l.examples = append(l.examples, fmt.Sprintf(format, args...))
	}
}

// more: one request more may be made
func (l *loader) more() bool {
	return !l.stopped.Load() && time.Now().Before(l.end) && l.left.Add(-1) >= 0
}

// ask: what the next request has, and what has to be the answer to id
func (l *loader) ask(r *rand.Rand) (mark, string) {
	m := mark{http.Header{}, ""}
	if !l.none {
		m = randomMark(r)
	}
	want := l.model.want(m.env)
	if want != strings.Join(l.model.services, ">") {
		l.members.Add(1)
	}
	return m, want
}

func (l *loader) judge(kind int, m mark, want, got string, err error, by string) {
	switch {
	case err != nil:
		l.failed.Add(1)
		l.example("%s %v: %v", kindNames[kind], m.fields, err)
	case got != want:
		l.wrong.Add(1)
		l.example("%s %v: %.200q instead of %q", kindNames[kind], m.fields, got, want)
	case by != "":
		l.wrong.Add(1)
		l.example("%s %v: served by %s", kindNames[kind], m.fields, by)
	}
}

func (l *loader) id() string { return fmt.Sprint(l.ids.Add(1)) }

// --- HTTP/1.1 ---------------------------------------------------------------------

type h1 struct {
	conn net.Conn
	in   *bufio.Reader
	used int
}

func (l *loader) h1Dial(c *h1) error {
	conn, err := net.DialTimeout("tcp", l.host, 10*time.Second)
	if err != nil {
		return err
	}
	*c = h1{conn, bufio.NewReader(conn), 0}
	return nil
}

func (l *loader) h1Try(c *h1, id string, m mark) (string, string, error) {
	c.conn.SetDeadline(time.Now().Add(40 * time.Second))
	w := bufio.NewWriter(c.conn)
	w.WriteString("GET /" + id + " HTTP/1.1\r\nHost: a\r\n")
	writeFields(w, m.fields)
	if err := w.Flush(); err != nil {
		return "", "", err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", "", err
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = &statusError{res.Status + " " + string(body)}
	}
	c.used++
	if res.Close {
		c.conn.Close()
		c.conn = nil
	}
	return string(body), res.Header.Get("Kt-Served-By"), err
}

func (l *loader) h1Worker(r *rand.Rand) {
	c := &h1{}
	for l.more() {
		m, want := l.ask(r)
		id := l.id()
		var got, by string
		var err error
		for again := true; again; {
			kept := c.conn != nil && c.used > 0
			if c.conn == nil {
				if err = l.h1Dial(c); err != nil {
					break
				}
			}
			got, by, err = l.h1Try(c, id, m)
			// closed while it was idle: RFC 9112 section 9.3.1
			again = kept && err == io.EOF
			if _, said := err.(*statusError); err != nil && !said {
				if c.conn != nil {
					c.conn.Close()
				}
				c.conn = nil
			}
		}
		l.kinds[0].Add(1)
		l.messages.Add(1)
		l.judge(0, m, want+" "+id, got, err, by)
		if r.Intn(2000) == 0 && c.conn != nil { // another one
			c.conn.Close()
			c.conn = nil
		}
	}
}

// --- h2c --------------------------------------------------------------------------

func (l *loader) h2Worker(r *rand.Rand) {
	way := newTransport(true) // a connection of its own
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func(r *rand.Rand) {
			defer wg.Done()
			for l.more() {
				l.h2One(way, r)
			}
		}(rand.New(rand.NewSource(r.Int63())))
	}
	wg.Wait()
}

func (l *loader) h2One(way *http.Transport, r *rand.Rand) {
	if r.Intn(5) == 0 {
		l.grpcOne(way, r)
		return
	}
	m, want := l.ask(r)
	id := l.id()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+l.host+"/"+id, nil)
	req.Header = canonical(m.fields)
	res, err := way.RoundTrip(req)
	got, by := "", ""
	if err == nil {
		var body []byte
		body, err = io.ReadAll(res.Body)
		res.Body.Close()
		got, by = string(body), res.Header.Get("Kt-Served-By")
		if err == nil && res.StatusCode != 200 {
			err = &statusError{res.Status + " " + got}
		}
	}
	l.kinds[1].Add(1)
	l.messages.Add(1)
	l.judge(1, m, want+" "+id, got, err, by)
}

func canonical(h http.Header) http.Header {
	out := http.Header{}
	for k, v := range h {
		out[http.CanonicalHeaderKey(k)] = v
	}
	return out
}

func (l *loader) grpcOne(way *http.Transport, r *rand.Rand) {
	m, want := l.ask(r)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	l.kinds[2].Add(1)
	call, err := grpcOpen(ctx, way, l.host, canonical(m.fields))
	if err != nil {
		l.judge(2, m, want, "", err, "")
		return
	}
	for i := 1 + r.Intn(4); i > 0; i-- {
		id := l.id()
		got, err := call.ask([]byte(id))
		l.messages.Add(1)
		l.judge(2, m, want+" "+id, string(got), err, call.res.Header.Get("Kt-Served-By"))
		if err != nil {
			break
		}
	}
	if status := call.close(); status != "0" {
		l.judge(2, m, "", "", fmt.Errorf("grpc-status %q", status), "")
	}
}

// --- WebSocket --------------------------------------------------------------------

func (l *loader) wsWorker(r *rand.Rand) {
	for l.more() {
		m, want := l.ask(r)
		l.kinds[3].Add(1)
		c, head, err := wsDial(l.host, "/talk", m.fields)
		if err != nil {
			l.judge(3, m, want, "", err, "")
			continue
		}
		for i := 1 + r.Intn(6); i > 0 && err == nil; i-- {
			id := l.id()
			var got []byte
			if err = c.write([]byte(id)); err == nil {
				got, err = c.read()
			}
			l.messages.Add(1)
			l.judge(3, m, want+" "+id, string(got), err, head.Get("Kt-Served-By"))
		}
		c.bye()
	}
}

// ----------------------------------------------------------------------------------

func (l *loader) watchStop() {
	for l.stop != "" && !l.stopped.Load() {
		if _, err := os.Stat(l.stop); err == nil {
			l.stopped.Store(true)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (l *loader) asked() (n int64) {
	for i := range l.kinds {
		n += l.kinds[i].Load()
	}
	return n
}

func (l *loader) tell(begun time.Time) {
	last := int64(0)
	for range time.Tick(30 * time.Second) {
		n := l.asked()
		fmt.Fprintf(os.Stderr, "%.0f s: %d asked, %d a second, %d misrouted, %d failed\n",
			time.Since(begun).Seconds(), n, (n-last)/30, l.wrong.Load(), l.failed.Load())
		last = n
	}
}

func (l *loader) flags(args []string) (workers int, seed int64) {
	f := flag.NewFlagSet("load", flag.ExitOnError)
	n := f.Int64("n", 1000, "requests")
	t := f.Float64("t", 60, "seconds at most")
	f.Int64Var(&seed, "s", time.Now().UnixNano(), "seed")
	f.IntVar(&workers, "w", 16, "connections of HTTP/1.1; of the others a quarter each")
	f.BoolVar(&l.none, "none", false, "without a mark")
	f.StringVar(&l.stop, "stop", "", "ends when this file is there")
	services := f.String("chain", "a,b,c,d", "names of the trunk")
	l.model.member = map[string]string{}
	f.Func("member", "SERVICE ENVIRONMENT NAME", func(s string) error {
		p := strings.Fields(s)
		if len(p) != 3 {
			return fmt.Errorf("%q", s)
		}
		names = append(names, p[1], p[1], p[1], p[1]+".sub", p[1]+"-x")
		l.model.member[p[0]+" "+p[1]] = p[2]
		return nil
	})
	f.Parse(args)
	l.model.services = strings.Split(*services, ",")
	l.host = f.Arg(0)
	l.left.Store(*n)
	l.end = time.Now().Add(time.Duration(*t * float64(time.Second)))
	return workers, seed
}

func load(args []string) {
	l := &loader{}
	workers, seed := l.flags(args)
	r := rand.New(rand.NewSource(seed))
	begun := time.Now()
	var wg sync.WaitGroup
	start := func(n int, worker func(*rand.Rand)) {
		for i := 0; i < n; i++ {
			wg.Add(1)
			own := rand.New(rand.NewSource(r.Int63()))
			go func() {
				defer wg.Done()
				worker(own)
			}()
		}
	}
	start(workers, l.h1Worker)
	start((workers+3)/4, l.h2Worker)
	start((workers+3)/4, l.wsWorker)
	go l.watchStop()
	go l.tell(begun)
	wg.Wait()
	out := map[string]any{"seed": seed, "misrouted": l.wrong.Load(), "failed": l.failed.Load(),
		"messages": l.messages.Load(), "members": l.members.Load(), "examples": l.examples,
		"seconds": time.Since(begun).Seconds()}
	for i := range l.kinds {
		out[kindNames[i]] = l.kinds[i].Load()
	}
	out["asked"] = l.asked()
	json.NewEncoder(os.Stdout).Encode(out)
	if l.wrong.Load()+l.failed.Load() > 0 {
		os.Exit(1)
	}
}
