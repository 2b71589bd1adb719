#include "tunnel/client.h"
#include <errno.h>
#include <stddef.h>
struct tunnel_udp *tunnel_udp_open(struct tunnel *t, const struct ipport *dst,
				   const struct tunnel_udp_ops *ops, void *user)
{
	(void)t;
	(void)dst;
	(void)ops;
	(void)user;
	return NULL;
}
int tunnel_udp_send(struct tunnel_udp *u, const uint8_t *data, size_t len)
{
	(void)u;
	(void)data;
	(void)len;
	return 0;
}
void tunnel_udp_close(struct tunnel_udp *u)
{
	(void)u;
}
struct tunnel_ping *tunnel_ping_open(struct tunnel *t, const struct ipaddr *dst,
				     const struct tunnel_ping_ops *ops,
				     void *user)
{
	(void)t;
	(void)dst;
	(void)ops;
	(void)user;
	return NULL;
}
int tunnel_ping_send(struct tunnel_ping *p, const struct tunnel_echo *e)
{
	(void)p;
	(void)e;
	return 0;
}
void tunnel_ping_close(struct tunnel_ping *p)
{
	(void)p;
}
