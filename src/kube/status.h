/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_STATUS_H
#define KT_KUBE_STATUS_H

#include "base/error.h"

#include <curl/curl.h>
#include <jansson.h>

struct kube;

/**
 * status_fail() - make an error from a reply that is not 2xx
 * @what: "GET /api/v1/..." for a reply that holds no Status
 * @json: its body, or NULL; @text: the body as it came
 * Return: -err->code
 */
int status_fail(struct kt_error *err, int http_status, const char *what,
		const json_t *json, const char *text);

/**
 * status_not_json() - make an error from a 2xx answer that holds no JSON object
 * @type: its Content-Type, or NULL; @text: the body as it came
 * Return: -EPROTO
 */
int status_not_json(struct kt_error *err, int http_status, const char *what,
		    const char *type, const char *text);

/** status_hint_forbidden() - say what to do about a refusal by RBAC, quota or
 *  admission, as far as @err's sentence tells which it was */
void status_hint_forbidden(struct kt_error *err);

/** unreachable_fail() - the API server, or the proxy before it, cannot be
 *  reached because of @why; returns -@code */
int unreachable_fail(struct kt_error *err, const struct kube *k, int code,
		     const char *why);

/**
 * curl_fail() - make an error from a transfer that gave no reply
 * @problem: curl's own sentence, may be ""
 * Return: -err->code
 */
int curl_fail(struct kt_error *err, const struct kube *k, CURL *easy,
	      CURLcode rc, const char *problem);

#endif
