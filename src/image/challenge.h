/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_CHALLENGE_H
#define KT_IMAGE_CHALLENGE_H

#include <stdbool.h>

/** struct challenge - what a server wants to be asked with */
struct challenge {
	char realm[1024]; /* Bearer: the URL where tokens are */
	char service[512];
};

/** challenge_find() - the first challenge of @scheme ("Bearer", any case) in
 *  the value of a WWW-Authenticate field, a list of them (RFC 9110 section
 *  11.6.1)
 *  Return: false: there is none, the value makes no sense up to there, or what
 *  is in it is too long */
bool challenge_find(const char *value, const char *scheme,
		    struct challenge *out);

#endif
