/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl recover: what inbound/recover.c does, and the members that it removes
 * are dropped from the table of environments. */
#include "inbound/recover.h"
#include "cli/app.h"
#include "env/table.h"

int command_recover(struct app *app, const struct options *o)
{
	return recover_command(app, o, env_table_refresh);
}
