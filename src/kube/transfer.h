/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_TRANSFER_H
#define KT_KUBE_TRANSFER_H

#include "base/error.h"
#include "base/loop.h"
#include "base/str.h"

#include <curl/curl.h>
#include <stdbool.h>

struct kube;

/**
 * DOC: Transfers
 *
 * libcurl's multi interface on our loop: curl names the descriptors and the
 * time-out it waits for, the loop tells it what happened. Nothing of ours that
 * may call back into curl runs inside curl: its callbacks only store bytes,
 * and what is finished is told after curl has returned.
 */

/** struct curl_loop - one multi handle and its loop */
struct curl_loop {
	struct loop *loop;
	CURLM *multi;
	struct timer timer;
	void (*ran)(void *user); /* after every turn of curl */
	void *user;
};

/** curl_loop_init() - @ran(user) is called after every turn; 0 or -ENOMEM */
KT_CHECK int curl_loop_init(struct curl_loop *cl, struct loop *loop,
			    void (*ran)(void *user), void *user);
/** curl_loop_fini() - every transfer must have been stopped before */
void curl_loop_fini(struct curl_loop *cl);

/** struct transfer - one easy handle; embedded by its owner */
struct transfer {
	struct curl_loop *cl;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	char problem[CURL_ERROR_SIZE];
	bool added;
	int sock; /* that curl waits for; 0: none yet */
	/** done() - curl is through with it; from the loop */
	void (*done)(struct transfer *t, CURLcode rc);
};

/**
 * transfer_init() - a handle set up for the API server of @k: URL, TLS, proxy,
 * client certificate, socket hook; nothing is sent yet
 * @path: path and query behind the server's URL, escaped
 * Return: 0 or -ENOMEM
 */
KT_CHECK int transfer_init(struct transfer *t, struct kube *k,
			   const char *path);
/** transfer_header() - add one "Name: value" line to the request */
void transfer_header(struct transfer *t, const char *line);
/** transfer_start() - go; @done is called once, unless stopped before */
KT_CHECK int transfer_start(struct transfer *t,
			    void (*done)(struct transfer *t, CURLcode rc));
/** transfer_stop() - end it, close or pool its connection, free the handle;
 *  safe on a zeroed transfer */
void transfer_stop(struct transfer *t);

#endif
