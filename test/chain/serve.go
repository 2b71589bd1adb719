// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

var (
	name   = os.Getenv("NAME")
	next   = os.Getenv("NEXT")
	passes = os.Getenv("PASS") != "none"
)

// What services pass on: as one with OpenTelemetry does, and the marks of others
var passed = []string{"Baggage", "Traceparent", "X-Virtual-Env", "Version"}

func marks(r *http.Request) http.Header {
	out := http.Header{}
	for _, k := range passed {
		if v := r.Header[k]; passes && len(v) > 0 {
			out[k] = v
		}
	}
	return out
}

// newTransport: one protocol, without TLS
func newTransport(h2 bool) *http.Transport {
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetUnencryptedHTTP2(h2)
	return &http.Transport{Protocols: &p, MaxIdleConnsPerHost: 512,
		DisableCompression: true, IdleConnTimeout: time.Minute,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}
}

var (
	nextH1 = newTransport(false)
	nextH2 = newTransport(true)
)

func serve() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	go renew()
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Addr: ":" + port, Handler: http.HandlerFunc(answer),
		Protocols: &p, MaxHeaderBytes: 1 << 18,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000}}
	log.Fatal(s.ListenAndServe())
}

// renew: a connection is not kept for ever, as in other pools: where it was opened
// before a router stood before the next service it leads past it
func renew() {
	for range time.Tick(3 * time.Second) {
		nextH1.CloseIdleConnections()
		nextH2.CloseIdleConnections()
	}
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		answerWS(w, r)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		answerGRPC(w, r)
	default:
		answerHTTP(w, r)
	}
}

func refuse(w http.ResponseWriter, err error) {
	http.Error(w, name+": "+err.Error(), http.StatusBadGateway)
}

func answerHTTP(w http.ResponseWriter, r *http.Request) {
	if next == "" {
		io.WriteString(w, name+" "+r.URL.Path[1:])
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+next+r.URL.Path, nil)
	if err != nil {
		refuse(w, err)
		return
	}
	req.Header = marks(r)
	way := nextH1
	if r.ProtoMajor == 2 {
		way = nextH2
	}
	res, err := way.RoundTrip(req)
	if err != nil {
		refuse(w, err)
		return
	}
	defer res.Body.Close()
	if by := res.Header.Get("Kt-Served-By"); by != "" {
		w.Header().Set("Kt-Served-By", by)
	}
	w.WriteHeader(res.StatusCode)
	io.WriteString(w, name+">")
	io.Copy(w, res.Body)
}

// answerGRPC: a stream each way; each message is one of the chain's
func answerGRPC(w http.ResponseWriter, r *http.Request) {
	var call *grpcCall
	var err error
	if next != "" {
		call, err = grpcOpen(r.Context(), nextH2, next, marks(r))
		if err != nil {
			refuse(w, err)
			return
		}
		defer call.close()
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	w.WriteHeader(200)
	flush := w.(http.Flusher)
	flush.Flush()
	status := "0"
	for {
		msg, err := grpcRead(r.Body)
		if err != nil {
			break
		}
		said := []byte(name + " " + string(msg))
		if call != nil {
			said, err = call.ask(msg)
			said = append([]byte(name+">"), said...)
		}
		if err != nil {
			status = "14"
			break
		}
		if grpcWrite(w, said) != nil {
			break
		}
		flush.Flush()
	}
	w.Header().Set("Grpc-Status", status)
}

type grpcCall struct {
	out *io.PipeWriter
	res *http.Response
}

func grpcOpen(ctx context.Context, way *http.Transport, host string, fields http.Header) (*grpcCall, error) {
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+host+"/chain.Chain/Talk", in)
	if err != nil {
		return nil, err
	}
	req.Header = fields
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := way.RoundTrip(req)
	if err == nil && res.StatusCode != 200 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		res.Body.Close()
		err = &statusError{res.Status + " " + string(text)}
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return &grpcCall{out, res}, nil
}

type statusError struct{ text string }

func (e *statusError) Error() string { return e.text }

func (c *grpcCall) ask(msg []byte) ([]byte, error) {
	if err := grpcWrite(c.out, msg); err != nil {
		return nil, err
	}
	return grpcRead(c.res.Body)
}

// close: this side's end; what the other one says of it
func (c *grpcCall) close() string {
	c.out.Close()
	io.Copy(io.Discard, c.res.Body)
	c.res.Body.Close()
	return c.res.Trailer.Get("Grpc-Status")
}

func answerWS(w http.ResponseWriter, r *http.Request) {
	var to *wsConn
	if next != "" {
		var err error
		if to, _, err = wsDial(next, r.URL.Path, marks(r)); err != nil {
			refuse(w, err)
			return
		}
		defer to.bye()
	}
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") +
		"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	out := bufio.NewWriter(conn)
	out.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
	out.Flush()
	me := &wsConn{conn, rw.Reader, false}
	defer me.bye()
	for {
		msg, err := me.read()
		if err != nil {
			return
		}
		said := []byte(name + " " + string(msg))
		if to != nil {
			if to.write(msg) != nil {
				return
			}
			if said, err = to.read(); err != nil {
				return
			}
			said = append([]byte(name+">"), said...)
		}
		if me.write(said) != nil {
			return
		}
	}
}
