/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_OPTIONS_H
#define KT_CLI_OPTIONS_H

#include "base/ipaddr.h"
#include "base/str.h"
#include "cli/expose.h"
#include "cluster/pod_options.h"
#include "wire/fault.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Options
 *
 * What a command gets to see: plain, typed, validated values. They come from
 * the rows of the option table (table.c), each from the first of these that
 * says something: the command line, the environment (KTCTL_<ITEM>), the
 * configuration file (~/.kt/config), the default text of the row.
 *
 * Strings and lists belong to struct options; options_fini() frees them. A
 * string that was not given, or given empty, is NULL.
 */

struct prefixes {
	struct ipprefix *v;
	size_t n;
};

struct global_options {
	char *namespace;  /* NULL: that of the kubeconfig context */
	char *kubeconfig; /* NULL: $KUBECONFIG or ~/.kube/config */
	char *context;	  /* NULL: the current one */
	struct pod_options pod;
	int port_forward_timeout; /* seconds, >= 1 */
	int buffer_limit;	  /* MiB; 0: by the machine */
	int ip_version;		  /* 4 or 6 */
	int carrier;		  /* enum carrier_option */
	bool debug;
	bool use_local_time;
	bool as_worker; /* accepted for KT's sake, no effect */
};

enum connect_mode { CONNECT_TUN2SOCKS, CONNECT_SSHUTTLE };
enum dns_mode { DNS_MODE_LOCAL, DNS_MODE_POD, DNS_MODE_HOSTS };

/** struct dns_option - --dnsMode */
struct dns_option {
	int kind; /* enum dns_mode */
	/* localDNS: servers in order, as written ("cluster", "upstream",
	 * "tcp:10.0.0.2:53"), never empty; hosts: the namespaces, empty for
	 * the own one; podDNS: empty */
	struct strv list;
};

struct connect_options {
	int mode; /* enum connect_mode */
	struct dns_option dns_mode;
	char *cluster_domain; /* lower case, no dots at the ends, never NULL */
	struct prefixes include_ips;
	struct prefixes exclude_ips;
	struct ipaddr ingress_ip; /* family 0: not given */
	struct ipaddr proxy_addr;
	char *shadow; /* NAME, pod/NAME, deployment/NAME; or NULL */
	char *env;    /* whose mark requests get; or NULL */
	struct strv include_domains; /* lower case, no leading dot */
	struct fault_list faults;
	int64_t keep;	   /* ns: how long a lost session is kept */
	int dns_cache_ttl; /* seconds; 0: no cache */
	int shadows;	   /* 2: one stands by */
	uint16_t proxy_port;
	uint16_t dns_port;
	bool dns_port_given; /* else any other port will do when it is taken */
	bool share_shadow;
	bool disable_pod_ip;
	bool skip_cleanup;
	bool disable_tun_device;
	bool disable_tun_route;
};

/** struct pod_env_options - of a Pod's environment: run, env-file */
struct pod_env_options {
	char *container;     /* or NULL */
	struct strv include; /* patterns; none: all of the Pod's */
	struct strv exclude; /* patterns */
	struct strv local;   /* patterns: they stay this machine's */
	struct pairs set;
	char *file; /* or NULL */
	int syntax; /* enum vars_syntax: env-file */
};

enum run_capture { RUN_AUTO, RUN_NAMESPACE, RUN_SECCOMP, RUN_SOCKS };
enum run_engine { RUN_ENGINE_NONE, RUN_ENGINE_PODMAN, RUN_ENGINE_DOCKER };
enum on_lost { ON_LOST_TERM, ON_LOST_KEEP };

/** struct run_options - beside those of connect, which it has too */
struct run_options {
	bool exchange; /* of these three one at most: who comes to the program
			*/
	char *mesh;    /* a mark, or NULL */
	char *preview; /* a name, or NULL */
	struct expose expose;
	int capture; /* enum run_capture */
	int on_lost; /* enum on_lost: of the program, when ktctl is gone */
	int engine;  /* enum run_engine: the program is a container of it */
	bool no_outside;
	struct pod_env_options pod;
	bool no_files;
	bool write;  /* the Pod's files may be written here */
	bool in_pod; /* it dials from the workload's Pod */
	bool vscode;
};

/** struct inbound_options - of every command that brings traffic here */
struct inbound_options {
	struct expose expose;
	int grace_time; /* seconds */
	int program;	/* descriptor of local/program_link.h; 0: none */
	bool skip_port_checking;
	bool force; /* though Pods lose the names that a Service gives them */
	/* of a Service with one port any number is that one's */
	bool any_port;
};

enum exchange_mode { EXCHANGE_SELECTOR, EXCHANGE_SCALE, EXCHANGE_EPHEMERAL };

struct exchange_options {
	struct inbound_options in;
	int mode;	       /* enum exchange_mode */
	int recover_wait_time; /* seconds */
};

enum mesh_mode { MESH_AUTO, MESH_MANUAL };
enum mesh_route_option { ROUTE_NONE, ROUTE_ISTIO, ROUTE_GATEWAY };

struct mesh_options {
	struct inbound_options in;
	int mode;	    /* enum mesh_mode */
	int route;	    /* enum mesh_route_option */
	char *version_mark; /* or NULL */
	char *match;	    /* a match of wire/rule.h, or NULL */
	char *router_image; /* NULL: that of the shadow */
	bool copy;	    /* only copies come here */
	int percent;	    /* of the requests */
	bool percent_given; /* then also of those without a mark */
};

struct preview_options {
	struct inbound_options in;
	bool external;
};

struct forward_options {
	struct prefixes address; /* none: the loopback addresses */
	int64_t keep;		 /* as connect's */
	int shadows;		 /* likewise */
	struct fault_list faults;
};

/** struct session_options - of every command that runs until it is ended */
struct session_options {
	bool background;
	int with;      /* ends with this process; 0: with none */
	char *applied; /* by "ktctl apply", or NULL (apply/sessions.h) */
};

struct apply_options {
	char *file; /* NULL: the one of this directory; "-": stdin */
	int output; /* enum output_form */
	bool dry_run;
	bool remove;
};

struct config_options {
	bool all;     /* show, unset */
	bool dry_run; /* load-profile */
};

struct clean_options {
	int threshold_minutes;
	int64_t every; /* ns; 0: once */
	bool dry_run;
	bool local_only;
};

struct completion_options {
	bool no_descriptions;
};

enum output_form { OUTPUT_TEXT, OUTPUT_JSON };

/** struct compose_options - beside those of connect, which are the sidecars' */
struct compose_options {
	char *file; /* "-": stdin; or NULL */
	bool whole;
};

struct status_options {
	int output; /* enum output_form; OUTPUT_TEXT: the table */
	bool watch;
	bool check; /* 1 unless all are up */
};

struct disconnect_options {
	bool all;
};

struct events_options {
	char *expect;	 /* expressions (control/expect.h), joined by ';' */
	int64_t timeout; /* ns */
	int64_t since;	 /* ns */
	int output;	 /* enum output_form */
};

struct version_options {
	bool client; /* ask no cluster */
	int output;  /* enum output_form */
};

struct image_options {
	char *name; /* export: what it is called; never NULL */
	bool insecure;
};

struct doctor_options {
	int output;   /* enum output_form */
	char *shadow; /* as connect's; or NULL */
	/* as those of the command that is looked at, whose options have them
	 * too; or NULL */
	char *mode, *route;
};

enum birdseye_output { BIRDSEYE_TABLE, BIRDSEYE_JSON, BIRDSEYE_YAML };
enum birdseye_sort { BIRDSEYE_BY_STATUS, BIRDSEYE_BY_NAME };

struct birdseye_options {
	int output;  /* enum birdseye_output */
	int sort_by; /* enum birdseye_sort */
	bool show_connector;
	bool hide_natural;
	bool all_namespaces;
	bool watch;
};

struct map_options {
	bool no_open; /* no browser */
};

struct env_options {
	struct inbound_options in; /* join --local: in.expose */
	char *parent;		   /* create; or NULL */
	int64_t ttl;		   /* ns; 0: it has no end */
	char *image;		   /* join; or NULL */
	struct pairs set;	   /* join --image: variables */
	struct strv env_from;	   /* join --image: "configmap/NAME" */
	struct pairs selector;	   /* join; none: not given */
	char *service;		   /* join; or NULL */
	char *tls_secret;	   /* join, init; or NULL */
	int replicas;		   /* join --image */
	int64_t idle;		   /* join --image; ns, 0: it does not sleep */
	int64_t wake_timeout;	   /* join --idle; ns */
	char *on_join, *on_delete; /* join --image; or NULL */
	int output;		   /* enum output_form; list, show */
	bool strict;		   /* create */
	char *header;		   /* create; or NULL */
	bool dry_run;		   /* apply */
	char *file;		   /* apply; "-": stdin */
	char *cluster_domain;	   /* init; never NULL */
	char *gateway;		   /* share; or NULL */
	char *ingress_class;	   /* share; or NULL */
	int64_t ended_for;	   /* share; ns; 0: nothing stays */
	bool stop;		   /* share */
	char *path;		   /* check; never NULL */
	int64_t timeout;	   /* check; ns */
	bool routers;		   /* check */
};

struct command;
struct given;

/** struct options - everything one run of ktctl was asked to do */
struct options {
	struct global_options global;
	struct connect_options connect;
	struct run_options run;
	struct exchange_options exchange;
	struct mesh_options mesh;
	struct preview_options preview;
	struct forward_options forward;
	struct clean_options clean;
	struct config_options config;
	struct completion_options completion;
	struct version_options version;
	struct doctor_options doctor;
	const struct command *judged; /* by doctor: its options are filled in,
					 too; or NULL */
	struct image_options image;
	struct session_options session;
	struct compose_options compose;
	struct status_options status;
	struct disconnect_options disconnect;
	struct events_options events;
	struct birdseye_options birdseye;
	struct apply_options apply;
	struct map_options map;
	struct env_options env;

	const struct command *command;
	char *const *args; /* positional arguments, borrowed from argv */
	size_t nargs;
	size_t nbefore; /* of them before "--", where that was there */
	bool ended;	/* it was */
	const struct given *given; /* flags of the command line, borrowed */
	size_t ngiven;
};

/** options_fini() - free what the rows of the table put in */
void options_fini(struct options *o);

#endif
