/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_HTTP1_INSIDE_H
#define KT_ROUTER_HTTP1_INSIDE_H

#include "base/buf.h"
#include "router/conn.h"
#include "router/copy.h"
#include "router/http1_up.h"
#include "wire/http1.h"

struct note;

#define HTTP1_TRIES 2

enum http1_state { READING, EXCHANGE, LINGER };

struct http1 {
	struct router_conn *rc;
	struct pipe_end caller;
	struct ups ups;
	enum http1_state state;
	bool gone;
	struct timer timer; /* route again; the end of LINGER; a slow caller */
	bool hurried;	    /* some of a head is there: the timer runs */
	struct buf out;	    /* an answer of ours, or a head of the backend's */

	/* the request */
	struct buf head; /* as it goes on */
	size_t head_sent;
	bool copied; /* who wants a copy has the head */
	struct http1_flow body;
	size_t body_ok; /* checked, at the front of caller.in */
	bool to_head, connect, upgrade, safe, idempotent, old;
	bool keep; /* the caller's connection, if the response agrees */
	unsigned int tries;
	struct backend_ref ref;
	bool completed;	 /* the answer's head was, by what we say in it */
	char *served_by; /* in another's place; NULL: it has to be nobody else
			  */
	struct copies copies; /* while it is not whole */
	int error;	      /* of the backend's connection */
	struct note *note;

	/* the response */
	struct http1_flow answer;
	size_t answer_ok; /* checked, at the front of up.in */
	bool in_answer;	  /* behind the final head */
	bool answered;	  /* some of the final response went to the caller */
	bool heard;	  /* an interim response came */
	bool answer_persists; /* the backend keeps its connection */
};

/* --- http1.c -------------------------------------------------------------- */

/** http1_scratch - one head at a time, as long as a handler looks at it: it is
 *  large */
extern struct http1_head http1_scratch;

/** http1_over() - end the caller's connection; @c is gone */
void http1_over(struct http1 *c, bool reset);
/** http1_tunnel() - from here on both ways are nobody's but theirs; @c is gone
 */
void http1_tunnel(struct http1 *c);
/** http1_bad_gateway() - answer 502 or, by c->error, 504; the last answer on
 *  this connection */
void http1_bad_gateway(struct http1 *c, const char *what);
/** http1_send_out() - what waits in c->out to the caller
 *  Return: 1: all of it is out; 0: later; -1: the connection is gone */
KT_CHECK int http1_send_out(struct http1 *c);
/** http1_again() - choose a backend once more, soon */
void http1_again(struct http1 *c);
/** http1_request_sent() - all of the request is the backend's */
bool http1_request_sent(const struct http1 *c);

/* --- http1_response.c ----------------------------------------------------- */

/** http1_pull() - what the backend in use has answered, to the caller
 *  Return: 1: the response is complete; 0: later; -1: the connection is gone,
 *  lingers or waits for another backend */
KT_CHECK int http1_pull(struct http1 *c);

#endif
