/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_OBJECTS_H
#define KT_CLUSTER_OBJECTS_H

#include "base/error.h"
#include "cluster/pod_options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: The objects we make
 *
 * Names, labels and annotations are KT Connect's, so that its `clean` and
 * `birdseye` and ours understand each other's objects. Everything else is
 * ours: the Pod passes PodSecurity "restricted" (no root, no capability,
 * read-only root, default seccomp profile) and holds no API token.
 */

#define KT_LABEL_CONTROL "control-by"
#define KT_LABEL_CONTROL_VALUE "kt"
#define KT_LABEL_ROLE "kt-role"
#define KT_LABEL_TARGET "kt-target"
#define KT_ANNOTATION_USER "kt-user"
#define KT_ANNOTATION_HEARTBEAT "kt-last-heart-beat"
#define KT_ANNOTATION_REFS "kt-ref-count"
#define KT_ANNOTATION_CONFIG "kt-config"
#define KT_ANNOTATION_MACHINE "kt-machine" /* ours: host name of the user's */
#define KT_ANNOTATION_COMMAND "kt-command" /* ours: connect, forward */
#define KT_ANNOTATION_SINCE "kt-since"	   /* ours: Unix seconds */
#define KT_ANNOTATION_KEEP "kt-keep" /* ours: seconds, see object_kept() */
#define KT_ANNOTATION_COPY "kt-copy" /* ours, of a record: per cent */
#define KT_ROLE_CONNECT "shadow-connect"
#define KT_ROLE_EXCHANGE "shadow-exchange"
#define KT_ROLE_MESH "shadow-mesh"
#define KT_ROLE_PREVIEW "shadow-preview"
#define KT_ROLE_ROUTER "router"
#define KT_CONTAINER "standalone"
#define KT_CONTAINER_PORTS "ports" /* beside it, where names want it */
#define KT_CONTAINER_TLS "tls"	   /* beside it: a gate */
#define KT_TLS_FOLDER "/ktctl-tls" /* where that has the Secret */
#define KT_ENV_SERVE "SHADOW_SERVE"

#define KT_SHARED_SHADOW "kt-connect-shadow-daemon"
#define KT_CONNECT_PREFIX "kt-connect-shadow-" /* five letters follow */

#define KT_TARGET_SIZE 21
/** target_make() - a kt-target: twenty random letters */
void target_make(char dst[KT_TARGET_SIZE]);

/** struct shadow_spec - all borrowed; what is NULL or 0 is left out */
struct shadow_spec {
	const char *name;
	const char *role;   /* KT_ROLE_... */
	const char *target; /* kt-target */
	const char *config; /* kt-config */
	const char *user;   /* kt-user */
	int64_t now;	    /* first heartbeat: kube_cluster_time(); 0: none */

	const char *image;
	bool always_pull; /* --forceUpdate */
	const char *image_pull_secret;
	const json_t *image_pull_secrets; /* more: [{"name": "n"}] */
	/* the image is any, and the program comes from this ConfigMap, whose
	 * packed file has this SHA-256 (program.h) */
	const char *program, *digest;
	bool is_gate; /* the gate alone runs in it, not the shadow */
	const char *service_account;
	bool token;		     /* the account's, for the API server */
	long run_as_user;	     /* as in struct pod_options */
	const json_t *node_selector; /* {"k": "v"}; wins over our own */
	const char *avoid_node;	     /* on another, if there is one */
	const json_t *labels;	     /* more, {"k": "v"}; ours win */
	const json_t *annotations;   /* likewise */
	const char *cpu, *memory;    /* quantities: request and limit */

	const char *const *args; /* of the container, NULL-terminated */
	uint16_t health_port;	 /* GET /healthz, on the Pod's address */

	/* one that stands in front of a Service: it must stay for as long as
	 * the Service leads to it, whoever is gone */
	const char *serve; /* SHADOW_SERVE */
	/* service_ports_containers(): of the container, and of one beside it
	 * that only declares what has the same name there */
	const json_t *ports;
	bool low_ports; /* some are below 1024: needs Kubernetes 1.22 */
	/* the ConfigMap at KT_ENV_TABLE_FOLDER, if there is one */
	const char *env_table;
	const json_t *owners; /* of a Deployment; or NULL */
	/* a gate beside it (src/gate) that ends TLS with this Secret, with
	 * these arguments; or NULL. Its program, as above */
	const char *tls_secret;
	const char *const *tls_args;
	uint16_t tls_health;
	const char *gate, *gate_digest;
};

/** objects_arch() - what Kubernetes calls the architecture that we are built
 *  for; "" when it has no name */
const char *objects_arch(void);

/** shadow_pod() - a bare Pod (returned, caller decrefs) */
json_t *shadow_pod(const struct shadow_spec *s);
/** shadow_deployment() - the same Pod as a Deployment of one replica; its Pods
 *  carry kt-role and a random kt-target, as KT's do, but not control-by */
json_t *shadow_deployment(const struct shadow_spec *s);

/** object_tls_secret() - which one the gate of @deployment has; borrowed, NULL:
 *  it has no gate */
const char *object_tls_secret(const json_t *deployment);
/** objects_pairs() - {"k": "v"} (returned, caller decrefs) */
json_t *objects_pairs(const struct pairs *p);
/** object_add_options() - --withLabel and --withAnnotation, on @obj that we
 * make beside the shadow; what it has already stays. @o may be NULL */
void object_add_options(json_t *obj, const struct pod_options *o);

/** object_label(), object_annotation() - value, or NULL; borrowed */
const char *object_label(const json_t *obj, const char *key);
const char *object_annotation(const json_t *obj, const char *key);
/** object_name() - metadata.name, "" when there is none; borrowed */
const char *object_name(const json_t *obj);
/** object_key() - "NAMESPACE/NAME" of @obj (returned, caller frees) */
char *object_key(const json_t *obj);
/** object_is_owned() - the object of @uid (NULL: none) is an owner of @obj */
bool object_is_owned(const json_t *obj, const char *uid);
/** objects_users() - "alice, bob": kt-user of @objects; "somebody" when none
 *  has one (returned, caller frees) */
char *objects_users(const json_t *objects);
/** object_config() - the value of @key in kt-config ("k=v,k=v"): returned,
 *  caller frees; NULL when it is not there */
char *object_config(const json_t *obj, const char *key);
/** object_pod_labels() - labels of the Pods that @obj is, or makes; borrowed */
const json_t *object_pod_labels(const json_t *obj);
/** object_is_of_ktctl() - this program has made @obj, not KT Connect, whose
 *  objects have the same names and labels, but another program in them */
bool object_is_of_ktctl(const json_t *obj);
/** object_pod_is_ready() - its condition Ready says so */
bool object_pod_is_ready(const json_t *pod);
/** object_is_ending() - it is deleted, and not gone yet */
bool object_is_ending(const json_t *obj);
/** object_age() - seconds since the Unix time in the annotation @key; -1: there
 *  is none */
int64_t object_age(const json_t *obj, const char *key, int64_t now);

#define OBJECT_KEPT_MAX (24 * 3600)
/** object_kept() - how many seconds its user may be away, a heartbeat missing,
 *  and come back; 0: it is not said */
int64_t object_kept(const json_t *obj);

#endif
