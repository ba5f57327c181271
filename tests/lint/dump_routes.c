// SPDX-License-Identifier: Apache-2.0
// Prints the API's routes, for the test that compares them with docs/api.yaml.
#include "vmm/routes.h"

#include <stdio.h>

int main(void)
{
	size_t count;
	const struct route *routes = routes_table(&count);

	for (size_t i = 0; i < count; i++)
		printf("%s %s %s %s\n", http_method_name(routes[i].method), routes[i].path,
			routes[i].states == ROUTE_BEFORE  ? "before"
			: routes[i].states == ROUTE_AFTER ? "after"
							  : "any",
			routes[i].body == ROUTE_BODY || routes[i].body == ROUTE_STREAM ? "body"
			: routes[i].body == ROUTE_NO_BODY                              ? "none"
							  : "optional");
	return 0;
}
