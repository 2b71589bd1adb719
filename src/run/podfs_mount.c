/* SPDX-License-Identifier: Apache-2.0 */
#include "run/podfs_mount.h"

#include "base/mem.h"
#include "run/mounts_impl.h"
#include "wire/fsmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define PODFS_DEVICE "/dev/fuse"
#define PODFS_FLAGS (MS_NOSUID | MS_NODEV)

/* --- the device ----------------------------------------------------------- */

static int podfs_mount_device(struct kt_error *err)
{
	int fd = open(PODFS_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	kt_fail(err, errno, "open %s: %s", PODFS_DEVICE, strerror(errno));
	if (err->code == EACCES || err->code == EPERM)
		kt_hint(err,
			"everybody may open it as udev has it: sudo chmod "
			"666 %s",
			PODFS_DEVICE);
	else
		kt_hint(err,
			"load the module (sudo modprobe fuse); in a container "
			"pass --device %s",
			PODFS_DEVICE);
	return -err->code;
}

int podfs_check(struct kt_error *err)
{
	auto_close int fd = podfs_mount_device(err);

	return MIN(fd, 0);
}

int podfs_mount(int room, struct kt_error *err)
{
	auto_free char *at = mounts_fd_path(room, PODFS_FOLDER);
	auto_close int fd = podfs_mount_device(err);
	char options[128];

	if (fd < 0)
		return fd;
	/* in the program's namespace there is nobody else to be kept out */
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,"
		 "max_read=%u",
		 fd, geteuid(), getegid(), FSMSG_DATA_MAX);
	if ((mkdirat(room, PODFS_FOLDER, 0700) < 0 && errno != EEXIST) ||
	    mount("ktctl", at, "fuse.ktctl",
		  PODFS_FLAGS | MS_RDONLY | MS_NOATIME, options) < 0)
		return kt_fail(err, errno, "mount a FUSE file system: %s",
			       strerror(errno));
	return steal_fd(&fd);
}

/* --- what may be written -------------------------------------------------- */

/* A name in the options of a mount that has neither commas nor colons */
static void podfs_mount_fd_name(char out[32], int fd)
{
	snprintf(out, 32, "/proc/self/fd/%d", fd);
}

static int podfs_mount_volume(int room, const char *name, struct kt_error *err)
{
	auto_free char *path = xasprintf("%s/%s", PODFS_FOLDER, name);
	int fd = openat(room, path,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? kt_fail(err, errno, "volume %s: %s", name,
				strerror(errno))
		      : fd;
}

int podfs_mount_layer(int room, const char *name, const char *layer,
		      struct kt_error *err)
{
	auto_free char *work = xasprintf("%s.work", layer);
	auto_free char *options = NULL;
	auto_close int lower = podfs_mount_volume(room, name, err);
	auto_close int upper = -1, side = -1;
	char path[3][32];

	if (lower < 0)
		return lower;
	if (mkdirat(room, work, 0700) < 0 && errno != EEXIST)
		return kt_fail(err, errno, "make a folder: %s",
			       strerror(errno));
	upper = openat(room, layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
	side = openat(room, work, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0 || side < 0)
		return kt_fail(err, errno, "open a folder: %s",
			       strerror(errno));
	podfs_mount_fd_name(path[0], lower);
	podfs_mount_fd_name(path[1], upper);
	podfs_mount_fd_name(path[2], side);
	options = xasprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr",
			    path[0], path[1], path[2]);
	if (mount("ktctl", path[1], "overlay", PODFS_FLAGS, options) < 0)
		return kt_fail(err, errno, "mount an overlay: %s",
			       strerror(errno));
	return 0;
}

int podfs_mount_instead(int room, const char *name, const char *layer,
			struct kt_error *err)
{
	auto_close int volume = podfs_mount_volume(room, name, err);
	auto_free char *from = NULL, *at = mounts_fd_path(room, layer);

	if (volume < 0)
		return volume;
	from = mounts_fd_path(volume, NULL);
	return mount(from, at, NULL, MS_BIND, NULL) < 0
		       ? kt_fail(err, errno, "bind it: %s", strerror(errno))
		       : 0;
}

/* --- what is there -------------------------------------------------------- */

int podfs_is_folder(int room, const char *source, struct kt_error *err)
{
	auto_close int fd = mounts_walk(room, source);
	struct stat st;

	if (fd == -ELOOP)
		return kt_fail(err, ELOOP, "it is a link");
	if (fd < 0)
		return kt_fail(err, -fd, "%s", strerror(-fd));
	if (fstat(fd, &st) < 0)
		return kt_fail(err, errno, "%s", strerror(errno));
	return S_ISDIR(st.st_mode);
}
