// SPDX-License-Identifier: Apache-2.0
// A host on which nothing is amiss, for each test of one test program anew.
#pragma once

#include "tests/lib/host_fixture.h"

static struct host_fixture tree;
static struct check_config config;

static inline void set_up(void)
{
	host_make(&tree);
	config = host_config(&tree);
}

static inline void tear_down(void)
{
	host_remove(&tree);
}
