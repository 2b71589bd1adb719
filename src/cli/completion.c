/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl completion SHELL: print a script that asks "ktctl __complete" */
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"

#include "base/mem.h"
#include "completion_scripts.h"

#include <string.h>

#define PLACE "@COMPLETE@"

int command_completion(struct app *app, const struct options *o)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {
		{ "bash", ktctl_bash },
		{ "zsh", ktctl_zsh },
		{ "fish", ktctl_fish },
		{ "powershell", ktctl_ps1 },
	};
	const char *helper = o->completion.no_descriptions ? "__completeNoDesc"
							   : "__complete";
	const char *shell = command_word(o->command);

	(void)app;
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		const char *text = scripts[i].script, *at;

		if (strcmp(scripts[i].shell, shell) != 0)
			continue;
		while ((at = strstr(text, PLACE))) {
			printf("%.*s%s", (int)(at - text), text, helper);
			text = at + strlen(PLACE);
		}
		fputs(text, stdout);
	}
	return EXIT_OK;
}
