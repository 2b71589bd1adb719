// SPDX-License-Identifier: Apache-2.0

// kt-dns is the test cluster's DNS server. It answers for Services, their
// endpoints and Pods as the specification of DNS-based service discovery and
// CoreDNS's "kubernetes" plugin do; every other name does not exist, because
// the test cluster has no outside.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/miekg/dns"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1beta1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	zone = "cluster.local."
	ttl  = 5
)

// Indexes of the caches.
const (
	byIP      = "ip"      // Services and endpoint slices by address
	byService = "service" // endpoint slices by "namespace/service"
)

var services, slices cache.Indexer

// result is what is known of a name.
type result struct {
	exists bool
	answer []dns.RR
	extra  []dns.RR
}

// endpoint is an address behind a headless Service.
type endpoint struct {
	ip, host string
	ports    []discovery.EndpointPort
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// address returns the record of ip, if kind asks for its family.
func address(name, ip string, kind uint16) []dns.RR {
	parsed := net.ParseIP(ip)
	if parsed == nil {
		return nil
	}
	v4 := parsed.To4()
	switch {
	case v4 != nil && (kind == dns.TypeA || kind == dns.TypeANY):
		return []dns.RR{&dns.A{Hdr: header(name, dns.TypeA), A: v4}}
	case v4 == nil && (kind == dns.TypeAAAA || kind == dns.TypeANY):
		return []dns.RR{&dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: parsed}}
	}
	return nil
}

func getService(namespace, name string) *core.Service {
	o, found, _ := services.GetByKey(namespace + "/" + name)
	if !found {
		return nil
	}
	return o.(*core.Service)
}

func clusterIPs(s *core.Service) []string {
	if len(s.Spec.ClusterIPs) > 0 {
		return s.Spec.ClusterIPs
	}
	return []string{s.Spec.ClusterIP}
}

// endpointsIn lists the ready endpoints of a slice; those without a host name
// are called by their address, as CoreDNS does.
func endpointsIn(s *discovery.EndpointSlice) (list []endpoint) {
	for _, e := range s.Endpoints {
		if e.Conditions.Ready != nil && !*e.Conditions.Ready {
			continue
		}
		for _, ip := range e.Addresses {
			host := strings.NewReplacer(".", "-", ":", "-").Replace(ip)
			if e.Hostname != nil && *e.Hostname != "" {
				host = *e.Hostname
			}
			list = append(list, endpoint{ip, host, s.Ports})
		}
	}
	return list
}

func endpointsOf(namespace, service string) (list []endpoint) {
	found, _ := slices.ByIndex(byService, namespace+"/"+service)
	for _, o := range found {
		list = append(list, endpointsIn(o.(*discovery.EndpointSlice))...)
	}
	return list
}

// lookup finds a name in lower case; q is the name as it was asked for.
func lookup(q, name string, kind uint16) result {
	if ip := reverse(name); ip != "" {
		return lookupAddress(q, ip)
	}
	switch name {
	case zone, "svc." + zone, "pod." + zone:
		return result{exists: true}
	case "dns-version." + zone:
		return lookupVersion(q, kind)
	}
	labels := dns.SplitDomainName(strings.TrimSuffix(name, "."+zone))
	last := len(labels) - 1
	switch labels[last] {
	case "svc":
		return lookupService(q, labels[:last], kind)
	case "pod":
		return lookupPod(q, labels[:last], kind)
	}
	return result{}
}

func lookupVersion(q string, kind uint16) result {
	r := result{exists: true}
	if kind == dns.TypeTXT {
		r.answer = []dns.RR{&dns.TXT{Hdr: header(q, dns.TypeTXT), Txt: []string{"1.1.0"}}}
	}
	return r
}

// lookupPod: 10-244-0-7.NAMESPACE.pod is that address, whoever has it.
func lookupPod(q string, labels []string, kind uint16) result {
	if len(labels) != 2 {
		return result{}
	}
	ip := strings.ReplaceAll(labels[0], "-", ".")
	if net.ParseIP(ip) == nil {
		ip = strings.ReplaceAll(labels[0], "-", ":")
	}
	if net.ParseIP(ip) == nil {
		return result{}
	}
	return result{exists: true, answer: address(q, ip, kind)}
}

// lookupService: [HOST.|_PORT._PROTOCOL.]SERVICE.NAMESPACE
func lookupService(q string, labels []string, kind uint16) result {
	n := len(labels)
	switch n {
	case 0:
		return result{}
	case 1: // a name that only has others below it
		found, _ := services.ByIndex(cache.NamespaceIndex, labels[0])
		return result{exists: len(found) > 0}
	}
	s := getService(labels[n-1], labels[n-2])
	if s == nil {
		return result{}
	}
	rest := labels[:n-2]
	headless := s.Spec.ClusterIP == core.ClusterIPNone
	port := len(rest) == 2 && strings.HasPrefix(rest[0], "_") && strings.HasPrefix(rest[1], "_")
	switch {
	case s.Spec.Type == core.ServiceTypeExternalName:
		return lookupExternal(q, s, rest, kind)
	case kind == dns.TypeSRV && (len(rest) == 0 || port):
		return lookupPorts(q, s, rest)
	case port: // such a name has SRV records only
		return result{exists: lookupPorts(q, s, rest).exists}
	case len(rest) == 0 && !headless:
		r := result{exists: true}
		for _, ip := range clusterIPs(s) {
			r.answer = append(r.answer, address(q, ip, kind)...)
		}
		return r
	case len(rest) < 2 && headless:
		return lookupEndpoints(q, s, rest, kind)
	}
	return result{}
}

func lookupExternal(q string, s *core.Service, rest []string, kind uint16) result {
	if len(rest) > 0 {
		return result{}
	}
	target := dns.Fqdn(strings.ToLower(s.Spec.ExternalName))
	r := result{exists: true}
	r.answer = []dns.RR{&dns.CNAME{Hdr: header(q, dns.TypeCNAME), Target: target}}
	if kind != dns.TypeCNAME && dns.IsSubDomain(zone, target) && target != strings.ToLower(q) {
		r.answer = append(r.answer, lookup(target, target, kind).answer...)
	}
	return r
}

// lookupEndpoints: a headless Service without endpoints does not exist.
func lookupEndpoints(q string, s *core.Service, rest []string, kind uint16) (r result) {
	for _, e := range endpointsOf(s.Namespace, s.Name) {
		if len(rest) == 1 && rest[0] != e.host {
			continue
		}
		r.exists = true
		r.answer = append(r.answer, address(q, e.ip, kind)...)
	}
	return r
}

// lookupPorts makes the SRV records of all ports or of _PORT._PROTOCOL.
func lookupPorts(q string, s *core.Service, rest []string) result {
	r := result{exists: len(rest) == 0}
	name := s.Name + "." + s.Namespace + ".svc." + zone
	add := func(port, protocol string, number int32, target string, ips []string) {
		if len(rest) == 2 && (rest[0] != "_"+strings.ToLower(port) || rest[1] != "_"+strings.ToLower(protocol)) {
			return
		}
		r.exists = true
		r.answer = append(r.answer, &dns.SRV{Hdr: header(q, dns.TypeSRV), Weight: 100, Port: uint16(number), Target: target})
		for _, ip := range ips {
			r.extra = append(r.extra, address(target, ip, dns.TypeANY)...)
		}
	}
	if s.Spec.ClusterIP != core.ClusterIPNone {
		for _, p := range s.Spec.Ports {
			add(p.Name, string(p.Protocol), p.Port, name, clusterIPs(s))
		}
		return r
	}
	for _, e := range endpointsOf(s.Namespace, s.Name) {
		for _, p := range e.ports {
			if p.Name != nil && p.Port != nil && p.Protocol != nil {
				add(*p.Name, string(*p.Protocol), *p.Port, e.host+"."+name, []string{e.ip})
			}
		}
	}
	return r
}

// reverse returns the address that a name below in-addr.arpa or ip6.arpa
// stands for, in the form net.IP prints, or "".
func reverse(name string) string {
	var text string
	if labels := dns.SplitDomainName(strings.TrimSuffix(name, ".in-addr.arpa.")); strings.HasSuffix(name, ".in-addr.arpa.") {
		for i := len(labels) - 1; i >= 0; i-- {
			text += labels[i] + "."
		}
		text = strings.TrimSuffix(text, ".")
	} else if labels := dns.SplitDomainName(strings.TrimSuffix(name, ".ip6.arpa.")); strings.HasSuffix(name, ".ip6.arpa.") && len(labels) == 32 {
		for i := 31; i >= 0; i-- {
			text += labels[i]
			if i%4 == 0 && i > 0 {
				text += ":"
			}
		}
	}
	if ip := net.ParseIP(text); ip != nil {
		return ip.String()
	}
	return ""
}

func lookupAddress(q, ip string) (r result) {
	add := func(name string) {
		r.exists = true
		r.answer = append(r.answer, &dns.PTR{Hdr: header(q, dns.TypePTR), Ptr: name + ".svc." + zone})
	}
	found, _ := services.ByIndex(byIP, ip)
	for _, o := range found {
		s := o.(*core.Service)
		add(s.Name + "." + s.Namespace)
	}
	if r.exists {
		return r
	}
	found, _ = slices.ByIndex(byIP, ip)
	for _, o := range found {
		slice := o.(*discovery.EndpointSlice)
		s := getService(slice.Namespace, slice.Labels[discovery.LabelServiceName])
		if s == nil || s.Spec.ClusterIP != core.ClusterIPNone {
			continue
		}
		for _, e := range endpointsIn(slice) {
			if e.ip == ip {
				add(e.host + "." + s.Name + "." + s.Namespace)
			}
		}
	}
	return r
}

func handle(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.RecursionAvailable = true
	m.Compress = true
	if len(r.Question) != 1 || r.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeNotImplemented
		w.WriteMsg(m)
		return
	}
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	if !dns.IsSubDomain(zone, name) && !strings.HasSuffix(name, ".arpa.") {
		m.Rcode = dns.RcodeNameError
		w.WriteMsg(m)
		return
	}
	m.Authoritative = true
	found := lookup(q.Name, name, q.Qtype)
	m.Answer, m.Extra = found.answer, found.extra
	if !found.exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{&dns.SOA{Hdr: header(zone, dns.TypeSOA), Ns: "ns.dns." + zone, Mbox: "hostmaster." + zone,
			Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl}}
	}
	fit(w, r, m)
	w.WriteMsg(m)
}

// fit cuts an answer for UDP to what the client can take.
func fit(w dns.ResponseWriter, r, m *dns.Msg) {
	size := dns.MaxMsgSize
	if w.LocalAddr().Network() == "udp" {
		size = dns.MinMsgSize
	}
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(4096, false)
		if size == dns.MinMsgSize && int(opt.UDPSize()) > size {
			size = int(opt.UDPSize())
		}
	}
	for m.Len() > size && len(m.Answer) > 0 {
		m.Truncated = true
		m.Answer = m.Answer[:len(m.Answer)-1]
		m.Extra = onlyOPT(m.Extra)
	}
}

func onlyOPT(list []dns.RR) (opt []dns.RR) {
	for _, rr := range list {
		if rr.Header().Rrtype == dns.TypeOPT {
			opt = append(opt, rr)
		}
	}
	return opt
}

// watch fills the two caches, and returns when they are complete.
func watch() error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	si := factory.Core().V1().Services().Informer()
	ei := factory.Discovery().V1beta1().EndpointSlices().Informer()
	si.AddIndexers(cache.Indexers{byIP: serviceIPs})
	ei.AddIndexers(cache.Indexers{byIP: sliceIPs, byService: sliceService})
	services, slices = si.GetIndexer(), ei.GetIndexer()
	never := make(chan struct{})
	factory.Start(never)
	factory.WaitForCacheSync(never)
	return nil
}

func serviceIPs(o interface{}) ([]string, error) {
	return clusterIPs(o.(*core.Service)), nil
}

func sliceIPs(o interface{}) (ips []string, err error) {
	for _, e := range o.(*discovery.EndpointSlice).Endpoints {
		ips = append(ips, e.Addresses...)
	}
	return ips, nil
}

func sliceService(o interface{}) ([]string, error) {
	s := o.(*discovery.EndpointSlice)
	return []string{s.Namespace + "/" + s.Labels[discovery.LabelServiceName]}, nil
}

func main() {
	listen := flag.String("listen", ":53", "address to listen on, UDP and TCP")
	ready := flag.String("ready", ":8181", "address for the readiness probe")
	flag.String("conf", "", "taken and not used: CoreDNS has it")
	flag.Parse()
	if err := watch(); err != nil {
		log.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		server := &dns.Server{Addr: *listen, Net: network, Handler: dns.HandlerFunc(handle)}
		go func() { log.Fatal(server.ListenAndServe()) }()
	}
	log.Print("serving ", zone, " on ", *listen)
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	log.Fatal(http.ListenAndServe(*ready, nil))
}
