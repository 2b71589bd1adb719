// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand"
	"net/http"
	"strings"
)

// A model of docs/environments.md, "The mark", made from its text and not from the
// router's code: what fields a request has, and which environment it asks for.

type mark struct {
	fields http.Header
	env    string // "": the trunk
}

// Names that are well-formed; those that have a member come from -member
var names = []string{"dev.p", "dev.p", "dev.p.me", "dev.p.me", "dev.p.me.sub",
	"dev.p.me.a.b.c", "dev.p.other", "dev", "dev.q", "dev.pp", "dev.p-me", "p", "me",
	"dev.p-1", "dev.p.m", "dev.p.mee", "p.dev", "x.dev.p", "0", "a-b.c-d"}

// What is no name: the trunk's, and no mark that is read later counts
var bad = []string{"DEV.P", "Dev.p", "dev.P.me", "dev.p.", ".dev.p", "dev..p",
	"dev.p..me", "dev.-p", "dev.p-", "dev_p", "dev/p", "dev.p\\", "dev.p:me",
	"dev.p*", "*", ".", "..", "-", "dev.p me", "dev.p\xc3\xa9", "\xff\xfe",
	"dev.p'--", "<dev.p>", "${dev.p}", "../dev.p", "dev.p#", "dev.p?x",
	strings.Repeat("a", 64), strings.Repeat("a.", 80) + "a",
	"dev.p." + strings.Repeat("b", 64), strings.Repeat("dev.p.me.", 40)}

func pick[T any](r *rand.Rand, of []T) T { return of[r.Intn(len(of))] }

// percent writes some characters as %XX, which baggage's values allow
func percent(r *rand.Rand, s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 || s[i] == ' ' || s[i] == '\\' || r.Intn(8) == 0 {
			b.WriteString("%" + string(hex[s[i]>>4]) + string(hex[s[i]&15]))
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Members of baggage that ask for nothing
var noise = []string{"user=ann", "x=kt-env", "kt-envs=dev.p", "xkt-env=dev.p",
	"KT-ENV=dev.p", "Kt-Env=dev.p", "kt_env=dev.p", "kt-env2=dev.p.me",
	"a=kt-env%3Ddev.p", "session=;kt-env=dev.p", "b=%2Ckt-env%3Ddev.p",
	"c=" + strings.Repeat("d", 300), "e=f;g=h;i"}

// baggage: fields with the value of kt-env as the first one of its name
func baggage(r *rand.Rand, value string) []string {
	var all []string
	for i := r.Intn(4); i > 0; i-- {
		all = append(all, pick(r, noise))
	}
	space := pick(r, []string{"", "", "", " ", "\t "})
	member := "kt-env" + space + "=" + space + percent(r, value) +
		pick(r, []string{"", "", "", ";ttl=1", " ; kt-env=dev.q"})
	all = append(all, member)
	for i := r.Intn(3); i > 0; i-- {
		all = append(all, pick(r, append(noise, "kt-env=dev.p", "kt-env=dev.p.me")))
	}
	if r.Intn(3) == 0 { // a list may be in several fields
		cut := r.Intn(len(all) + 1)
		out := []string{}
		for _, part := range [][]string{all[:cut], all[cut:]} {
			if len(part) > 0 {
				out = append(out, strings.Join(part, ", "))
			}
		}
		return out
	}
	return []string{strings.Join(all, pick(r, []string{",", ", ", " ,\t"}))}
}

// randomMark: none, one, several, hostile ones
func randomMark(r *rand.Rand) mark {
	f := http.Header{}
	env, decided := "", false
	for _, field := range []string{"baggage", "X-Virtual-Env", "VERSION"} {
		if r.Intn(5) < 3 {
			if field == "baggage" && r.Intn(3) == 0 {
				f["baggage"] = []string{pick(r, noise)}
			}
			continue
		}
		value, good := pick(r, names), true
		if r.Intn(3) == 0 {
			value, good = pick(r, bad), false
		}
		if field == "baggage" {
			f[field] = baggage(r, value)
		} else {
			f[field] = []string{value}
		}
		if !decided && good {
			env = value
		}
		decided = true
	}
	if r.Intn(4) == 0 {
		f["traceparent"] = []string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	}
	return mark{f, env}
}

// --- who has to answer ------------------------------------------------------------

type model struct {
	services []string
	member   map[string]string // "SERVICE ENVIRONMENT": its name
}

// want: the names of a request for env, "a>b>c>d"
func (m *model) want(env string) string {
	out := make([]string, len(m.services))
	for i, s := range m.services {
		out[i] = s
		for e := env; e != ""; {
			if who := m.member[s+" "+e]; who != "" {
				out[i] = who
				break
			}
			dot := strings.LastIndexByte(e, '.')
			if dot < 0 {
				break
			}
			e = e[:dot]
		}
	}
	return strings.Join(out, ">")
}
