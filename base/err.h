// SPDX-License-Identifier: Apache-2.0
// The error object: made in one line where the fact is known, printed once by whoever decides.
#pragma once

/* The longest message kept; a longer one is cut, never an error in itself. */
#define ERR_MSG_MAX 512

/*
 * struct err - why an operation failed
 * @code:	negative errno
 * @msg:	one line without a newline: what, which, why, and the value
 *
 * Lives on the caller's stack and owns no memory. A function that fails has always set it.
 */
struct err {
	int code;
	char msg[ERR_MSG_MAX];
};

/*
 * err_set() - record a failure
 * @err:	may be NULL: then only the code is returned
 * @code:	negative errno
 *
 * Control characters in the result (names come from hostile inputs) are shown as '?'.
 *
 * Return: @code, so that a caller can write `return err_set(err, -EINVAL, ...)`.
 */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * err_errno() - err_set() with ": " and the text of errno added to the message
 * @err:	may be NULL
 * @errnum:	positive errno
 *
 * Return: -@errnum.
 */
int err_errno(struct err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * err_add() - add to the message of a failure that is told already: what it means, what helps
 * @err:	not NULL
 *
 * Return: its code.
 */
int err_add(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
