// SPDX-License-Identifier: Apache-2.0
// An assertion of a fuzz target that no build leaves out.
#pragma once

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)
