/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_PIPE_FD_H
#define KT_PIPE_FD_H

#include "base/loop.h"

struct pipe;

/** pipe_fd_new() - a pipe of a connected stream socket
 *  @fd: taken, also on failure. Return: the pipe, or NULL with errno. */
struct pipe *pipe_fd_new(struct loop *l, int fd);

/** pipe_fd_opening() - a pipe whose socket is being connected
 *  @cancel: called with @user when it is closed before pipe_fd_opened()
 *  Return: the pipe, or NULL with errno. */
struct pipe *pipe_fd_opening(struct loop *l, void (*cancel)(void *user),
			     void *user);
/** pipe_fd_opened() - the connected socket (taken), or -errno: then closed() is
 *  called and the pipe is gone. From the loop only. */
void pipe_fd_opened(struct pipe *p, int fd);

#endif
