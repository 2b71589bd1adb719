// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"time"
)

const maxMessage = 1 << 16

// --- gRPC: Length-Prefixed-Message ------------------------------------------------

func grpcRead(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || n > maxMessage {
		return nil, errors.New("no message of gRPC")
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func grpcWrite(w io.Writer, msg []byte) error {
	out := make([]byte, 5, 5+len(msg))
	binary.BigEndian.PutUint32(out[1:], uint32(len(msg)))
	_, err := w.Write(append(out, msg...))
	return err
}

// --- WebSocket (RFC 6455): text frames, whole, up to 64 KiB -----------------------

type wsConn struct {
	net.Conn
	in     *bufio.Reader
	client bool
}

func (c *wsConn) read() ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	n := uint64(head[1] & 0x7f)
	if n == 126 {
		var l [2]byte
		if _, err := io.ReadFull(c.in, l[:]); err != nil {
			return nil, err
		}
		n = uint64(binary.BigEndian.Uint16(l[:]))
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(c.in, mask[:]); err != nil {
			return nil, err
		}
	}
	msg := make([]byte, n)
	if _, err := io.ReadFull(c.in, msg); err != nil {
		return nil, err
	}
	for i := range msg {
		msg[i] ^= mask[i&3]
	}
	if head[0]&0xf == 8 {
		return nil, io.EOF
	}
	return msg, nil
}

func (c *wsConn) frame(op byte, msg []byte) error {
	out := []byte{0x80 | op}
	bit := byte(0)
	if c.client {
		bit = 0x80
	}
	if len(msg) < 126 {
		out = append(out, bit|byte(len(msg)))
	} else {
		out = append(out, bit|126, byte(len(msg)>>8), byte(len(msg)))
	}
	if c.client {
		out = append(out, 0, 0, 0, 0) // a mask that changes nothing
	}
	_, err := c.Write(append(out, msg...))
	return err
}

func (c *wsConn) write(msg []byte) error { return c.frame(1, msg) }

func (c *wsConn) bye() {
	c.frame(8, nil)
	c.Close()
}

// wsDial opens a WebSocket at "host:port"; fields are added to its request
func wsDial(host, path string, fields http.Header) (*wsConn, http.Header, error) {
	conn, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		return nil, nil, err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	w := bufio.NewWriter(conn)
	w.WriteString("GET " + path + " HTTP/1.1\r\nHost: " + host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
	writeFields(w, fields)
	w.Flush()
	in := bufio.NewReader(conn)
	text := textproto.NewReader(in)
	line, err := text.ReadLine()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	head, err := text.ReadMIMEHeader()
	if err == nil && (len(line) < 12 || line[9:12] != "101") {
		err = errors.New(line)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return &wsConn{conn, in, true}, http.Header(head), nil
}

// writeFields writes a head's fields and its end
func writeFields(w *bufio.Writer, fields http.Header) {
	for name, values := range fields {
		for _, v := range values {
			w.WriteString(name + ": " + v + "\r\n")
		}
	}
	w.WriteString("\r\n")
}
