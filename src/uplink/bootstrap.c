/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/bootstrap.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

void bootstrap_init(struct bootstrap *b, struct kube *k, const char *ns,
		    const struct pod_options *o)
{
	*b = (struct bootstrap){ .kube = k, .ns = ns, .options = o };
}

void bootstrap_fini(struct bootstrap *b)
{
	kube_request_cancel(b->look);
	base_image_fini(&b->base);
	*b = (struct bootstrap){ 0 };
}

/* It is known as well where bootstrap_look() has asked for it */
static bool bootstrap_is_prepared(const struct bootstrap *b)
{
	return b->program && !b->options->image;
}

void bootstrap_inherit(struct bootstrap *b, const struct bootstrap *from)
{
	if (!bootstrap_is_prepared(from))
		return;
	b->program = from->program;
	memcpy(b->name, from->name, sizeof(b->name));
	memcpy(b->digest, from->digest, sizeof(b->digest));
	b->with_gate = from->with_gate;
	b->gate = from->gate;
	memcpy(b->gate_name, from->gate_name, sizeof(b->gate_name));
	memcpy(b->gate_digest, from->gate_digest, sizeof(b->gate_digest));
	base_image_fini(&b->base);
	if (from->base.image)
		b->base.image = xstrdup(from->base.image);
	if (from->base.pod)
		b->base.pod = xstrdup(from->base.pod);
	b->base.secrets = json_incref(from->base.secrets);
}

/* false: this ktctl has none */
static bool bootstrap_choose(struct bootstrap *b)
{
	b->program = b->is_gate ? program_gate_for(program_arch(b->options))
				: program_for(program_arch(b->options));
	if (!b->program)
		return false;
	program_name(b->program, b->name);
	program_digest(b->program, b->digest);
	b->gate = b->with_gate ? program_gate_for(b->program->arch) : NULL;
	if (b->gate) {
		program_name(b->gate, b->gate_name);
		program_digest(b->gate, b->gate_digest);
	}
	return true;
}

int bootstrap_find(struct bootstrap *b, const json_t *selector,
		   struct kt_error *err)
{
	const struct pod_options *o = b->options;
	int rc = 0;

	if (o->image)
		return 0;
	if (!bootstrap_choose(b)) {
		kt_fail(err, ENOTSUP,
			"this ktctl brings no %s for nodes of architecture "
			"'%s'",
			b->is_gate ? "gate" : "shadow", program_arch(o));
		kt_hint(err, "name an image of the shadow with --image");
		return -ENOTSUP;
	}
	if (o->base_image) {
		base_image_fini(&b->base);
		b->base.image = xstrdup(o->base_image);
	} else {
		rc = base_image_find(b->kube, b->ns, selector, b->program->arch,
				     &b->base, err);
	}
	/* the second time that of the first will do */
	if (rc == -ENOENT && b->base.image) {
		*err = (struct kt_error){ 0 };
		rc = 0;
	}
	return rc;
}

int bootstrap_prepare(struct bootstrap *b, const json_t *selector,
		      struct kt_error *err)
{
	int rc = bootstrap_find(b, selector, err);

	return rc < 0 ? rc : bootstrap_again(b, err);
}

int bootstrap_again(struct bootstrap *b, struct kt_error *err)
{
	const struct program_place at = {
		.kube = b->kube,
		.ns = b->ns,
		.options = b->options,
		.home = b->home,
		.before = b->before,
		.user = b->user,
	};

	int rc = bootstrap_is_prepared(b) ? program_ensure(&at, b->program, err)
					  : 0;

	if (rc == 0 && bootstrap_is_prepared(b) && b->gate)
		rc = program_ensure(&at, b->gate, err);
	return rc;
}

void bootstrap_fill(const struct bootstrap *b, struct shadow_spec *s)
{
	s->image = b->options->image;
	s->is_gate = b->is_gate;
	if (!bootstrap_is_prepared(b))
		return;
	s->image = b->base.image;
	s->image_pull_secrets = b->base.secrets;
	s->program = b->name;
	s->digest = b->digest;
	s->gate = b->gate ? b->gate_name : NULL;
	s->gate_digest = b->gate_digest;
}

static void bootstrap_on_made(void *user, const struct kube_reply *r)
{
	struct bootstrap *b = user;

	b->look = NULL;
	if (r->err && r->status != 409)
		log_warn("ConfigMap %s/%s was removed, and cannot be made "
			 "again: %s",
			 b->ns, b->name, r->err->msg);
}

static void bootstrap_on_looked(void *user, const struct kube_reply *r)
{
	struct bootstrap *b = user;
	auto_free char *path = NULL;
	auto_json json_t *obj = NULL;
	struct kube_request req = { .method = "POST" };

	b->look = NULL;
	if (r->status != 404)
		return;
	log_info("ConfigMap %s/%s was removed by somebody: making it again",
		 b->ns, b->name);
	path = kube_path("v1", "configmaps", b->ns, NULL, NULL);
	obj = program_object(b->program, b->options);
	req.path = path;
	req.body = obj;
	b->look = kube_request_start(b->kube, &req, bootstrap_on_made, b);
}

void bootstrap_look(struct bootstrap *b, const json_t *pod)
{
	auto_free char *path = NULL;
	struct kube_request req = { .method = "GET", .as = KUBE_METADATA };

	/* a shared one was made by another user, perhaps with the same */
	if (b->look || (!b->program && !bootstrap_choose(b)) ||
	    !program_used_by(pod, b->name))
		return;
	path = kube_path("v1", "configmaps", b->ns, b->name, NULL);
	req.path = path;
	b->look = kube_request_start(b->kube, &req, bootstrap_on_looked, b);
}
