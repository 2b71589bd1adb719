// SPDX-License-Identifier: Apache-2.0
//
// kt-dns: cluster DNS for the test cluster (A/AAAA/SRV/PTR/CNAME for Services and their endpoints), UDP and TCP.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/miekg/dns"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corel "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	zone   = "cluster.local."
	ttl    = uint32(5)
	svcs   corel.ServiceLister
	eps    corel.EndpointsLister
	svcIdx cache.Indexer
	epIdx  cache.Indexer
)

type ep struct {
	ip, host string
	ports    []v1.EndpointPort
}

func endpoints(ns, name string) (r []ep) {
	e, err := eps.Endpoints(ns).Get(name)
	if err != nil {
		return nil
	}
	for _, s := range e.Subsets {
		for _, a := range s.Addresses {
			h := a.Hostname
			if h == "" {
				h = strings.NewReplacer(".", "-", ":", "-").Replace(a.IP)
			}
			r = append(r, ep{a.IP, h, s.Ports})
		}
	}
	return
}

func addr(name, ip string, qt uint16) (rr []dns.RR) {
	p := net.ParseIP(ip)
	h := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: ttl}
	if p4 := p.To4(); p4 != nil && (qt == dns.TypeA || qt == dns.TypeANY) {
		h.Rrtype = dns.TypeA
		rr = append(rr, &dns.A{Hdr: h, A: p4})
	} else if p4 == nil && (qt == dns.TypeAAAA || qt == dns.TypeANY) {
		h.Rrtype = dns.TypeAAAA
		rr = append(rr, &dns.AAAA{Hdr: h, AAAA: p})
	}
	return
}

// lookup returns the answers, the extra records and whether the name exists.
func lookup(q string, qt uint16) (ans, extra []dns.RR, exists bool) {
	l := strings.ToLower(q)
	if strings.HasSuffix(l, ".in-addr.arpa.") {
		lb := dns.SplitDomainName(strings.TrimSuffix(l, ".in-addr.arpa."))
		if len(lb) != 4 {
			return nil, nil, false
		}
		ip := lb[3] + "." + lb[2] + "." + lb[1] + "." + lb[0]
		ptr := func(t string) {
			ans = append(ans, &dns.PTR{Hdr: dns.RR_Header{Name: q, Class: dns.ClassINET, Rrtype: dns.TypePTR, Ttl: ttl}, Ptr: t})
		}
		if o, _ := svcIdx.ByIndex("ip", ip); len(o) > 0 {
			for _, s := range o {
				m := s.(*v1.Service)
				ptr(m.Name + "." + m.Namespace + ".svc." + zone)
			}
			return ans, nil, true
		}
		if o, _ := epIdx.ByIndex("ip", ip); len(o) > 0 {
			for _, s := range o {
				m := s.(*v1.Endpoints)
				if sv, err := svcs.Services(m.Namespace).Get(m.Name); err != nil || sv.Spec.ClusterIP != v1.ClusterIPNone {
					continue
				}
				for _, e := range endpoints(m.Namespace, m.Name) {
					if e.ip == ip {
						ptr(e.host + "." + m.Name + "." + m.Namespace + ".svc." + zone)
					}
				}
			}
			return ans, nil, len(ans) > 0
		}
		return nil, nil, false
	}
	if l == zone || l == "svc."+zone || l == "pod."+zone {
		return nil, nil, true
	}
	if l == "dns-version."+zone {
		return []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q, Class: dns.ClassINET, Rrtype: dns.TypeTXT, Ttl: ttl}, Txt: []string{"1.1.0"}}}, nil, true
	}
	lb := dns.SplitDomainName(strings.TrimSuffix(l, "."+zone))
	n := len(lb)
	kind := lb[n-1]
	lb = lb[:n-1]
	n = len(lb)
	if kind == "pod" && n == 2 {
		ip := strings.ReplaceAll(lb[0], "-", ".")
		if net.ParseIP(ip) == nil {
			return nil, nil, false
		}
		return addr(q, ip, qt), nil, true
	}
	if kind != "svc" || n == 0 {
		return nil, nil, false
	}
	ns := lb[n-1]
	if n == 1 { // an empty non-terminal where the namespace has services
		all, _ := svcIdx.ByIndex(cache.NamespaceIndex, ns)
		return nil, nil, len(all) > 0
	}
	name := lb[n-2]
	sv, err := svcs.Services(ns).Get(name)
	if err != nil {
		return nil, nil, false
	}
	rest := lb[:n-2]
	fq := name + "." + ns + ".svc." + zone
	if sv.Spec.Type == v1.ServiceTypeExternalName {
		if len(rest) > 0 {
			return nil, nil, false
		}
		t := dns.Fqdn(sv.Spec.ExternalName)
		ans = append(ans, &dns.CNAME{Hdr: dns.RR_Header{Name: q, Class: dns.ClassINET, Rrtype: dns.TypeCNAME, Ttl: ttl}, Target: t})
		if strings.HasSuffix(t, "."+zone) {
			a, _, _ := lookup(t, qt)
			ans = append(ans, a...)
		}
		return ans, nil, true
	}
	headless := sv.Spec.ClusterIP == v1.ClusterIPNone
	srv := func(port int32, target string) dns.RR {
		return &dns.SRV{Hdr: dns.RR_Header{Name: q, Class: dns.ClassINET, Rrtype: dns.TypeSRV, Ttl: ttl}, Weight: 100, Port: uint16(port), Target: target}
	}
	switch {
	case len(rest) == 0 || len(rest) == 2 && strings.HasPrefix(rest[0], "_") && strings.HasPrefix(rest[1], "_"):
		wantSRV := qt == dns.TypeSRV
		if len(rest) == 2 && !wantSRV { // _port._proto has SRV records only
			_, _, ok := lookup(q, dns.TypeSRV)
			return nil, nil, ok
		}
		match := func(pn string, pr v1.Protocol) bool {
			return len(rest) == 0 || rest[0] == "_"+strings.ToLower(pn) && rest[1] == "_"+strings.ToLower(string(pr))
		}
		if headless {
			es := endpoints(ns, name)
			if len(es) == 0 {
				return nil, nil, false // as CoreDNS: a headless service with no endpoints does not exist
			}
			for _, e := range es {
				if !wantSRV {
					ans = append(ans, addr(q, e.ip, qt)...)
					continue
				}
				hit := false
				for _, p := range e.ports {
					if match(p.Name, p.Protocol) {
						ans = append(ans, srv(p.Port, e.host+"."+fq))
						hit = true
					}
				}
				if hit {
					extra = append(extra, addr(e.host+"."+fq, e.ip, dns.TypeANY)...)
				}
			}
		} else {
			if !wantSRV {
				return addr(q, sv.Spec.ClusterIP, qt), nil, true
			}
			for _, p := range sv.Spec.Ports {
				if match(p.Name, p.Protocol) {
					ans = append(ans, srv(p.Port, fq))
				}
			}
			if len(ans) > 0 {
				extra = addr(fq, sv.Spec.ClusterIP, dns.TypeANY)
			}
		}
		return ans, extra, len(rest) == 0 || len(ans) > 0
	case len(rest) == 1 && headless:
		for _, e := range endpoints(ns, name) {
			if e.host == rest[0] {
				exists = true
				ans = append(ans, addr(q, e.ip, qt)...)
			}
		}
		return ans, nil, exists
	}
	return nil, nil, false
}

func handle(upstream string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		m.RecursionAvailable = true
		if len(r.Question) != 1 || r.Opcode != dns.OpcodeQuery {
			m.Rcode = dns.RcodeNotImplemented
			w.WriteMsg(m)
			return
		}
		q := r.Question[0]
		l := strings.ToLower(q.Name)
		if !dns.IsSubDomain(zone, l) && !strings.HasSuffix(l, ".in-addr.arpa.") {
			if upstream != "" {
				if a, err := dns.Exchange(r, upstream); err == nil {
					w.WriteMsg(a)
					return
				}
				m.Rcode = dns.RcodeServerFailure
			} else {
				m.Rcode = dns.RcodeNameError // an air-gapped cluster: no other name exists
			}
			w.WriteMsg(m)
			return
		}
		m.Authoritative = true
		ans, extra, ok := lookup(q.Name, q.Qtype)
		m.Answer, m.Extra = ans, extra
		if !ok {
			m.Rcode = dns.RcodeNameError
		}
		if len(ans) == 0 {
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: zone, Class: dns.ClassINET, Rrtype: dns.TypeSOA, Ttl: ttl}, Ns: "ns.dns." + zone, Mbox: "hostmaster." + zone, Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl}}
		}
		if w.LocalAddr().Network() == "udp" {
			size := 512
			if o := r.IsEdns0(); o != nil {
				size = int(o.UDPSize())
				m.SetEdns0(uint16(size), false)
			}
			m.Compress = true
			for m.Len() > size && len(m.Answer) > 0 {
				m.Answer = m.Answer[:len(m.Answer)-1]
				m.Truncated = true
			}
		}
		w.WriteMsg(m)
	}
}

func main() {
	kc := flag.String("kubeconfig", "", "kubeconfig; empty: in-cluster")
	listen := flag.String("listen", ":53", "")
	up := flag.String("upstream", "", "where other names go; empty: NXDOMAIN")
	flag.Parse()
	var cfg *rest.Config
	var err error
	if *kc == "" {
		cfg, err = rest.InClusterConfig()
	} else {
		cfg, err = clientcmd.BuildConfigFromFlags("", *kc)
	}
	if err != nil {
		log.Fatal(err)
	}
	cs := kubernetes.NewForConfigOrDie(cfg)
	f := informers.NewSharedInformerFactory(cs, 0)
	si, ei := f.Core().V1().Services(), f.Core().V1().Endpoints()
	si.Informer().AddIndexers(cache.Indexers{"ip": func(o interface{}) ([]string, error) { return []string{o.(*v1.Service).Spec.ClusterIP}, nil }})
	ei.Informer().AddIndexers(cache.Indexers{"ip": func(o interface{}) (r []string, e error) {
		for _, s := range o.(*v1.Endpoints).Subsets {
			for _, a := range s.Addresses {
				r = append(r, a.IP)
			}
		}
		return
	}})
	svcs, eps, svcIdx, epIdx = si.Lister(), ei.Lister(), si.Informer().GetIndexer(), ei.Informer().GetIndexer()
	f.Start(make(chan struct{}))
	f.WaitForCacheSync(make(chan struct{}))
	go func() {
		http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
		log.Fatal(http.ListenAndServe(":8181", nil))
	}()
	h := handle(*up)
	for _, n := range []string{"udp", "tcp"} {
		go func(n string) { log.Fatal((&dns.Server{Addr: *listen, Net: n, Handler: h}).ListenAndServe()) }(n)
	}
	fmt.Fprintln(os.Stderr, "kt-dns: serving", zone, "on", *listen)
	select {}
}
